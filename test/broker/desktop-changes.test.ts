/** The name of a desktop, the disc in its drive, and one action for many. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { bulksGoOn, desktopsAct } from '../../broker/desktop-bulk.ts'
import { desktopHardwareSet } from '../../broker/desktop-hardware.ts'
import { desktopMakeFor } from '../../broker/desktop-making.ts'
import { desktopAct, desktopGet, desktopHistory } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { machineSpec } from '../../broker/machine-specs.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskPartList } from '../../broker/task-parts.ts'
import { bulkKind, taskCancel, taskGet, taskList, taskLog } from '../../broker/tasks.ts'
import { templateCreate, templateDelete, versionUploaded } from '../../broker/templates.ts'
import { desktopSpecs } from '../../db/agents.ts'
import { userUpdate } from '../../db/users.ts'
import { addPerson, siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
const ids: string[] = []

const ended = (task: { id: string }) => taskGet(site.broker, admin, task.id, 20_000, forever)
const act = async (id: string, name: 'start' | 'poweroff') =>
  expect(await ended((await desktopAct(site.broker, admin, id, name)).task)).toMatchObject({ state: 'succeeded' })
const change = (id: string, wish: Parameters<typeof desktopHardwareSet>[4]) =>
  desktopHardwareSet(site.broker, admin, id, {}, wish)
const found = async (id: string) => (await site.hosts[0]?.machines())?.find(machine => machine.id === id)

beforeAll(async () => {
  site = await startSite()
  const { templateId, ...warm } = await siteWarm(site)
  admin = warm.admin
  const wish = { name: 'office', kind: 'persistent' as const, templateId, warm: 0, maxSize: 5 }
  const { id: poolId } = await poolCreate(site.broker, admin, wish)
  await entitlementSet(site.broker, admin, poolId, { everyone: true })
  for (const name of ['one', 'two', 'three']) {
    const { task, desktop } = await desktopMakeFor(site.broker, admin, poolId, { userId: admin.userId, name })
    await ended(task)
    ids.push(desktop.id)
  }
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('gets another name while it is stopped, which its next start has', async () => {
  const [id = ''] = ids
  await expect(change(id, { name: 'first' })).rejects.toMatchObject({
    code: 'conflict',
    fields: [{ field: 'body.name' }],
  })
  await act(id, 'poweroff')
  await expect(change(id, { name: 'two' })).rejects.toMatchObject({
    code: 'conflict',
    fields: [{ field: 'body.name' }],
  })
  expect((await change(id, { name: 'first' })).desktop).toMatchObject({ name: 'first' })
  const { items } = await desktopHistory(site.broker, id, { limit: 1 })
  expect(items[0]).toMatchObject({ to: 'renamed', reason: 'one was named first by root' })
  await act(id, 'start')
  expect(await found(id)).toMatchObject({ name: 'first' })
})

it('is refused before as it would be then, and only tried leaves everything as it is', async () => {
  const [first = '', second = ''] = ids
  const tried = (id: string, wish: Parameters<typeof desktopHardwareSet>[4], given = {}) =>
    desktopHardwareSet(site.broker, admin, id, given, wish, true)
  const unknown = '01a00000-0000-7000-8000-000000000000'
  const refusal = (code: string, field: string) => ({ code, fields: [{ field }] })
  await expect(tried(first, { name: 'anything' })).rejects.toMatchObject(refusal('conflict', 'body.name'))
  await expect(tried(first, { cdrom: unknown })).rejects.toMatchObject(refusal('invalid', 'body.cdrom'))
  await act(second, 'poweroff')
  await expect(tried(second, { name: 'three' })).rejects.toMatchObject(refusal('conflict', 'body.name'))
  const before = await desktopGet(site.broker, admin, second)
  const history = await desktopHistory(site.broker, second, { limit: 9 })
  const { applies } = await tried(second, { name: 'another' }, { vcpus: before.hardware.vcpus + 1 })
  expect(applies).toEqual({ now: [], nextStart: ['vcpus'], why: {} })
  expect(await desktopGet(site.broker, admin, second)).toEqual(before)
  expect(await desktopHistory(site.broker, second, { limit: 9 })).toEqual(history)
  await act(second, 'start')
})

it('has a disc in its drive since its next start, which is changed while it runs from then on', async () => {
  const [id = ''] = ids
  const source = { kind: 'upload' as const, format: 'iso' as const, sizeBytes: 4096, sha256: 'b'.repeat(64) }
  const made = await templateCreate(site.broker, admin, {
    name: 'debian',
    description: '',
    hardware: {},
    source,
    notes: '',
  })
  const cdrom = made.template.versions[0]?.id ?? ''
  await expect(change(id, { cdrom })).rejects.toMatchObject({ code: 'invalid', fields: [{ field: 'body.cdrom' }] })
  await versionUploaded(site.broker, admin, made.template.id, 1)
  expect(await ended(made.task)).toMatchObject({ state: 'succeeded' })
  expect((await change(id, { cdrom })).applies).toEqual({ now: [], nextStart: ['cdrom'], why: {} })
  expect(await found(id)).toMatchObject({ cdrom: null })
  await expect(templateDelete(site.broker, admin, made.template.id)).rejects.toMatchObject({ code: 'conflict' })
  /** As its host is told of it. */
  const specOf = async () => {
    const { hostId } = await desktopGet(site.broker, admin, id)
    const row = (await desktopSpecs(site.broker.db, hostId ?? '')).find(one => one.id === id)
    return row && machineSpec(row, hostId ?? '').bootDisc
  }
  expect((await change(id, { bootDisc: true })).applies).toEqual({ now: [], nextStart: ['bootDisc'], why: {} })
  expect([await specOf(), (await desktopGet(site.broker, admin, id)).bootDisc]).toEqual([true, true])
  await act(id, 'poweroff')
  await act(id, 'start')
  expect(await found(id)).toMatchObject({ cdrom: { imageId: cdrom } })
  await site.until('it says that it has a drive', async () => (await desktopGet(site.broker, admin, id)).drive)
  expect((await change(id, { cdrom: null })).applies).toEqual({ now: ['cdrom'], nextStart: ['bootDisc'], why: {} })
  expect([await specOf(), (await desktopGet(site.broker, admin, id)).bootDisc]).toEqual([undefined, false])
  const refused = { code: 'invalid', fields: [{ field: 'body.bootDisc' }] }
  await expect(change(id, { bootDisc: true })).rejects.toMatchObject(refused)
  await site.until('its drive is empty', async () => (await found(id))?.cdrom?.imageId === null)
  await templateDelete(site.broker, admin, made.template.id)
})

