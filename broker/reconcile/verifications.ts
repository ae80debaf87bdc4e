import type { Tx } from '../../db/connect.ts'
import { desktopWishFree } from '../../db/desktops.ts'
import { addressLock } from '../../db/hosts.ts'
import { operationInsert } from '../../db/tasks.ts'
import { transact } from '../../db/transact.ts'
import {
  type VerificationRow,
  type VerifiedOpen,
  verificationEnd,
  verificationLock,
  verificationRows,
  verifiedOpen,
  verifiedSet,
} from '../../db/verifications.ts'
import { newId } from '../../lib/ids.ts'
import type { Broker } from '../broker.ts'
import { hostsToPlaceOn } from '../placing.ts'
import { type Resting, withoutRoom } from '../start-room.ts'
import { stepsInRoom, type VerifyStep, verifySteps } from '../verify-plan.ts'
import type { Reconciler } from './driver.ts'

/** Shorter: idle looks; longer: what a lost nudge forgot waits. */
const idleMs = 30_000
/** While desktops are looked at. Longer: each takes so much longer; shorter: the same rows again and again. */
const openMs = 500

/** Starts, asks and stops the desktops that somebody wants looked at, a batch at a time. */
export function verificationsReconciler(broker: Broker): Reconciler {
  let everyMs = idleMs
  return {
    name: 'verifications',
    everyMs: () => everyMs,
    restMs: 200,
    async step(signal) {
      const open = await verificationRows(broker.db, { open: true })
      everyMs = open.length > 0 ? openMs : idleMs
      for (const verification of open) {
        if (signal.aborted) return
        await transact(broker.db, tx => look(tx, verification, broker.clock.now()))
      }
    },
  }
}

async function look(tx: Tx, { id, batch, task_id }: VerificationRow, now: Date) {
  if (!(await verificationLock(tx, id))) return
  // As many that wait as could end at once: places become free within this look.
  const items = await verifiedOpen(tx, id, 2 * batch)
  if (items.length === 0) return verificationEnd(tx, id, 'done', now)
  const wanted = verifySteps(items, batch, now)
  const resting = wanted.flatMap(({ item, step }) => (step.do === 'start' ? startOf(item) : []))
  // Before any row is written, as all do who start or place.
  if (resting.length > 0) await addressLock(tx)
  const hosts = resting.length > 0 ? await hostsToPlaceOn(tx, { poolIds: [] }) : []
  const steps = stepsInRoom(items, wanted, withoutRoom(hosts, resting, 'prewarm'))
  for (const { item, step } of steps) await take(tx, { id, taskId: task_id }, item, step, now)
}

const startOf = ({ desktop_id: id, name, desktop }: VerifiedOpen): Resting[] =>
  desktop ? [{ id, name, host_id: desktop.host_id, memory_bytes: desktop.memory_bytes }] : []

async function take(
  tx: Tx,
  of: { id: string; taskId: string },
  item: VerifiedOpen,
  step: Exclude<VerifyStep, { do: 'nothing' }>,
  now: Date,
) {
  const { desktop_id: desktopId, desktop } = item
  const set = (to: Parameters<typeof verifiedSet>[3]) => verifiedSet(tx, of.id, desktopId, to)
  if (step.do === 'end') {
    if (step.stop) await desktopWishFree(tx, desktopId, { wished_power: 'stopped', wished_stop_grace_ms: 0 })
    return set({ state: step.state, text: step.text })
  }
  if (step.do === 'wait') return set({ state: 'starting', since: now })
  if (step.do === 'start') {
    // Claimed in this moment, it is started for its person.
    const started = await desktopWishFree(tx, desktopId, { wished_power: 'running' })
    return set({ state: 'starting', started, since: now })
  }
  if (!desktop) return
  const operation = newId(now.getTime())
  await operationInsert(tx, {
    id: operation,
    host_id: desktop.host_id,
    desktop_id: desktopId,
    task_id: of.taskId,
    name: 'addresses',
  })
  return set({ state: 'asking', operation_id: operation, ...(item.state !== 'asking' && { since: now }) })
}
