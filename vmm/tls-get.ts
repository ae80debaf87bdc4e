/**
 * One GET over TLS whose body comes in few large pieces. node:https makes an object of each 16 KiB, which for images costs
 * more than to decrypt them: here they are decrypted into a few buffers, again and again. Only what our own hosts answer
 * is understood (image-server.ts): a head, and a body of the length that it names.
 */
import type { SocketConstructorOpts } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import { HdcsError } from '../lib/errors.ts'

export interface TlsAnswer extends Disposable {
  status: number
  /** By names in lower case. */
  headers: Map<string, string>
  /**
   * The body, in order. A piece is overwritten once the next is asked for. A line that breaks throws, after all that came
   * before was given.
   */
  body: AsyncIterable<Buffer>
}

/** Less: the line waits for the disk; more: more is under way on a line that is limited. */
const bufferCount = 4
/** Smaller: more writes; larger: only memory. */
const bufferBytes = 512 * 2 ** 10
/** What may still come after we said stop: one read of Node's, and what of it was decrypted before. */
const reserveBytes = 128 * 2 ** 10
/** What came in so long is given all the same: a killed process loses what lies here, and it is sent again. */
const enoughMs = 100
/** A line that says nothing for so long is none. Shorter: a busy disk at the other end breaks it; longer: others wait. */
const silentMs = 30_000
const mostHeadBytes = 16 * 2 ** 10

/** @throws what the socket or the other side's answer throws; an aborted signal breaks the line. */
export async function tlsGet(
  url: string,
  headers: Record<string, string>,
  identity: ConnectionOptions,
  signal: AbortSignal,
): Promise<TlsAnswer> {
  const { hostname, port, host, pathname } = new URL(url)
  const free: Buffer[] = Array.from({ length: bufferCount - 1 }, () => Buffer.allocUnsafeSlow(bufferBytes))
  const full: { buffer: Buffer; piece: Buffer }[] = []
  let buffer: Buffer = Buffer.allocUnsafeSlow(bufferBytes)
  let [start, end] = [0, 0]
  let resting = false
  const line: { over: boolean; error: Error | null } = { over: false, error: null }
  let wake = () => {}

  function came(bytes: number): boolean {
    silence.refresh()
    end += bytes
    const next = end === bufferBytes && free.pop()
    if (next) {
      full.push({ buffer, piece: buffer.subarray(start, end) })
      buffer = next
      start = end = 0
    }
    if (next || !head) wake()
    resting = free.length === 0 && bufferBytes - end < reserveBytes
    return !resting
  }
  function given(used: Buffer): void {
    free.push(used)
    if (!resting) return
    resting = false
    silence.refresh()
    socket.resume()
  }

  let head: { status: number; headers: Map<string, string> } | null = null
  const options: ConnectionOptions & Pick<SocketConstructorOpts, 'onread'> = {
    ...identity,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 443),
    onread: { buffer: () => buffer.subarray(end), callback: came },
  }
  const socket = connect(options)
  const silence = setTimeout(() => {
    if (!resting) socket.destroy(new HdcsError('unreachable', `${host} said nothing for ${silentMs / 1000} s.`))
  }, silentMs)
  const aborted = () => void socket.destroy(new HdcsError('cancelled', 'It is not wanted any more.'))
  signal.addEventListener('abort', aborted)
  socket.on('error', error => {
    line.error = error
  })
  socket.on('close', () => {
    clearTimeout(silence)
    signal.removeEventListener('abort', aborted)
    line.over = true
    wake()
  })
  if (signal.aborted) aborted()

  const fields = Object.entries({ host, connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  socket.write(`GET ${pathname} HTTP/1.1\r\n${fields.join('')}\r\n`)

  const next = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    wake = resolve
    return promise
  }
  while (!head) {
    const ends = buffer.subarray(0, end).indexOf('\r\n\r\n')
    if (ends >= 0) {
      head = readHead(buffer.toString('latin1', 0, ends))
      start = ends + 4
    } else if (line.over || end > mostHeadBytes) {
      socket.destroy()
      throw line.error ?? new Error('the line ended before an answer')
    } else await next()
  }
  const length = Number(head.headers.get('content-length') ?? 0)

  async function* body(): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (full.length === 0 && end - start < left && !line.over) {
        const timer = setTimeout(() => wake(), enoughMs)
        await next()
        clearTimeout(timer)
      }
      const whole = full.shift()
      const piece = (whole?.piece ?? buffer.subarray(start, end)).subarray(0, left)
      // The rest of this buffer is filled on while its beginning is looked at.
      if (!whole) start = end
      left -= piece.length
      if (piece.length > 0) yield piece
      else if (line.over && !whole) throw line.error ?? new Error('the line ended too early')
      if (whole) given(whole.buffer)
    }
  }
  return { ...head, body: body(), [Symbol.dispose]: () => void socket.destroy() }
}

/** A head as Node's server writes it (RFC 9112): a status line, then fields. Pure. */
function readHead(text: string): { status: number; headers: Map<string, string> } {
  const [first = '', ...lines] = text.split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(`${first} `)?.[1] ?? Number.NaN)
  const fields = lines.flatMap(line => {
    const [, name, value] = /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    return name ? [[name.toLowerCase(), value ?? ''] as const] : []
  })
  return { status, headers: new Map(fields) }
}
