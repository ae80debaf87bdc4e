import { desktopsTouch } from '../../db/desktops.ts'
import { nudge } from '../../db/events.ts'
import { hostHistoryAdd } from '../../db/host-history.ts'
import { hostStateSet, hostsForState } from '../../db/hosts.ts'
import { desktopsWaitEnd } from '../../db/returns.ts'
import type { HostState } from '../../db/schema.ts'
import { transact } from '../../db/transact.ts'
import type { Broker } from '../broker.ts'
import { stateEvent } from '../host-history.ts'
import type { Reconciler } from './driver.ts'

/**
 * The heartbeat's rule: silent → suspect (no new desktops) → lost (its desktops count as unknown). Each cluster has its
 * own times; these are the usual ones. Shorter: a busy host is called lost while it works; longer: people wait for
 * desktops on a dead one.
 */
export const usualSilence = { suspectMs: 8_000, lostMs: 15_000 }

/** What a host's silence makes of it. Pure. `since` is when this process began to listen: nobody is lost by our own absence. */
export function hostState(
  host: { state: HostState; wished: 'online' | 'maintenance'; beatAt: Date | null },
  now: Date,
  since: Date,
  silence = usualSilence,
): HostState {
  if (host.beatAt === null) return 'joining'
  const silentMs = now.getTime() - Math.max(host.beatAt.getTime(), since.getTime())
  if (silentMs >= silence.lostMs) return 'lost'
  if (silentMs >= silence.suspectMs) return host.state === 'lost' ? 'lost' : 'suspect'
  const heard = host.beatAt.getTime() >= since.getTime()
  // Nothing heard yet since we listen: it stays what it was.
  if (!heard) return host.state
  return host.wished
}

/** A host that was silent is looked at so often. Longer: it is heard again and gets no desktops; shorter: queries for nothing. */
const silentMs = 2_000
/** The others, when none of them can fall silent sooner: their times may have become shorter. */
const calmMs = 10_000
/** A moment that is past already, or now: a step that failed is not tried without a pause. */
const soonestMs = 100

type Silence = Pick<Awaited<ReturnType<typeof hostsForState>>[number], 'observed_beat_at' | 'suspect_ms' | 'lost_ms'>

/** When the first of the hosts may change its state by silence alone. Pure. */
export function nextLookMs(hosts: readonly (Silence & { state: HostState })[], now: Date, since: Date): number {
  const due = hosts.map(({ state, observed_beat_at: beatAt, suspect_ms: suspectMs, lost_ms: lostMs }) => {
    if (beatAt === null) return calmMs
    const heardMs = Math.max(beatAt.getTime(), since.getTime()) - now.getTime()
    if (state === 'lost') return silentMs
    return state === 'suspect' ? Math.min(silentMs, heardMs + lostMs) : heardMs + suspectMs
  })
  return Math.max(soonestMs, Math.min(calmMs, ...due))
}

export function hostsReconciler(broker: Broker): Reconciler {
  const since = broker.clock.now()
  let lookMs = calmMs
  return {
    name: 'hosts',
    everyMs: () => lookMs,
    async step() {
      const now = broker.clock.now()
      const hosts = (await hostsForState(broker.db)).map(host => {
        const {
          state: was,
          wished_state: wished,
          observed_beat_at: beatAt,
          suspect_ms: suspectMs,
          lost_ms: lostMs,
        } = host
        return { ...host, was, state: hostState({ state: was, wished, beatAt }, now, since, { suspectMs, lostMs }) }
      })
      lookMs = nextLookMs(hosts, now, since)
      for (const { was, state, ...host } of hosts) {
        if (state === was) continue
        const event = stateEvent({ ...host, was, state })
        await transact(broker.db, async tx => {
          await hostStateSet(tx, host.id, state, now)
          if (event) await hostHistoryAdd(tx, event, now)
          if (was === 'lost') await desktopsWaitEnd(tx, host.id)
          // With the state or not at all: the next look finds the state as it is and tells nobody.
          await desktopsTouch(tx, host.id)
          if (state === 'suspect' || state === 'lost') await nudge(tx, 'returns')
          if (state === 'online') await nudge(tx, 'evacuations')
        })
        broker.log.info({ host: host.name, was, state }, 'a host changed its state')
      }
    },
  }
}
