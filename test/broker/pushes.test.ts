/** Pools that go to another template version: on simulated hosts, from the wish to the last desktop. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolGet, poolUpdate } from '../../broker/pools.ts'
import {
  pushCancel,
  pushDesktopList,
  pushGet,
  pushMake,
  pushPlan,
  pushRollback,
  pushUpdate,
} from '../../broker/pushes.ts'
import { taskCancel, taskGet, taskLog } from '../../broker/tasks.ts'
import { templateGet, versionAdd, versionDelete } from '../../broker/templates.ts'
import { siteWarm, startPart, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let templateId: string
beforeAll(async () => {
  site = await startSite({ sim: [{}, {}] })
  ;({ admin, templateId } = await siteWarm(site))
  for (const notes of ['second', 'third']) {
    const { task } = await versionAdd(site.broker, admin, templateId, {
      source: { kind: 'recipe', recipe: 'tiny' },
      notes,
    })
    await taskGet(site.broker, admin, task.id, 15_000, forever)
  }
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

let made = 0
/** Of every pool: nothing is made for more, nor removed as too much. */
const size = 4
/** A pool on version 1, warm, with one desktop in somebody's hands if wished. */
async function pool(wish: { warm: number; kind?: 'floating' | 'persistent'; people?: number }) {
  const { broker } = site
  const { id } = await poolCreate(broker, admin, {
    name: `pushed-${++made}`,
    kind: wish.kind ?? 'floating',
    templateId,
    templateVersion: 1,
    warm: wish.warm,
    minSize: size,
    maxSize: size,
    maxPerUser: 8,
  })
  await entitlementSet(broker, admin, id, { everyone: true })
  const desktops = []
  for (let n = 0; n < (wish.people ?? 0); n++) {
    const { desktop, task } = await desktopClaimFor(broker, admin, id, true)
    await taskGet(broker, admin, task.id, 15_000, forever)
    desktops.push(desktop.id)
  }
  await site.until('it is full and warm', async () => {
    const { ready, total, stopped } = (await poolGet(broker, admin, id)).counts
    return total === size && ready === wish.warm && stopped === size - wish.warm - desktops.length
  })
  return { id, desktops }
}
const push = (poolId: string, version: number, more: { at?: Date; noticeMinutes?: number } = {}) =>
  pushMake(site.broker, admin, poolId, { version, notes: '', ...more })
const versionsOf = async (poolId: string) =>
  (await desktopList(site.broker, admin, { poolId, limit: 100 })).items.map(one => one.templateVersion)
const ended = (id: string) =>
  site.until('the push ended', async () => {
    const seen = await pushGet(site.broker, admin, id)
    return seen.endedAt !== null && seen
  })

