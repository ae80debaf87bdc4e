import { randomBytes } from 'node:crypto'
import type { Principal } from '../auth/principal.ts'
import { sealTicket, type Ticket, ticketSeconds } from '../auth/tickets.ts'
import type { Tx } from '../db/connect.ts'
import { desktopLock } from '../db/desktops.ts'
import { desktopAdmit, desktopGraphics, sessionInsert, sessionMove } from '../db/sessions.ts'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { isCustomising } from './setup.ts'

/**
 * The SPICE password dies this long after it was made. All channels of a session link within a second of the first;
 * shorter than a ticket's life, and a ticket used in its last second opens nothing.
 */
const passwordSeconds = ticketSeconds + 60

/** SPICE channel types a person's screen needs: main, display, inputs, cursor, playback, record. USB comes with its rules. */
const screenChannels = [1, 2, 3, 4, 5, 6]
/** Nothing is redirected until somebody allows it. */
const usbDenied = '-1,-1,-1,-1,0'

interface Admission {
  ticket: Ticket
  sealed: string
  expiresAt: Date
  name: string
}

type Row = NonNullable<Awaited<ReturnType<typeof desktopLock>>>

/** For whom, and what speaks against it. */
interface Admit {
  /** For an administrator: its person is not connected by it. */
  watch: boolean
  /** Of the locked row. @throws HdcsError that says why not. */
  check(tx: Tx, row: Row): Promise<void>
}

/**
 * Admits to a screen: a fresh SPICE password is wished (the agent sets it within milliseconds, the gateway tries again
 * until then) and the route is sealed into a ticket. An older password is void from then on.
 * @throws HdcsError `not_found`, `timeout`, and what `check` says.
 */
export async function screenAdmit(
  broker: Broker,
  principal: Principal,
  desktopId: string,
  { watch, check }: Admit,
): Promise<Admission> {
  const now = broker.clock.now()
  // 32 base64url characters: SPICE takes 59 at most.
  const password = randomBytes(24).toString('base64url')
  const validUntil = new Date(now.getTime() + passwordSeconds * 1000)
  const sessionId = newId(now.getTime())
  const { name, address } = await broker.db.transaction().execute(async tx => {
    const row = await desktopLock(tx, desktopId)
    if (!row) throw new HdcsError('not_found', 'There is no such desktop.')
    await check(tx, row)
    await desktopAdmit(tx, desktopId, { password, validUntil: validUntil.toISOString(), ...(watch && { watch }) })
    await sessionInsert(tx, { id: sessionId, desktop_id: desktopId, user_id: principal.userId, created_at: now })
    return { name: row.name, address: row.observed_graphics }
  })
  const graphics = address ?? (await screenOpened(broker, desktopId, name))
  const ticket: Ticket = {
    id: newId(now.getTime()),
    sessionId,
    userId: principal.userId,
    desktopId,
    desktopName: name,
    spice: { host: graphics.host, port: graphics.port, password },
    channels: screenChannels,
    usbFilter: usbDenied,
  }
  const sealed = await sealTicket(ticket, broker.ticketKey, now)
  return { ticket, sealed, name, expiresAt: new Date(now.getTime() + ticketSeconds * 1000) }
}

/** Admits a person to the own desktop. */
const admit = (broker: Broker, principal: Principal, desktopId: string) =>
  screenAdmit(broker, principal, desktopId, {
    watch: false,
    async check(_tx, row) {
      if (row.user_id !== principal.userId) throw new HdcsError('not_found', 'There is no such desktop among yours.')
      if (row.phase === 'paused') throw new HdcsError('conflict', `${row.name} is suspended: resume it first.`)
      if (row.observed_power !== 'running')
        throw new HdcsError(
          'conflict',
          `${row.name} has no screen yet (${row.phase === 'failed' ? 'it failed' : row.phase_reason}): wait until it is ready.`,
        )
      if (isCustomising(row.wished_setup, row.setup_done))
        throw new HdcsError('conflict', `${row.name} is being customised: wait until it is ready.`)
    },
  })

/** Longer: a person waits for a host that does not answer; shorter: a busy one is called dead. */
const screenOpensMs = 5_000

/** Some hosts open a screen only when the first person is admitted: its address follows a moment later. */
async function screenOpened(broker: Broker, desktopId: string, name: string) {
  const deadline = Date.now() + screenOpensMs
  for (;;) {
    const graphics = await desktopGraphics(broker.db, desktopId)
    if (graphics) return graphics
    if (Date.now() > deadline)
      throw new HdcsError('timeout', `The screen of ${name} did not open in time: its host is slow or away. Try again.`)
    await pause(20)
  }
}

/** Longer than a guest takes to be handed over; a page that waits for more has lost its desktop. */
const resumeMs = 15_000

/**
 * Whoever looked at a desktop that moves is cut off by the host it leaves: returns when it has arrived.
 * @throws HdcsError `conflict`: it did not move; its screen was taken over, ended, or the desktop was shut down;
 *   `forbidden`: another person has it.
 */
export async function screenResumable(
  broker: Broker,
  principal: Principal,
  desktopId: string,
  sessionId: string,
): Promise<void> {
  const deadline = Date.now() + resumeMs
  for (;;) {
    const seen = await sessionMove(broker.db, { sessionId, desktopId, userId: principal.userId })
    if (seen?.taken) throw new HdcsError('forbidden', 'Somebody else has the screen now.')
    if (!seen || seen.ended)
      throw new HdcsError('conflict', 'The screen was opened elsewhere, or its session was ended.')
    if (seen.moved) return
    if (!seen.moving) throw new HdcsError('conflict', 'The desktop closed this screen: it was shut down, or restarted.')
    if (Date.now() > deadline)
      throw new HdcsError('timeout', 'The desktop has not arrived on its new host yet. Try again.')
    await pause(20)
  }
}

/**
 * @param resume the session whose screen the desktop closed: only if it moved there is a way back to it.
 * @throws HdcsError `not_found` (not yours), `conflict` (not ready; the text says what it waits for).
 */
export async function sessionConnect(
  broker: Broker,
  principal: Principal,
  desktopId: string,
  origin: string,
  resume?: string,
) {
  if (resume !== undefined) await screenResumable(broker, principal, desktopId, resume)
  return {
    ...screenLinks(broker, await admit(broker, principal, desktopId), origin),
    viewerFileUrl: `${origin}/api/v1/desktops/${desktopId}/viewer-file`,
  }
}

/** What a page needs to come in. */
export function screenLinks(broker: Broker, { sealed, expiresAt, ticket }: Admission, origin: string) {
  const gateway = (broker.gatewayUrl ?? origin).replace(/^http/, 'ws')
  return {
    ticket: sealed,
    sessionId: ticket.sessionId,
    expiresAt: expiresAt.toISOString(),
    webSocketUrl: `${gateway}/spice?ticket=${sealed}`,
    usb: { filter: ticket.usbFilter },
  }
}

/** What remote-viewer needs to come in. */
export function screenFile(broker: Broker, { ticket, sealed, name }: Admission, origin: string): string {
  const { spice, usbFilter } = ticket
  return broker.viewerFile({ name, gatewayUrl: broker.gatewayUrl ?? origin, sealedTicket: sealed, spice, usbFilter })
}

/** The same admission as a `.vv` file for remote-viewer. */
export async function sessionViewerFile(broker: Broker, principal: Principal, desktopId: string, origin: string) {
  const admission = await admit(broker, principal, desktopId)
  return { fileName: `${admission.name}.vv`, text: screenFile(broker, admission, origin) }
}
