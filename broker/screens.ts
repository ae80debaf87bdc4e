/**
 * The screen of any machine that runs, for administrators: whoever has it, and before its guest answers. It is nobody's
 * session: no rule about idle people, no pool and no bill hears of it.
 */
import type { Principal } from '../auth/principal.ts'
import { screenHolder } from '../db/sessions.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { desktopGet } from './desktops.ts'
import { screenAdmit, screenFile, screenLinks, screenResumable } from './sessions.ts'

/** Who looks at it in this moment, as its host last said. @throws HdcsError `not_found`. */
export async function screenGet(broker: Broker, principal: Principal, desktopId: string) {
  await desktopGet(broker, principal, desktopId)
  const held = await screenHolder(broker.db, desktopId)
  if (!held) return { holder: null }
  const { user_id: userId, name: userName, since, watch: administrator } = held
  return { holder: { userId, userName, since: since?.toISOString() ?? null, administrator } }
}

export interface ScreenAsk {
  /** Although somebody looks at it, who loses it by this. */
  take: boolean
  /** The session whose screen the desktop closed: only if it moved there is a way back to it. */
  resume?: string | undefined
}

/**
 * @throws HdcsError `not_found`, `conflict`: it does not run, or somebody looks at it and `take` was not said.
 */
export async function screenOpen(
  broker: Broker,
  principal: Principal,
  desktopId: string,
  origin: string,
  { take, resume }: ScreenAsk,
) {
  if (resume !== undefined) await screenResumable(broker, principal, desktopId, resume)
  const desktop = await desktopGet(broker, principal, desktopId)
  const refused = desktop.actions.find(({ name }) => name === 'screen')?.reason
  if (refused !== undefined) throw new HdcsError('conflict', `${desktop.name}: ${refused}.`)
  const admitted = await screenAdmit(broker, principal, desktopId, {
    watch: true,
    async check(tx, row) {
      if (row.observed_power !== 'running' && row.observed_power !== 'paused')
        throw new HdcsError('conflict', `${row.name} does not run yet: it has no screen. Try again in a moment.`)
      const held = await screenHolder(tx, desktopId)
      if (!held || take || held.user_id === principal.userId) return
      const who = held.name ?? 'somebody who came past HDCS'
      throw new HdcsError('conflict', `${who} has the screen of ${row.name}: take it from them by “take”.`)
    },
  })
  return { ...screenLinks(broker, admitted, origin), viewerFile: screenFile(broker, admitted, origin) }
}
