/** The door of gateways that run apart: each holds one line, says which sessions it carries, and hears which are over. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { z } from '@hono/zod-openapi'
import { WebSocketServer } from 'ws'
import { gatewayKeyMatches } from '../auth/tickets.ts'
import type { Broker } from '../broker/broker.ts'
import type { GatewayHub, GatewayLine } from '../broker/gateways.ts'

export const gatewayLinePath = '/api/v1/gateway'

/** Ten thousand sessions are 400 KiB. */
const maxMessageBytes = 2 ** 20
/** A line that does not answer pings is gone, whatever TCP says. */
const pingMs = 5_000

const carriedSchema = z.object({ type: z.literal('carried'), sessions: z.array(z.guid()).max(20_000) })

export function makeGatewayDoor(broker: Broker, hub: GatewayHub) {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxMessageBytes })
  return {
    async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
      socket.on('error', () => socket.destroy())
      const key = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
      if (!gatewayKeyMatches(key, broker.ticketKey))
        return void socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      sockets.handleUpgrade(request, socket, head, line => {
        let carried: string[] = []
        let answered = true
        const gateway = {
          sessions: () => carried,
          kick: (over: Parameters<GatewayLine['kick']>[0]) => {
            const taken = over.filter(one => one.taken).map(({ id }) => id)
            // An older gateway reads `sessions` alone, and says that they were ended.
            line.send(JSON.stringify({ type: 'over', sessions: over.map(({ id }) => id), taken }))
          },
        }
        const attached = hub.attach(gateway)
        const pinging = setInterval(() => {
          if (!answered) return line.terminate()
          answered = false
          line.ping()
        }, pingMs)
        line.on('pong', () => {
          answered = true
        })
        line.on('message', data => {
          answered = true
          const message = carriedSchema.safeParse(parse(String(data)))
          if (!message.success) return line.close(1007, 'not a message of this protocol')
          carried = message.data.sessions
          // It says so again soon: what could not be looked up now is looked up then.
          hub.review(gateway).catch(error => broker.log.warn({ err: error }, 'a gateway’s sessions were not compared'))
        })
        line.on('error', error => broker.log.warn({ err: error }, 'a gateway’s line broke'))
        line.on('close', () => {
          clearInterval(pinging)
          attached[Symbol.dispose]()
        })
      })
    },
    close() {
      for (const line of sockets.clients) line.close(1001, 'the control plane ends')
    },
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no message: the line is closed with a reason
  }
}