it('is done to many at once, with what came of each and a receipt of all', async () => {
  const nobody = '01a00000-0000-7000-8000-000000000000'
  const { task, results } = await desktopsAct(site.broker, admin, 'poweroff', [...ids, nobody])
  expect(results.map(({ id, error }) => [id, error?.code])).toEqual([
    ...ids.map(id => [id, undefined]),
    [nobody, 'not_found'],
  ])
  expect(await ended(task)).toMatchObject({
    state: 'failed',
    error: { text: expect.stringMatching(/^3 done, 0 failed, 1 refused of 4/) },
  })
  expect((await taskLog(site.broker, admin, task.id)).map(({ text }) => text)).toContain(
    `refused: ${nobody}: There is no such desktop.`,
  )
  const { items } = await taskPartList(site.broker, admin, task.id)
  const refused = { type: 'desktop', id: nobody, name: nobody }
  expect(items[0]).toMatchObject({ subject: refused, state: 'refused', taskId: null, error: { code: 'not_found' } })
  expect(items.slice(1).map(({ state, error, taskId }) => [state, error, taskId !== null])).toEqual(
    ids.map(() => ['succeeded', null, true]),
  )
  expect(
    items
      .slice(1)
      .map(({ subject }) => subject.id)
      .toSorted(),
  ).toEqual(ids.toSorted())
  const stranger = await site.person('stranger')
  await expect(taskPartList(site.broker, stranger, task.id)).rejects.toMatchObject({ code: 'not_found' })
  const standing = await desktopsAct(site.broker, admin, 'suspend', ids.slice(0, 1))
  const { name } = await desktopGet(site.broker, admin, ids[0] ?? '')
  await ended(standing.task)
  const lines = (await taskLog(site.broker, admin, standing.task.id)).map(({ text }) => text)
  expect(lines).toContain(`refused: ${name}: it is not ready.`)
  expect((await taskPartList(site.broker, admin, standing.task.id)).items).toMatchObject([
    { subject: { id: ids[0], name }, state: 'refused', error: { code: 'conflict', text: `${name}: it is not ready.` } },
  ])
  const again = await desktopsAct(site.broker, admin, 'start', ids)
  expect(await ended(again.task)).toMatchObject({ state: 'succeeded', subject: { name: 'start: 3 desktops' } })
})

