/** The agent's one connection: a WebSocket it opens itself and opens again, whatever happens on the way. */
import { WebSocket } from 'ws'
import type { Log } from '../lib/log.ts'
import { type Dialled, keepDialling } from '../lib/redial.ts'
import type { AgentConnect } from './agent.ts'
import { beatMs, removedFrom, type ToAgent } from './protocol.ts'

/** A peer silent for so many pings is gone. Fewer: a busy second cuts; more: a dead path is noticed late. */
const silentPings = 3
/** A wish of thousands of machines is some MiB; more than this is no wish. */
const maxMessageBytes = 64 * 2 ** 20

const strangerText =
  'the control plane does not know this host’s key: a backup of before it joined was restored, or another control plane is at that address. Desktops that run here run on; “bash scripts/agent.sh leave” ends them and their network. To join again, make a join token in the console and start the agent with it'

export interface AgentSocketOptions {
  /** `ws(s)://…/api/v1/agent` */
  url: string
  /** The agent's own, from joining. */
  key: string
  log: Log
  /** At every dial an installation says that this key was of a host of its, which was removed. */
  removed?: (installationId: string) => void
}

export function agentSocket({ url, key, log, removed }: AgentSocketOptions): AgentConnect {
  return connection => {
    const dialOnce = (signal: AbortSignal) =>
      new Promise<Dialled>(resolve => {
        const socket = new WebSocket(url, { headers: { authorization: `Bearer ${key}` }, maxPayload: maxMessageBytes })
        const end = () => {
          socket.close(1001, 'the agent ends')
          socket.terminate()
        }
        signal.addEventListener('abort', end)
        let opened = false
        let why = ''
        let unanswered = 0
        const beating = setInterval(() => {
          // Also cuts a dial that hangs: neither open nor refused.
          if (++unanswered > silentPings) return socket.terminate()
          if (socket.readyState === WebSocket.OPEN) socket.ping()
        }, beatMs)
        socket.on('pong', () => {
          unanswered = 0
        })
        socket.on('open', () => {
          opened = true
          unanswered = 0
          connection.opened({ send: message => socket.send(JSON.stringify(message)) })
        })
        socket.on('message', data => {
          unanswered = 0
          const message = parse(String(data))
          if (message) connection.heard(message)
          else socket.close(1007, 'not a message of this protocol')
        })
        // The server says no instead of yes: this is then our connection to end.
        socket.on('unexpected-response', (request, response) => {
          const { statusCode = 0 } = response
          why = statusCode === 401 ? strangerText : `the control plane answered ${statusCode}`
          const from = response.headers[removedFrom]
          if (statusCode === 410 && typeof from === 'string') removed?.(from)
          request.destroy()
          socket.terminate()
        })
        socket.on('error', error => {
          why ||= error.message
        })
        socket.on('close', (code, reason) => {
          clearInterval(beating)
          signal.removeEventListener('abort', end)
          if (opened) connection.closed()
          resolve({ opened, why: why || `${code} ${reason}`.trim() })
        })
      })

    return keepDialling(dialOnce, log)
  }
}

const known: readonly string[] = ['wish', 'change', 'operate'] satisfies ToAgent['type'][]

/** @returns undefined for what is no message at all; what a machine's spec holds is judged where it is used. */
function parse(text: string): ToAgent | undefined {
  try {
    const message = JSON.parse(text) as ToAgent | null
    return message !== null && known.includes(message.type) ? message : undefined
  } catch {
    return undefined // not JSON: the caller closes the connection with a reason
  }
}
