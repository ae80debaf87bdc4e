/**
 * HTTP CONNECT for native clients (remote-viewer), on the gateway's own port. A `.vv` file names this proxy with the
 * sealed ticket as its user's password: `proxy=http://ticket:<sealed>@gateway:port`. What host and port the client
 * asks for does not matter; the ticket says where to. The client links itself, so the first bytes are read here to
 * learn which channel it wants, and the reply waits until the desktop's password is in force (the viewer would
 * otherwise ask its user for one).
 */
import type { IncomingMessage } from 'node:http'
import { connect as connectSocket, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { openTicket } from '../auth/tickets.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { type Admission, type Channel, channelRefusal, type Refusal } from './admissions.ts'
import { closeCodes } from './close-codes.ts'
import { awaitPassword } from './dial.ts'
import { countRefusal, type GatewayState, refuse } from './gateway-state.ts'
import { decodeLinkMessage } from './link.ts'

/** The user's name in the proxy's address; the password is the sealed ticket. */
export const proxyUser = 'ticket'
/** From our 200 to the link message. Longer: idle connections gather; shorter: slow networks are cut off. */
const linkMessageMs = 10_000
/** A link message has 42 to 50 bytes. Higher: strangers make us hold it. */
const maxFirstBytes = 4096
const keepAliveMs = 30_000
const mainType = 1

type Connect = (request: IncomingMessage, client: Duplex, head: Buffer) => Promise<void>

interface Tunnel {
  sealed: string
  admission: Admission
  channelType: number
  /** What the client said already. */
  first: Buffer
}

export function makeConnectProxy(state: GatewayState): Connect {
  return async function connect(request, client, head) {
    client.on('error', () => client.destroy())
    try {
      const sealed = sealedOf(request.headers['proxy-authorization'])
      if (!sealed) return challenge(client)
      const admission = await admit(state, sealed)
      if (typeof admission === 'string') return refuse(state, client, admission)
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      const first = await readLinkMessage(client, head)
      const refusal = tunnelRefusal(admission, first.channelType)
      if (!refusal) return await openTunnel(state, client, { sealed, admission, ...first })
      // Our 200 is out already: all that is left is to hang up.
      countRefusal(state, refusal)
      client.destroy()
    } catch (error) {
      state.counters.linkFailures++
      state.options.log.warn({ err: asHdcsError(error) }, 'a native client could not be connected')
      client.destroy()
    }
  }
}

/** The session of this ticket, or a new one as soon as the desktop takes the ticket's password. */
async function admit(state: GatewayState, sealed: string): Promise<Admission | Refusal> {
  if (state.closing.aborted) return 'closing'
  const open = state.admissions.find(sealed, 'native')
  if (open) return open
  const now = state.options.clock.now()
  const ticket = await openTicket(sealed, state.options.ticketKey, now).catch(error => asHdcsError(error))
  if (ticket instanceof Error) return 'not valid'
  if (!ticket.channels.includes(mainType)) return 'channel not allowed'
  const admission = state.admissions.begin(sealed, ticket, 'native', now)
  if (typeof admission === 'string') return admission
  try {
    await awaitPassword(ticket.spice, state.closing, () => state.counters.linkRetries++)
  } catch (error) {
    state.admissions.end(sealed)
    throw error
  }
  state.counters.admitted++
  return admission
}

function tunnelRefusal(admission: Admission, channelType: number): Refusal | undefined {
  return channelType === mainType && admission.ready ? 'used' : channelRefusal(admission, channelType)
}

async function openTunnel(state: GatewayState, client: Duplex, tunnel: Tunnel): Promise<void> {
  const { admission, channelType, sealed } = tunnel
  const { counters } = state
  const { host, port } = admission.ticket.spice
  const fields = { sessionId: admission.ticket.sessionId, channel: channelType, native: true }
  const server = connectSocket({ host, port, noDelay: true })
  const channel: Channel = {
    end(code, reason) {
      if (!admission.channels.delete(channel)) return
      state.options.log.info({ ...fields, code, reason }, 'channel closed')
      client.destroy()
      server.destroy()
      if (channelType !== mainType) return
      state.admissions.end(sealed)
      for (const other of [...admission.channels]) other.end(code, reason)
    },
  }
  admission.channels.add(channel)
  admission.opened++
  if (channelType === mainType) admission.ready = true
  // `close` follows every error of the server's side.
  server.on('error', () => {})
  server.on('close', () => channel.end(closeCodes.desktopClosed, 'closed by the desktop'))
  client.on('close', () => channel.end(closeCodes.mainClosed, 'closed by the viewer'))
  server.setKeepAlive(true, keepAliveMs)
  if (client instanceof Socket) client.setNoDelay(true).setKeepAlive(true, keepAliveMs)
  server.on('data', (bytes: Buffer) => {
    counters.bytesDown += bytes.length
  })
  client.on('data', (bytes: Buffer) => {
    counters.bytesUp += bytes.length
  })
  counters.linked++
  state.options.log.info(fields, 'channel linked')
  server.write(tunnel.first)
  client.pipe(server)
  server.pipe(client)
}

/** What the client says first, and which channel that asks for. @throws HdcsError `protocol`, `timeout`. */
function readLinkMessage(client: Duplex, head: Buffer): Promise<{ channelType: number; first: Buffer }> {
  return new Promise((resolve, reject) => {
    let first = head
    const settle = () => {
      clearTimeout(timer)
      client.off('data', read).off('close', gone).pause()
    }
    const fail = (error: unknown) => {
      settle()
      reject(error)
    }
    const gone = () => fail(new HdcsError('cancelled', 'The viewer left before its link message.'))
    const timer = setTimeout(() => fail(new HdcsError('timeout', 'The viewer sent no link message.')), linkMessageMs)
    const look = () => {
      try {
        const request = decodeLinkMessage(first)
        if (!request && first.length < maxFirstBytes) return
        if (!request) throw new HdcsError('protocol', 'The viewer does not speak SPICE.')
        settle()
        resolve({ channelType: request.channelType, first })
      } catch (error) {
        fail(error)
      }
    }
    const read = (bytes: Buffer) => {
      first = Buffer.concat([first, bytes])
      look()
    }
    client.on('data', read).on('close', gone)
    look()
  })
}

/** The password of `Proxy-Authorization: Basic …`, if the user is ours. */
function sealedOf(header: string | undefined): string | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1]
  const [user, ...password] = Buffer.from(encoded ?? '', 'base64')
    .toString()
    .split(':')
  return user === proxyUser ? password.join(':') || undefined : undefined
}

function challenge(client: Duplex): void {
  client.end(
    'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="spice"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  )
}
