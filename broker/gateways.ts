/**
 * The gateways that carry screens: whichever it is, a session that was ended here goes dark there. Notifications tell
 * them at once; what was missed (a broken line, a restart) is found by comparing what they carry with what is over.
 */
import { type SessionOver, sessionsOver } from '../db/sessions.ts'
import type { Broker } from './broker.ts'

export interface GatewayLine {
  /** Sessions it carries, as last heard. */
  sessions(): string[]
  kick(over: SessionOver[]): void
}

export interface GatewayHub {
  attach(line: GatewayLine): Disposable
  /** One session was ended. A gateway that does not carry it remembers not to let it in. */
  kick(sessionId: string): Promise<void>
  /** Compares what a gateway carries (all of them unless one is named) with what is over. */
  review(line?: GatewayLine): Promise<void>
}

export function makeGatewayHub(broker: Broker): GatewayHub {
  const lines = new Set<GatewayLine>()
  return {
    attach(line) {
      lines.add(line)
      return { [Symbol.dispose]: () => lines.delete(line) }
    },
    async kick(sessionId) {
      const over = await sessionsOver(broker.db, [sessionId])
      for (const line of over.length > 0 ? lines : []) line.kick(over)
    },
    async review(only) {
      for (const line of only ? [only] : lines) {
        const over = await sessionsOver(broker.db, line.sessions())
        if (over.length > 0) line.kick(over)
      }
    },
  }
}
