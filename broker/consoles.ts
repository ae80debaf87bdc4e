/** A desktop's serial console, for administrators: its host brings it to the gateway, and so does the page come there. */
import type { Principal } from '../auth/principal.ts'
import { sealConsole, ticketSeconds } from '../auth/tickets.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { hostAsk } from './asking.ts'
import type { Broker } from './broker.ts'
import { desktopGet } from './desktops.ts'

/**
 * Whoever had the console before loses it. The right to it is checked before.
 * @throws HdcsError `not_found`, `conflict` while it does not run, `unreachable`, and what the host says of why it cannot.
 */
export async function desktopConsole(
  broker: Broker,
  principal: Principal,
  desktopId: string,
  { origin, signal }: { origin: string; signal: AbortSignal },
) {
  const desktop = await desktopGet(broker, principal, desktopId)
  const refused = desktop.actions.find(({ name }) => name === 'console')?.reason
  if (refused !== undefined || desktop.hostId === null)
    throw new HdcsError('conflict', `${desktop.name}: ${refused ?? 'it is on no host'}.`)
  const now = broker.clock.now()
  const id = newId(now.getTime())
  await hostAsk(broker, { hostId: desktop.hostId, machineId: desktopId, name: 'console', id }, signal)
  const sealed = await sealConsole({ id, side: 'page', desktopId }, broker.ticketKey, now)
  const gateway = (broker.gatewayUrl ?? origin).replace(/^http/, 'ws')
  return {
    webSocketUrl: `${gateway}/spice?console=${sealed}`,
    expiresAt: new Date(now.getTime() + ticketSeconds * 1000).toISOString(),
  }
}
