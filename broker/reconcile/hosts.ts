import { desktopsTouch } from '../../db/desktops.ts'
import { nudge } from '../../db/events.ts'
import { hostStateSet, hostsForState } from '../../db/hosts.ts'
import type { HostState } from '../../db/schema.ts'
import type { Broker } from '../broker.ts'
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

export function hostsReconciler(broker: Broker): Reconciler {
  const since = broker.clock.now()
  return {
    name: 'hosts',
    everyMs: 2_000,
    async step() {
      const now = broker.clock.now()
      for (const host of await hostsForState(broker.db)) {
        const state = hostState(
          { state: host.state, wished: host.wished_state, beatAt: host.observed_beat_at },
          now,
          since,
          { suspectMs: host.suspect_ms, lostMs: host.lost_ms },
        )
        if (state === host.state) continue
        await hostStateSet(broker.db, host.id, state, now)
        await desktopsTouch(broker.db, host.id)
        if (state === 'lost') await nudge(broker.db, 'returns')
        broker.log.info({ host: host.name, was: host.state, state }, 'a host changed its state')
      }
    },
  }
}
