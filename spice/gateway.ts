/**
 * From a browser's WebSockets to a SPICE server: `/spice?ticket=<sealed>&channel=TYPE.ID`, subprotocol `binary`. The
 * sealed ticket says where to, with which password, for whom and what (auth/tickets.ts); the gateway does the link
 * itself, so the browser never sees a password or SPICE's session id, and asks no database, so it runs anywhere.
 * The first message to the browser is JSON `{ type, id, common, channel }` (the server's capabilities), then
 * mini-header messages both ways in binary. Native clients come in by CONNECT (connect-proxy.ts).
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { openTicket } from '../auth/tickets.ts'
import { asHdcsError } from '../lib/errors.ts'
import { type Admission, type Channel, channelRefusal, makeAdmissions, type Refusal } from './admissions.ts'
import { type CloseCode, closeCodes } from './close-codes.ts'
import { makeConnectProxy } from './connect-proxy.ts'
import { makeConsoles } from './consoles.ts'
import { dialChannel, type Linked } from './dial.ts'
import { type GatewayOptions, type GatewayState, type GatewayStats, makeCounters, refuse } from './gateway-state.ts'
import { MainWatch } from './main-watch.ts'
import { startPipe } from './pipe.ts'

export interface Gateway {
  /** For an HTTP server's `upgrade` event, for requests whose path is gatewayPath. Never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
  /** For an HTTP server's `connect` event. Never throws. */
  connect(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
  /**
   * Ends every channel of this session now, and lets none in any more.
   * @param taken somebody else opened its screen.
   * @returns whether there was one here.
   */
  kick(sessionId: string, taken?: boolean): boolean
  /** Sessions whose channels run through here now. */
  sessions(): string[]
  stats(): GatewayStats
  /** Ends all sessions and refuses new ones. */
  close(): void
}

export const gatewayPath = '/spice'
/** A stick beside the page sends 3 MiB blocks; nothing of ours sends more at once. Lower: USB breaks. */
const maxMessageBytes = 4 << 20
/** What a page may send before its channel is linked: nothing of ours sends any. */
const maxEarlyBytes = 64 << 10
const displayType = 2
const mainType = 1

export function makeGateway(options: GatewayOptions): Gateway {
  const closing = new AbortController()
  const consoles = makeConsoles(options)
  const counters = makeCounters()
  const state: GatewayState = { options, admissions: makeAdmissions(), counters, closing: closing.signal }
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    skipUTF8Validation: true,
    handleProtocols: offered => (offered.has('binary') ? 'binary' : false),
  })

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until a WebSocket stands, a browser that leaves has nobody to tell but this.
    socket.on('error', () => {})
    try {
      const sealed = new URL(request.url ?? '/', 'http://gateway').searchParams.get('console')
      if (sealed !== null && !closing.signal.aborted && originAllowed(request, options.pageOrigins))
        return await consoles.upgrade(request, socket, head, sealed)
      const door = await admit(state, request)
      if (typeof door === 'string') return refuse(state, socket, door)
      sockets.handleUpgrade(request, socket, head, browser => void serve(state, browser, door))
    } catch (error) {
      options.log.error({ err: error }, 'a channel could not be opened')
      socket.destroy()
    }
  }

  const endAll = (admissions: Admission[], code: CloseCode, reason: string) => {
    for (const { channels } of admissions) for (const channel of [...channels]) channel.end(code, reason)
  }
  return {
    upgrade,
    connect: makeConnectProxy(state),
    kick(sessionId, taken = false) {
      const found = state.admissions.shut(sessionId, options.clock.now())
      if (taken) endAll(found, closeCodes.taken, 'somebody else has the screen now')
      else endAll(found, closeCodes.kicked, 'the session was ended')
      return found.length > 0
    },
    sessions: () => [...new Set(state.admissions.all().map(({ ticket }) => ticket.sessionId))],
    stats() {
      const open = state.admissions.all()
      const channels = open.reduce((sum, admission) => sum + admission.channels.size, 0)
      return { ...counters, refused: { ...counters.refused }, sessions: open.length, channels }
    },
    close() {
      closing.abort()
      consoles.close()
      endAll(state.admissions.all(), closeCodes.gatewayClosing, 'the gateway closes')
    },
  }
}

interface Door {
  sealed: string
  admission: Admission
  channelType: number
  channelId: number
}

async function admit(state: GatewayState, request: IncomingMessage): Promise<Door | Refusal> {
  if (state.closing.aborted) return 'closing'
  const url = new URL(request.url ?? '/', 'http://gateway')
  const channel = /^(\d{1,2})\.(\d{1,3})$/.exec(url.searchParams.get('channel') ?? '')
  const sealed = url.searchParams.get('ticket')
  if (url.pathname !== gatewayPath || !channel || !sealed) return 'not a request for a channel'
  if (!originAllowed(request, state.options.pageOrigins)) return 'wrong origin'
  const [channelType, channelId] = [Number(channel[1]), Number(channel[2])]
  if (channelId > 255) return 'not a request for a channel'
  const open = channelType === mainType ? undefined : state.admissions.find(sealed, 'browser')
  const admission = open ?? (await begin(state, sealed, channelType))
  if (typeof admission === 'string') return admission
  const refusal = channelType === mainType ? undefined : channelRefusal(admission, channelType)
  return refusal ?? { sealed, admission, channelType, channelId }
}

