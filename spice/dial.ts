/** Connects to a SPICE server and does the link there, patiently: a ticket may be handed out before its password is in force. */
import { connect, type Socket } from 'node:net'
import { pause } from '../lib/clock.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { encodeLinkMessage, LinkReader, type LinkRefusal, type LinkReply, type LinkRequest } from './link.ts'

export interface SpiceServer {
  host: string
  port: number
  password: string
}

export interface Linked {
  /** Paused; the bytes after the link are still to be read. */
  socket: Socket
  reply: LinkReply
}

/** One link takes milliseconds. Longer: a hung QEMU holds the page; shorter: a host under full load is refused. */
const linkDeadlineMs = 10_000
/**
 * How long a wrong password is tried again: the control plane hands out the ticket while the agent is still setting
 * the password. Longer: a really wrong one is told late; shorter: a busy libvirt makes the first try fail.
 */
const passwordPatienceMs = 5_000
/** Between tries. Each costs the SPICE server an RSA decryption (1 ms). */
const retryEveryMs = 100

type Answer = Linked | { refusal: LinkRefusal }

/**
 * Opens one channel.
 * @param retried called before every further try.
 * @throws HdcsError `unreachable` (not there, refused), `protocol` (no SPICE server), `timeout`, `cancelled` by the signal.
 */
export async function dialChannel(
  server: SpiceServer,
  request: LinkRequest,
  signal: AbortSignal,
  retried: () => void = () => {},
): Promise<Linked> {
  const answer = await dialPatiently(server, request, signal, retried)
  if ('refusal' in answer) throw new HdcsError('unreachable', `The desktop refused the connection: ${answer.refusal}.`)
  return answer
}

/**
 * Returns when the server takes the password, without opening a session: it asks for a channel of a session that does
 * not exist, and the answer "session is over" comes only after the password was found right.
 * @throws as dialChannel.
 */
export async function awaitPassword(
  server: SpiceServer,
  signal: AbortSignal,
  retried: () => void = () => {},
): Promise<void> {
  const probe = { connectionId: 0xffff_fffe, channelType: 3, channelId: 0 }
  const answer = await dialPatiently(server, probe, signal, retried)
  // A server that does not check ids links: the password was right all the same.
  if ('socket' in answer) answer.socket.destroy()
  else if (answer.refusal === 'permission denied')
    throw new HdcsError('unreachable', 'The desktop does not take the password of this ticket.')
}

async function dialPatiently(
  server: SpiceServer,
  request: LinkRequest,
  signal: AbortSignal,
  retried: () => void,
): Promise<Answer> {
  const until = performance.now() + passwordPatienceMs
  for (;;) {
    const answer = await dialOnce(server, request, signal)
    const early = 'refusal' in answer && answer.refusal === 'permission denied'
    if (!early || performance.now() > until) return answer
    retried()
    await pause(retryEveryMs, signal)
  }
}

function dialOnce(server: SpiceServer, request: LinkRequest, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.host, port: server.port, noDelay: true })
    const reader = new LinkReader(server.password)
    const settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', cancel)
      socket.off('close', closed).off('data', read)
    }
    const fail = (error: HdcsError) => {
      settle()
      socket.destroy()
      reject(error)
    }
    const cancel = () => fail(new HdcsError('cancelled', 'The connection is not wanted any more.'))
    const timer = setTimeout(() => fail(new HdcsError('timeout', 'The desktop does not answer.')), linkDeadlineMs)
    const closed = () => fail(new HdcsError('unreachable', 'The desktop closed the connection.'))
    const read = (bytes: Buffer) => {
      try {
        for (const event of reader.feed(bytes)) {
          if (event.type === 'send') socket.write(event.bytes)
          else settle()
          if (event.type === 'refused') {
            socket.destroy()
            resolve({ refusal: event.refusal })
          } else if (event.type === 'linked') {
            socket.pause()
            if (event.rest.length > 0) socket.unshift(event.rest)
            resolve({ socket, reply: event.reply })
          }
        }
      } catch (error) {
        fail(asHdcsError(error))
      }
    }
    socket.on('connect', () => socket.write(encodeLinkMessage(request)))
    // Stays when the link is done: `close` follows every error, but without any listener the process would end.
    socket.on('error', cause => fail(new HdcsError('unreachable', 'The desktop cannot be reached.', { cause })))
    socket.on('close', closed).on('data', read)
    signal.addEventListener('abort', cancel)
    if (signal.aborted) cancel()
  })
}
