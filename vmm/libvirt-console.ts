/** A domain's serial port, by libvirt's console stream. */
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import type { Host, HostConsole } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { consoleFlags } from './libvirt/flags.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'

/** libvirt opens it in milliseconds. */
const openMs = 10_000

export const libvirtConsole = (
  daemon: Pick<LibvirtDaemon, 'streamClient'>,
  domains: Pick<LibvirtDomains, 'get'>,
): Pick<Host, 'consoleOpen'> => ({
  async consoleOpen(id): Promise<HostConsole> {
    await domains.get(id)
    // A connection of its own: who reads slowly holds nobody up.
    await using opened = new AsyncDisposableStack()
    const client = opened.use(await daemon.streamClient())
    const given = { domain: refOf(id), device: null, flags: consoleFlags.force }
    const stream = opened.use(await client.domainOpenConsole(given, { timeoutMs: openMs }))
    const kept = opened.move()
    return {
      output: told(stream),
      write: bytes => stream.write(bytes),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    }
  },
})

/** libvirt says only that the stream is over, whoever ended it: another who took the console, or the machine. */
async function* told(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream
  } catch (thrown) {
    throw new HdcsError('conflict', 'another has the console now, or the machine ended', { cause: asHdcsError(thrown) })
  }
}
