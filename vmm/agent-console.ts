/** Brings a machine's serial port to the gateway where the page waits for it; the host dials, nobody dials the host. */
import { WebSocket } from 'ws'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Host, HostConsole } from './host.ts'
import type { Operation } from './spec.ts'

/** The line to the gateway, or a test's own. */
export interface ConsoleLine {
  /** Returns when it has been sent: a guest that writes without end is read no faster than the page takes it. */
  send(bytes: Uint8Array): Promise<void>
  close(code: number, reason: string): void
  /** What the page types. Ends with the line. */
  input: AsyncIterable<Uint8Array>
}
export type ConsoleDial = (place: NonNullable<Operation['console']>) => Promise<ConsoleLine>

/** spice/close-codes.ts: `desktopClosed`, `connectionBroken` and `taken`. */
const closedByMachine = 4000
const broken = 4002
const taken = 4009
const dialMs = 10_000
/** What the page typed and the guest has not taken; more is no typing. */
const maxWaiting = 1_000

/** Which operation opened a machine's console last: libvirt says that a stream is over, not who ended it. */
const newest = new WeakMap<Host, Map<string, string>>()

/** Returns once the port is open and the line stands; both then live on by themselves. */
export async function consoleBring(asked: {
  host: Host
  operation: Operation
  dialConsole?: ConsoleDial | undefined
  log: Log
}): Promise<void> {
  const { host, operation, dialConsole, log } = asked
  const { console: place, machineId } = operation
  if (!place || machineId === null || !dialConsole)
    throw new HdcsError('unsupported', 'This host’s agent brings no consoles.')
  const of = newest.get(host) ?? new Map<string, string>()
  newest.set(host, of)
  const before = of.get(machineId)
  // Now, because opening it ends the one before.
  of.set(machineId, operation.id)
  const port = await host.consoleOpen(machineId).catch(error => {
    if (before === undefined) of.delete(machineId)
    else of.set(machineId, before)
    throw error
  })
  const isTaken = () => of.has(machineId) && of.get(machineId) !== operation.id
  try {
    const line = await dialConsole(place)
    log.info({ machine: machineId, console: operation.id }, 'a console was opened')
    void carry(port, line, isTaken).then(why => {
      if (!isTaken()) of.delete(machineId)
      log.info({ machine: machineId, console: operation.id, why }, 'console over')
    })
  } catch (error) {
    await port[Symbol.asyncDispose]()
    throw error
  }
}

/** @returns why it is over. */
async function carry(port: HostConsole, line: ConsoleLine, isTaken: () => boolean): Promise<string> {
  const up = (async () => {
    for await (const bytes of port.output) await line.send(bytes)
    return { code: closedByMachine, why: 'the machine closed its serial port' }
  })()
  const down = (async () => {
    for await (const bytes of line.input) await port.write(bytes)
    return { code: closedByMachine, why: 'closed by the page' }
  })()
  const failed = (thrown: unknown) => ({ code: broken, why: asHdcsError(thrown).message })
  const over = await Promise.race([up.catch(failed), down.catch(failed)])
  const { code, why } = isTaken() ? { code: taken, why: 'another has the console now' } : over
  // A close frame has room for 123 bytes.
  line.close(code, Buffer.from(why).subarray(0, 120).toString())
  await port[Symbol.asyncDispose]()
  return why
}

/** @param controlUrl where gateways are that have no address of their own. */
export const consoleDialler =
  (controlUrl: string): ConsoleDial =>
  ({ ticket, gatewayUrl }) =>
    new Promise((resolve, reject) => {
      const url = (gatewayUrl ?? controlUrl).replace(/^http/, 'ws')
      const socket = new WebSocket(`${url}/spice?console=${ticket}`, { handshakeTimeout: dialMs })
      const waiting: Uint8Array[] = []
      let over = false
      let wake = () => {}
      socket.binaryType = 'nodebuffer'
      socket.on('error', cause => {
        const text = `This host does not reach the gateway at ${new URL(gatewayUrl ?? controlUrl).host}: ${cause.message}`
        reject(new HdcsError('unreachable', text, { cause }))
      })
      socket.on('message', data => {
        waiting.push(data as Buffer)
        if (waiting.length >= maxWaiting) socket.pause()
        wake()
      })
      socket.on('close', () => {
        over = true
        wake()
      })
      async function* input() {
        for (;;) {
          const bytes = waiting.shift()
          if (bytes) yield bytes
          else if (over) return
          else if (socket.isPaused) socket.resume()
          else await new Promise<void>(heard => (wake = heard))
        }
      }
      socket.on('open', () =>
        resolve({
          send: bytes =>
            new Promise((sent, failed) =>
              socket.send(bytes, { binary: true }, error => (error ? failed(error) : sent())),
            ),
          close: (code, reason) => socket.close(code, reason),
          input: input(),
        }),
      )
    })
