/**
 * The bytes that follow a call: a console, a picture, a volume's content.
 *
 * All streams and calls of a connection share its one pipe: a reader that stands still stops everything on it. So give a
 * console or a long transfer a connection of its own (daemon.ts).
 */
export interface LibvirtStream extends AsyncIterable<Uint8Array>, AsyncDisposable {
  /** Resolves when the connection takes more. @throws HdcsError why the stream ended, when it did. */
  write(bytes: Uint8Array): Promise<void>
  /** No more will be written and read: resolves when libvirt has everything and confirmed it; else throws why not. */
  end(): Promise<void>
  /** Gives it up; libvirt drops what it has not handled yet. Disposing does this if the stream is still open. */
  abort(): Promise<void>
}
