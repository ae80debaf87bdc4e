/**
 * Serial consoles: the page and the machine's host both dial the gateway (`/spice?console=<sealed>`), which lays their two
 * lines together and passes bytes, never faster than the slower of the two. Nothing is read along and nothing is kept.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type ConsoleTicket, openConsole, ticketSeconds } from '../auth/tickets.ts'
import { closeCodes } from './close-codes.ts'
import type { GatewayOptions } from './gateway-state.ts'

/** A paste of some pages; a guest's serial port takes ten kilobytes a second. */
const maxMessageBytes = 1 << 18
/** Bytes waiting for one end before the other is paused. Higher: a stalled page holds that much; lower: a listing stutters. */
const highWaterBytes = 1 << 17
/** The other end dials at once. Shorter: a busy host comes too late; longer: the page waits for one that is away. */
const meetMs = 15_000
/** Nobody's right to a machine lasts for ever: then it is opened anew. */
const longestMs = 12 * 3_600_000
/** A line that does not answer pings is gone, whatever TCP says. */
const pingMs = 15_000

interface Meeting {
  lines: Map<ConsoleTicket['side'], WebSocket>
  timer: NodeJS.Timeout
}

export interface Consoles {
  /** Never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, sealed: string): Promise<void>
  close(): void
}

export function makeConsoles(options: Pick<GatewayOptions, 'ticketKey' | 'clock' | 'log'>): Consoles {
  const { ticketKey, clock, log } = options
  const meetings = new Map<string, Meeting>()
  /** Ends that were used, until their tickets are too old to be shown again. */
  const used = new Map<string, number>()
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxMessageBytes })

  function end(id: string, code: number, reason: string): void {
    const meeting = meetings.get(id)
    if (!meeting) return
    meetings.delete(id)
    clearTimeout(meeting.timer)
    for (const line of meeting.lines.values()) line.close(code, reason)
    log.info({ console: id, code, reason }, 'console closed')
  }

  function arrive({ id, side, desktopId }: ConsoleTicket, line: WebSocket): void {
    let meeting = meetings.get(id)
    if (!meeting) {
      const late = () => end(id, closeCodes.linkFailed, 'the other end did not come')
      meeting = { lines: new Map(), timer: setTimeout(late, meetMs) }
      meetings.set(id, meeting)
    }
    meeting.lines.set(side, line)
    let answered = true
    const pinging = setInterval(() => {
      if (!answered) return line.terminate()
      answered = false
      line.ping()
    }, pingMs)
    line.on('pong', () => {
      answered = true
    })
    line.on('error', error => log.warn({ console: id, side, err: error }, 'a console’s line broke'))
    line.on('close', (code, reason) => {
      clearInterval(pinging)
      // What the host says of why it ended is told to the page.
      const told = side === 'host' && code >= 4000
      end(id, told ? code : closeCodes.mainClosed, told ? reason.toString() : `closed by the ${side}`)
    })
    // Held until there is somebody to hear it.
    line.pause()
    const [page, host] = [meeting.lines.get('page'), meeting.lines.get('host')]
    if (!page || !host) return
    clearTimeout(meeting.timer)
    meeting.timer = setTimeout(() => end(id, closeCodes.kicked, 'it was open for too long'), longestMs)
    log.info({ console: id, desktopId }, 'console opened')
    pass(page, host)
    pass(host, page)
  }

  return {
    async upgrade(request, socket, head, sealed) {
      const now = clock.now()
      const ticket = await openConsole(sealed, ticketKey, now).catch(() => null) // refused, whatever is wrong with it
      if (!ticket) return refuse(socket, 'not valid')
      for (const [key, until] of used) if (until < now.getTime()) used.delete(key)
      const key = `${ticket.id} ${ticket.side}`
      if (used.has(key)) return refuse(socket, 'used')
      used.set(key, now.getTime() + 2 * ticketSeconds * 1000)
      sockets.handleUpgrade(request, socket, head, line => arrive(ticket, line))
    },
    close() {
      for (const id of meetings.keys()) end(id, closeCodes.gatewayClosing, 'the gateway closes')
    },
  }
}

const refuse = (socket: Duplex, why: string) =>
  void socket.end(`HTTP/1.1 403 ${why}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)

function pass(from: WebSocket, to: WebSocket): void {
  from.on('message', data => {
    to.send(data as Buffer, { binary: true }, () => {
      if (from.isPaused && to.bufferedAmount < highWaterBytes / 2) from.resume()
    })
    if (to.bufferedAmount > highWaterBytes) from.pause()
  })
  from.resume()
}