describe('a push of a pool to another version', () => {
  it('remakes what nobody has at once, and what somebody has when it is given back', async () => {
    const { id, desktops } = await pool({ warm: 2, people: 1 })
    const plan = await pushPlan(site.broker, admin, id, { version: 2, notes: '' })
    expect(plan).toMatchObject({ fromVersion: 1, remadeAtOnce: 3, remadeWhenGivenBack: 1, givenBackByForce: 0 })
    expect(plan.people.map(({ desktopId }) => desktopId)).toEqual(desktops)
    const { push: asked, task } = await push(id, 2)
    await site.until('all but one are on it', async () => {
      const { counts } = await pushGet(site.broker, admin, asked.id)
      return counts?.done === 3 && counts.inUse === 1
    })
    expect((await pushDesktopList(site.broker, asked.id, { limit: 9, place: 'inUse' })).items).toMatchObject([
      { id: desktops[0], version: 1, userName: admin.name, backAt: null },
    ])
    await desktopAct(site.broker, admin, desktops[0] ?? '', 'release')
    expect(await ended(asked.id)).toMatchObject({ state: 'done', counts: { done: 4, total: 4 } })
    expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
    expect((await taskLog(site.broker, admin, task.id)).map(({ text }) => text).join('\n')).toMatch(
      /remade when given back/,
    )
    expect(new Set(await versionsOf(id))).toEqual(new Set([2]))
  })

  it('tells people the time, and gives theirs back when it has come', async () => {
    const { id, desktops } = await pool({ warm: 0, people: 1 })
    const { push: asked } = await push(id, 2, { noticeMinutes: 30 })
    const told = await site.until('its person is told', async () => {
      const { backAt } = await desktopGet(site.broker, admin, desktops[0] ?? '')
      return backAt ?? undefined
    })
    expect(told).toBe((await pushGet(site.broker, admin, asked.id)).forceAt)
    await pushUpdate(site.broker, admin, asked.id, { noticeMinutes: null })
    expect((await desktopGet(site.broker, admin, desktops[0] ?? '')).backAt).toBeNull()
    await pushUpdate(site.broker, admin, asked.id, { noticeMinutes: 0 })
    await ended(asked.id)
    expect(await desktopGet(site.broker, admin, desktops[0] ?? '')).toMatchObject({ userId: null, templateVersion: 2 })
  })

  it('leaves alone what people keep: a persistent pool makes its new desktops of it', async () => {
    const { id } = await pool({ warm: 1, people: 1, kind: 'persistent' })
    expect(await pushPlan(site.broker, admin, id, { version: 2, notes: '' })).toMatchObject({
      kept: 1,
      remadeAtOnce: 3,
    })
    const by = { code: 'conflict', message: expect.stringMatching(/people keep their desktops/) }
    await expect(push(id, 2, { noticeMinutes: 5 })).rejects.toMatchObject(by)
    const { push: asked } = await push(id, 2)
    expect(await ended(asked.id)).toMatchObject({ state: 'done', counts: { done: 3, kept: 1, total: 3 } })
    expect((await versionsOf(id)).toSorted()).toEqual([1, 2, 2, 2])
  })

  it('waits for its time, which can be changed; the pool stays where it is until then', async () => {
    const { id } = await pool({ warm: 1 })
    await poolUpdate(site.broker, admin, id, { templateVersion: null })
    await site.until('it follows', async () => (await versionsOf(id)).every(number => number === 3))
    const at = new Date(Date.now() + 3_600_000)
    const { push: asked, task } = await push(id, 2, { at })
    expect(task).toMatchObject({ state: 'queued', startAt: at.toISOString(), cancellable: true })
    expect(await poolGet(site.broker, admin, id)).toMatchObject({ templateVersion: 3 })
    await expect(push(id, 1)).rejects.toMatchObject({ code: 'conflict' })
    const over = { at: new Date(Date.now() - 120_000) }
    await expect(push(id, 1, over)).rejects.toMatchObject({ code: 'invalid', fields: [{ field: 'body.at' }] })
    await expect(pushUpdate(site.broker, admin, asked.id, over)).rejects.toMatchObject({ code: 'invalid' })
    await expect(versionDelete(site.broker, admin, templateId, 2)).rejects.toMatchObject({ code: 'conflict' })
    await pushUpdate(site.broker, admin, asked.id, { at: new Date(Date.now() + 1) })
    expect(await ended(asked.id)).toMatchObject({ state: 'done', fromVersion: 3 })
    expect(await versionsOf(id)).toEqual([2, 2, 2, 2])
  })

  it('is begun once when its time passed while nobody was there, whoever comes back', async () => {
    const { id } = await pool({ warm: 1 })
    const { push: asked } = await push(id, 2, { at: new Date(Date.now() + 3_600_000) })
    // Its time passes unseen: nobody is told of this.
    await site.broker.db
      .updateTable('push')
      .set({ at: new Date(Date.now() - 60_000) })
      .where('id', '=', asked.id)
      .execute()
    await using _late = await startPart(site.url, true)
    expect(await ended(asked.id)).toMatchObject({ state: 'done' })
    const { items } = await desktopList(site.broker, admin, { poolId: id, limit: 9 })
    expect(items.map(({ templateVersion }) => templateVersion)).toEqual([2, 2, 2, 2])
    const remade = await site.broker.db
      .selectFrom('transition')
      .select('id')
      .where('pool_id', '=', id)
      .where('became', '=', 'upgrade planned')
      .execute()
    expect(remade).toHaveLength(size)
  })

  it('waits with the reason while its version is not there, and is called off with its receipt', async () => {
    const { id } = await pool({ warm: 1 })
    const source = { kind: 'upload' as const, format: 'qcow2' as const, sizeBytes: 1000, sha256: 'a'.repeat(64) }
    await versionAdd(site.broker, admin, templateId, { source, notes: 'never comes' })
    const number = (await templateGet(site.broker, admin, templateId)).versions[0]?.number ?? 0
    const { push: asked, task } = await push(id, number)
    await site.until('it says what it waits for', async () =>
      /waits for its file/.test((await pushGet(site.broker, admin, asked.id)).text),
    )
    expect(await taskCancel(site.broker, admin, task.id)).toMatchObject({ state: 'cancelled' })
    expect(await pushGet(site.broker, admin, asked.id)).toMatchObject({ state: 'cancelled', text: /by root/ })
    expect(await versionsOf(id)).toEqual([1, 1, 1, 1])
  })

  it('that is called off half way leaves what it has not remade as it is, and makes new ones as before', async () => {
    const { id, desktops } = await pool({ warm: 2, people: 1 })
    const { push: asked } = await push(id, 2)
    await site.until(
      'all but one are on it',
      async () => (await pushGet(site.broker, admin, asked.id)).counts?.done === 3,
    )
    await pushCancel(site.broker, admin, asked.id)
    await expect(pushCancel(site.broker, admin, asked.id)).rejects.toMatchObject({ code: 'conflict' })
    await poolUpdate(site.broker, admin, id, { minSize: 5, maxSize: 5 })
    await site.until('one more is made', async () => (await versionsOf(id)).length === 5)
    expect((await versionsOf(id)).toSorted()).toEqual([1, 1, 2, 2, 2])
    await desktopAct(site.broker, admin, desktops[0] ?? '', 'release')
    await site.until('it is back', async () => (await poolGet(site.broker, admin, id)).counts.assigned === 0)
    expect((await desktopGet(site.broker, admin, desktops[0] ?? '')).templateVersion).toBe(1)
  })

  it('is rolled back by a push of the version before', async () => {
    const { id } = await pool({ warm: 2, people: 1 })
    const { push: first } = await push(id, 2)
    await site.until('it has begun', async () => (await pushGet(site.broker, admin, first.id)).startedAt !== null)
    // By two at once: one of them does.
    const [one, other] = await Promise.allSettled([1, 2].map(() => pushRollback(site.broker, admin, first.id, {})))
    const done = [one, other].flatMap(asked => (asked?.status === 'fulfilled' ? asked.value : []))
    expect(done).toHaveLength(1)
    const back = done[0]?.push
    if (!back) throw new Error('nobody rolled it back')
    expect(await ended(first.id)).toMatchObject({ state: 'cancelled', text: /version 1 came after it/ })
    expect(await ended(back.id)).toMatchObject({ version: 1, fromVersion: 2, state: 'done' })
    expect(await versionsOf(id)).toEqual([1, 1, 1, 1])
    await expect(pushRollback(site.broker, admin, first.id, {})).rejects.toMatchObject({ message: /later push/ })
  })
})