async function begin(state: GatewayState, sealed: string, channelType: number): Promise<Admission | Refusal> {
  const { ticketKey, clock } = state.options
  const now = clock.now()
  const ticket = await openTicket(sealed, ticketKey, now).catch(error => asHdcsError(error))
  if (ticket instanceof Error) return 'not valid'
  if (!ticket.channels.includes(channelType)) return 'channel not allowed'
  if (channelType !== mainType) return 'no main channel'
  const admission = state.admissions.begin(sealed, ticket, 'browser', now)
  if (typeof admission !== 'string') state.counters.admitted++
  return admission
}

/** Pages of other sites must not use a ticket they got hold of; programs that are no browsers send no Origin. */
function originAllowed(request: IncomingMessage, pageOrigins: readonly string[] = []): boolean {
  const { origin, host } = request.headers
  if (origin === undefined || pageOrigins.includes(origin)) return true
  return URL.canParse(origin) && new URL(origin).host === host
}

async function serve(state: GatewayState, browser: WebSocket, door: Door): Promise<void> {
  const { admission, channelType, channelId, sealed } = door
  const { log } = state.options
  const fields = { sessionId: admission.ticket.sessionId, channel: `${channelType}.${channelId}` }
  const gone = new AbortController()
  const watch = channelType === mainType ? new MainWatch() : undefined

  const channel: Channel = {
    end(code, reason) {
      browser.close(code, reason)
      leave(code, reason)
    },
  }
  const leave = (code: number, reason: string) => {
    if (gone.signal.aborted) return
    gone.abort()
    admission.channels.delete(channel)
    log.info({ ...fields, code, reason }, 'channel closed')
    if (channelType !== mainType) return
    state.admissions.end(sealed)
    // The page decides by main's own code; the others only follow.
    for (const other of [...admission.channels]) other.end(code as CloseCode, reason)
  }

  admission.channels.add(channel)
  admission.opened++
  browser.on('error', error => {
    log.warn({ ...fields, err: error }, 'a browser broke the protocol')
    browser.terminate()
  })
  browser.on('close', () => leave(closeCodes.mainClosed, 'closed by the browser'))
  const early = keepEarly(browser, () => channel.end(closeCodes.tooMuch, 'too much before the link'))

  let linked: Linked
  try {
    const request = { connectionId: admission.connectionId, channelType, channelId }
    const signal = AbortSignal.any([gone.signal, state.closing])
    linked = await dialChannel(admission.ticket.spice, request, signal, () => state.counters.linkRetries++)
  } catch (error) {
    state.counters.linkFailures++
    log.warn({ ...fields, err: error }, 'the link failed')
    return channel.end(closeCodes.linkFailed, asHdcsError(error).code)
  }
  const { socket, reply } = linked
  if (gone.signal.aborted) return void socket.destroy()
  state.counters.linked++
  log.info(fields, 'channel linked')
  browser.send(JSON.stringify({ type: channelType, id: channelId, ...reply }))
  if (channelType === displayType) socket.write(displayInit())
  const stop = startPipe(socket, browser, early(), {
    counters: state.counters,
    watch(bytes) {
      for (const news of watch?.feed(bytes) ?? []) {
        if (news.type === 'session') {
          admission.connectionId = news.sessionId
          admission.ready = true
        }
        // QEMU waits ten seconds for a client that stays.
        if (news.type === 'moved') channel.end(closeCodes.moved, 'the desktop moves to another host')
      }
    },
    ended: (code, reason) => channel.end(code, reason),
  })
  gone.signal.addEventListener('abort', stop)
}

/** Keeps what comes before the link is done. @returns hands it over and stops keeping. */
function keepEarly(browser: WebSocket, tooMuch: () => void): () => Uint8Array[] {
  const kept: Uint8Array[] = []
  let bytes = 0
  const keep = (message: Buffer) => {
    bytes += message.length
    if (bytes > maxEarlyBytes) tooMuch()
    else kept.push(message)
  }
  browser.on('message', keep)
  return () => {
    browser.off('message', keep)
    return kept
  }
}

/**
 * DISPLAY_INIT (101): an image cache of 20 Mi pixels, no GLZ dictionary. Sent by the gateway and at once: a display
 * that links and stays silent makes QEMU stand still for up to 30 s when the next client comes.
 */
function displayInit(): Buffer {
  const bytes = Buffer.alloc(20)
  bytes.writeUInt16LE(101)
  bytes.writeUInt32LE(14, 2)
  bytes[6] = 1
  bytes.writeBigInt64LE(20n << 20n, 7)
  bytes[15] = 1
  return bytes
}
