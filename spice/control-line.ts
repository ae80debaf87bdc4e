/** A gateway's line to the control plane: it says which sessions it carries and hears which are over. */
import { WebSocket } from 'ws'
import { gatewayKey } from '../auth/tickets.ts'
import type { Log } from '../lib/log.ts'
import { type Dialled, keepDialling } from '../lib/redial.ts'
import type { Gateway } from './gateway.ts'

/** Longer: what a broken line forgot stays open; shorter: idle talk. */
const tellMs = 10_000
/** The control plane answers pings at once; one that is silent for three tells is gone. */
const silentTells = 3

/** @param controlUrl `http(s)://…` of the control plane. Dials again whenever the line breaks. */
export function startControlLine(parts: {
  controlUrl: string
  ticketKey: Uint8Array
  gateway: Pick<Gateway, 'sessions' | 'kick'>
  log: Log
}): AsyncDisposable {
  const { controlUrl, ticketKey, gateway, log } = parts
  const url = `${controlUrl.replace(/^http/, 'ws').replace(/\/$/, '')}/api/v1/gateway`
  const dialOnce = (signal: AbortSignal) =>
    new Promise<Dialled>(resolve => {
      const socket = new WebSocket(url, { headers: { authorization: `Bearer ${gatewayKey(ticketKey)}` } })
      let opened = false
      let why = ''
      let unanswered = 0
      const tell = () => {
        if (++unanswered > silentTells) return socket.terminate()
        if (socket.readyState !== WebSocket.OPEN) return
        socket.send(JSON.stringify({ type: 'carried', sessions: gateway.sessions() }))
        socket.ping()
      }
      const telling = setInterval(tell, tellMs)
      const end = () => socket.terminate()
      signal.addEventListener('abort', end)
      socket.on('open', () => {
        opened = true
        unanswered = 0
        tell()
      })
      socket.on('pong', () => {
        unanswered = 0
      })
      socket.on('message', data => {
        const { sessions, taken } = overOf(String(data))
        for (const session of sessions) gateway.kick(session, taken.has(session))
      })
      socket.on('error', error => {
        why = error.message
      })
      socket.on('close', (code, reason) => {
        clearInterval(telling)
        signal.removeEventListener('abort', end)
        resolve({ opened, why: why || `${code} ${reason}`.trim() })
      })
    })
  return keepDialling(dialOnce, log)
}

function overOf(text: string): { sessions: string[]; taken: Set<string> } {
  try {
    const { sessions, taken } = JSON.parse(text) as { sessions?: unknown; taken?: unknown }
    const words = (list: unknown) => (Array.isArray(list) ? list.map(String) : [])
    return { sessions: words(sessions), taken: new Set(words(taken)) }
  } catch {
    return { sessions: [], taken: new Set() } // not ours: it says again what is over when we tell what we carry
  }
}
