/** Nobody but this file drives the reconcilers here: what one of them writes is seen before another hides it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopAct, desktopGet } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate } from '../../broker/pools.ts'
import { desktopsReconciler } from '../../broker/reconcile/desktops.ts'
import { tasksReconciler } from '../../broker/reconcile/tasks.ts'
import { taskGet, taskLog } from '../../broker/tasks.ts'
import { siteWarm, startPart, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
const forever = new AbortController().signal

beforeAll(async () => {
  site = await startSite({ sim: [{ cpus: 64 }], lead: false })
  await using _leader = await startPart(site.url, true)
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('tells why a start failed in the moment in which the claim is undone', async () => {
  const pool = await poolCreate(site.broker, admin, {
    name: 'fail-start',
    kind: 'floating',
    templateId,
    warm: 0,
    maxSize: 2,
  })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const { task } = await desktopClaimFor(site.broker, await site.person('hal'), pool.id)
  const desktops = desktopsReconciler(site.broker)
  const ended = await site.until('the claim is undone', async () => {
    await desktops.step(forever)
    const now = await taskGet(site.broker, admin, task.id, 0, forever)
    return now.state === 'failed' ? now : undefined
  })
  expect(ended.error).toMatchObject({ code: 'start_failed', text: expect.stringContaining('QEMU refused to start') })
  expect((await taskLog(site.broker, admin, task.id)).at(-1)?.text).toContain('QEMU refused to start')
})

it('tells that a desktop became what was asked for when its next action is allowed, and looks soon at what was held', async () => {
  const { broker } = site
  const leader = await startPart(site.url, true)
  const wish = { name: 'told', kind: 'persistent' as const, templateId, warm: 0 }
  const { id: poolId } = await poolCreate(broker, admin, wish)
  await entitlementSet(broker, admin, poolId, { everyone: true })
  const made = await desktopMakeFor(broker, admin, poolId, { userId: admin.userId })
  const ended = (taskId: string) => taskGet(broker, admin, taskId, 15_000, forever)
  expect(await ended(made.task.id)).toMatchObject({ state: 'succeeded' })
  await leader[Symbol.asyncDispose]()

  const { id } = made.desktop
  const [desktops, tasks] = [desktopsReconciler(broker), tasksReconciler(broker)]
  const state = async (taskId: string) => (await taskGet(broker, admin, taskId, 0, forever)).state
  const row = () => broker.db.selectFrom('desktop').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  const allowed = async (name: string) =>
    (await desktopGet(broker, admin, id)).actions.find(action => action.name === name)?.allowed
  for (const [action, next] of [
    ['save', 'start'],
    ['start', 'save'],
    ['suspend', 'resume'],
  ] as const) {
    const { task } = await desktopAct(broker, admin, id, action)
    await site.until(`its host did it: ${action}`, async () => {
      const {
        observed_generation: seen,
        generation,
        observed_memory: memory,
        observed_power: power,
        ...at
      } = await row()
      const is = { save: memory?.state === 'saved', start: at.observed_ready, suspend: power === 'paused' }
      return seen === generation && is[action]
    })
    // Somebody holds its row, and lets it go without a change: a request that is refused does.
    await broker.db.transaction().execute(async tx => {
      await tx.selectFrom('desktop').select('id').where('id', '=', id).forUpdate().execute()
      await desktops.step(forever)
      expect(waitOf(desktops)).toBeLessThan(1_000)
      await tasks.step(forever)
      expect([action, await state(task.id), await allowed(next)]).toEqual([action, 'running', false])
    })
    await desktops.step(forever)
    expect(waitOf(desktops)).toBeGreaterThan(5_000)
    expect([action, await state(task.id), await allowed(next)]).toEqual([action, 'succeeded', true])
  }
})

const waitOf = ({ everyMs }: { everyMs: number | (() => number) }) =>
  typeof everyMs === 'number' ? everyMs : everyMs()
