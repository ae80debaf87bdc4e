import { HdcsError } from '../../lib/errors.ts'

/** REMOTE_STRING_MAX of libvirt. Higher: a hostile length is allocated; lower: large domain XML cannot be read. */
export const maxStringBytes = 4 * 1024 * 1024

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Writes XDR (RFC 4506): everything big-endian and padded to four bytes. Grows by doubling. */
export class XdrWriter {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #size = 0

  int(value: number) {
    this.#grow(4).setInt32(this.#size - 4, value)
  }

  uint(value: number) {
    this.#grow(4).setUint32(this.#size - 4, value)
  }

  hyper(value: bigint) {
    this.#grow(8).setBigInt64(this.#size - 8, value)
  }

  uhyper(value: bigint) {
    this.#grow(8).setBigUint64(this.#size - 8, value)
  }

  double(value: number) {
    this.#grow(8).setFloat64(this.#size - 8, value)
  }

  /** Bytes of a length both sides know. */
  fixed(value: Uint8Array) {
    const at = this.#size
    this.#grow(value.length + padding(value.length))
    this.#bytes.set(value, at)
  }

  opaque(value: Uint8Array) {
    this.uint(value.length)
    this.fixed(value)
  }

  /** @throws HdcsError `too_large` above libvirt's limit: it would refuse the whole message with a text that helps nobody. */
  string(value: string) {
    const bytes = encoder.encode(value)
    if (bytes.length > maxStringBytes)
      throw new HdcsError(
        'too_large',
        `libvirt takes texts of ${maxStringBytes} bytes at most; this one has ${bytes.length}.`,
      )
    this.opaque(bytes)
  }

  /** What was written; later writes do not change it. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#size)
  }

  /** Makes room, and gives the view that has it: one taken before may be of bytes that are no longer ours. */
  #grow(count: number): DataView {
    this.#size += count
    if (this.#size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#size))
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return this.#view
  }
}

/** Reads XDR. Every length is compared with what is really there before anything is allocated. */
export class XdrReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Bytes not yet read. A newer libvirt may append fields to a message: leftovers are no error. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  int(): number {
    return this.#view.getInt32(this.#take(4))
  }

  uint(): number {
    return this.#view.getUint32(this.#take(4))
  }

  hyper(): bigint {
    return this.#view.getBigInt64(this.#take(8))
  }

  uhyper(): bigint {
    return this.#view.getBigUint64(this.#take(8))
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8))
  }

  fixed(size: number): Uint8Array {
    const at = this.#take(size + padding(size))
    return this.#bytes.slice(at, at + size)
  }

  opaque(maxBytes: number): Uint8Array {
    return this.fixed(this.#length(maxBytes))
  }

  string(): string {
    const size = this.#length(maxStringBytes)
    const at = this.#take(size + padding(size))
    return decoder.decode(this.#bytes.subarray(at, at + size))
  }

  /** The number of elements that follow. Each takes four bytes at least, so more than that cannot be there. */
  count(max: number): number {
    const count = this.uint()
    if (count > max || count * 4 > this.left) throw malformed(`a list of ${count} elements`)
    return count
  }

  #length(max: number): number {
    const size = this.uint()
    if (size > max || size > this.left) throw malformed(`${size} bytes where ${this.left} are left`)
    return size
  }

  #take(count: number): number {
    if (count > this.left) throw malformed(`a message that ends ${count - this.left} bytes too early`)
    const at = this.#at
    this.#at += count
    return at
  }
}

const padding = (size: number) => (4 - (size % 4)) % 4

const malformed = (what: string) => new HdcsError('protocol', `libvirt sent ${what}.`)
