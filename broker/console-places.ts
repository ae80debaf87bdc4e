/** Where the two ends of a serial console meet: each dials the gateway with a ticket of its own. */
import { sealConsole } from '../auth/tickets.ts'
import type { Broker } from './broker.ts'

/** What the host of a desktop is told: its ticket, and the gateway's address where that has one of its own. */
export const consolePlace = async (broker: Broker, id: string, desktopId: string) => ({
  ticket: await sealConsole({ id, side: 'host', desktopId }, broker.ticketKey, broker.clock.now()),
  gatewayUrl: broker.gatewayUrl,
})
