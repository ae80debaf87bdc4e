import type { Tx } from '../../db/connect.ts'
import { copyWish } from '../../db/copies.ts'
import { desktopLock } from '../../db/desktops.ts'
import { type PoolRow, poolRows } from '../../db/pools.ts'
import {
  type PushRow,
  poolVersionSet,
  pushCounts,
  pushForced,
  pushImages,
  pushLock,
  pushRows,
  pushSet,
} from '../../db/pushes.ts'
import { versionFind } from '../../db/templates.ts'
import { transact } from '../../db/transact.ts'
import type { Broker } from '../broker.ts'
import { pushChecks, pushSums } from '../push-plan.ts'
import { forceAt, lostText, pushFacts } from '../pushes.ts'
import { releaseWish } from '../releasing.ts'
import type { Reconciler } from './driver.ts'

/** Shorter: idle looks; longer: what was missed (an image that arrived, a clock that was set) is seen later. */
const idleMs = 30_000
/** While one is open. Longer: its end and its notices are late by so much; shorter: the same sums again and again. */
const openMs = 1_000

/** Begins pushes at their time, gives back by force what was told to be, and ends those that are through. */
export function pushesReconciler(broker: Broker): Reconciler {
  let everyMs = idleMs
  return {
    name: 'pushes',
    everyMs: () => everyMs,
    // Longer: a push that was asked for begins later; shorter: a look for every desktop that is remade.
    restMs: 200,
    async step(signal) {
      const open = await pushRows(broker.db, { open: true })
      everyMs = nextLookMs(open, broker.clock.now())
      for (const push of open.toReversed()) {
        if (signal.aborted) return
        if (push.state === 'scheduled') await begin(broker, push)
        else await carryOn(broker, push)
      }
    },
  }
}

/** Those of tomorrow need no look every two seconds. */
function nextLookMs(open: PushRow[], now: Date): number {
  const due = open.map(({ state, at }) =>
    state === 'running' ? openMs : Math.max(openMs, at.getTime() - now.getTime()),
  )
  return Math.min(idleMs, ...due)
}

/** Once: whatever ends this process on the way, the push either has begun or has not. */
async function begin(broker: Broker, { id }: PushRow) {
  const now = broker.clock.now()
  await transact(broker.db, async tx => {
    const push = await pushLock(tx, id)
    if (push?.state !== 'scheduled') return
    const [pool] = await poolRows(tx, { ids: [push.pool_id] })
    if (!pool?.wished_present) return end(tx, push, 'cancelled', 'The pool is being removed.', now)
    await copiesWish(tx, pool, push.version)
    const waits = pushChecks(await pushFacts(tx, pool, push.version)).find(({ ok }) => !ok)
    if (waits || push.at > now) {
      // Said before its time as well: who looks in the evening sees what the night will wait for.
      const text = waits ? `waits: ${waits.text}` : ''
      if (text !== push.text) await pushSet(tx, id, { text })
      return
    }
    const [running] = (await pushRows(tx, { poolId: pool.id, open: true })).filter(({ state }) => state === 'running')
    if (running) await end(tx, running, 'cancelled', `The push of version ${push.version} came after it.`, now)
    await poolVersionSet(tx, pool.id, { version: push.version, held: false, now })
    const from_version = pool.current_version
    const force_at = forceAt(now, push.notice_minutes)
    await pushSet(tx, id, { state: 'running', text: '', started_at: now, from_version, force_at })
  })
}

/** What is made of a desktop is copied to where the pool needs it. */
async function copiesWish(tx: Tx, pool: PoolRow, number: number) {
  const version = await versionFind(tx, pool.template_id, number)
  if (version?.source.kind !== 'desktop' || version.state !== 'sealed') return
  const images = await pushImages(tx, pool.id, version.id)
  const missing = images.filter(({ copied, state }) => !copied && state !== 'ready').map(image => image.cluster_id)
  for (const cluster_id of new Set(missing))
    await copyWish(tx, { version_id: version.id, cluster_id, bytes_per_second: null })
}

async function carryOn(broker: Broker, { id }: PushRow) {
  const now = broker.clock.now()
  for (const desktopId of await pushForced(broker.db, id, now)) await giveBack(broker, id, desktopId, now)
  await transact(broker.db, async tx => {
    const push = await pushLock(tx, id)
    if (push?.state !== 'running') return
    if (!push.wished_present) return end(tx, push, 'cancelled', 'The pool is being removed.', now)
    if (push.template_version !== push.version)
      return end(tx, push, 'cancelled', 'The pool’s version was changed by hand.', now)
    const counts = (await pushCounts(tx, [id])).get(id)
    if (!counts) return
    if (pushSums(counts).left === 0) return end(tx, push, 'done', lostText(counts), now)
    const text = push.pool_status === 'restrained' ? push.status_text : ''
    if (text !== push.text) await pushSet(tx, id, { text })
  })
}

/** Looked at again under its lock: its person may have given it back in this moment. */
async function giveBack(broker: Broker, pushId: string, desktopId: string, now: Date) {
  await transact(broker.db, async tx => {
    const desktop = await desktopLock(tx, desktopId)
    if (!desktop?.user_id || !(await pushForced(tx, pushId, now)).includes(desktopId)) return
    await releaseWish(tx, desktop, 'floating', { because: 'given back for a new version, after notice', now })
  })
}

async function end(tx: Tx, push: PushRow, state: 'done' | 'cancelled', text: string, now: Date) {
  const counts = push.started_at ? (await pushCounts(tx, [push.id])).get(push.id) : undefined
  await pushSet(tx, push.id, { state, text, ended_at: now, ...(counts && { counts }) })
}