describe('many at once, whose process ends in the middle,', () => {
  const nobodies = [1, 2, 3].map(n => `01a00000-0000-7000-8000-00000000000${n}`)

  /** Ended after so many transactions: none of it reaches the database any more. */
  function dying(transactions: number) {
    let left = transactions
    const db = new Proxy(site.broker.db, {
      get(target, key) {
        if (key === 'transaction' && left-- <= 0) throw new Error('the process is gone')
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    return { ...site.broker, db }
  }

  async function cut(principal: Principal, given: string[], transactions: number, name: 'reboot' | 'save' = 'reboot') {
    const known = await receipts()
    await expect(desktopsAct(dying(transactions), principal, name, given)).rejects.toThrow('the process is gone')
    const [task, ...others] = (await receipts()).filter(({ id }) => known.every(one => one.id !== id))
    expect(others).toEqual([])
    if (!task) throw new Error('there is no receipt')
    return task
  }
  const receipts = async () => (await taskList(site.broker, admin, { kind: bulkKind, state: 'open', limit: 100 })).items
  const rebooted = async () =>
    (await taskList(site.broker, admin, { kind: 'desktop.reboot', limit: 100 })).items.map(({ subject }) => subject.id)

  it('have a receipt, and the rest is asked for, each once', async () => {
    const [one = '', two = '', three = ''] = ids
    // The receipt and the first four; nothing of the other two.
    const task = await cut(admin, [one, ...nobodies, two, three], 5)
    expect(task).toMatchObject({ state: 'running', subject: { name: 'reboot: 6 desktops' } })
    expect(await rebooted()).toEqual([one])
    const parts = async () => (await taskPartList(site.broker, admin, task.id)).items.map(part => part.state)
    expect((await parts()).filter(state => state === 'waiting')).toHaveLength(2)
    expect(await ended(task)).toMatchObject({
      state: 'failed',
      error: { text: expect.stringMatching(/^3 done, 0 failed, 3 refused of 6/) },
    })
    expect((await rebooted()).toSorted()).toEqual(ids.toSorted())
    expect(await parts()).toEqual(['refused', 'refused', 'refused', 'succeeded', 'succeeded', 'succeeded'])
  })

  it('are asked for by no second process that goes on with them', async () => {
    const before = await rebooted()
    const later = { ...site.broker, clock: { ...site.broker.clock, now: () => new Date(Date.now() + 60_000) } }
    const [asked] = await Promise.all([
      desktopsAct(site.broker, admin, 'reboot', ids),
      site.until('it is gone on with', async () => {
        await bulksGoOn(later, forever)
        return (await rebooted()).length === before.length + ids.length
      }),
    ])
    expect(asked.results.map(({ id, error, task }) => [id, error, task?.subject.id])).toEqual(
      ids.map(id => [id, null, id]),
    )
    expect(await ended(asked.task)).toMatchObject({ state: 'succeeded' })
    expect((await rebooted()).length).toBe(before.length + ids.length)
  })

  it('can be called off: no other is asked for', async () => {
    const task = await cut(admin, ids, 1, 'save')
    await taskCancel(site.broker, admin, task.id)
    expect(await ended(task)).toMatchObject({
      state: 'failed',
      error: { text: expect.stringMatching(/^0 done, 0 failed, 3 refused of 3/) },
    })
    expect((await taskLog(site.broker, admin, task.id)).map(({ text }) => text)).toContain('root called off 3 of 3')
    const { items } = await taskPartList(site.broker, admin, task.id)
    expect(items.map(({ subject, error }) => [subject.id, error?.text]).toSorted()).toEqual(
      ids.map(id => [id, 'Cancelled by root.']).toSorted(),
    )
    expect((await taskList(site.broker, admin, { kind: 'desktop.save', limit: 1 })).items).toEqual([])
  })

  it('are refused when who asked may not sign in any more', async () => {
    const before = await rebooted()
    const leaver = await addPerson(site.broker.db, 'leaver', ['infrastructureAdministrator'])
    const task = await cut(leaver, ids, 1)
    await userUpdate(site.broker.db, leaver.userId, { disabled: true })
    expect(await ended(task)).toMatchObject({ state: 'failed' })
    expect((await taskLog(site.broker, admin, task.id)).map(({ text }) => text)).toContain(
      'refused: 3 desktops were not asked for: who wanted it may not sign in any more',
    )
    expect(await rebooted()).toEqual(before)
  })
})
