/** Versions on their way to other clusters. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { clusterCreate, clusterUpdate } from '../../broker/clusters.ts'
import { type CopySaid, copyMake, copyOutcome, copyRemove } from '../../broker/copies.ts'
import { copyPlan } from '../../broker/copy-plan.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { imageSpec } from '../../broker/machine-specs.ts'
import { poolCreate, poolDelete } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { templateGet, versionAdd } from '../../broker/templates.ts'
import { copyPace } from '../../db/copy-plans.ts'
import { versionsWished } from '../../db/templates.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

describe('a copy', () => {
  const said = (some: Partial<CopySaid> = {}): CopySaid => ({
    hostState: 'online',
    current: true,
    state: 'ready',
    progress: 100,
    text: '',
    trouble: null,
    ...some,
  })
  const making = (progress: number) => said({ state: 'making', progress, text: `at ${progress}` })
  const trouble = { code: 'invalid' as const, text: 'its checksum is another one' }
  const failed = said({ state: 'failed', progress: 12, trouble })
  it.each<[string, CopySaid[], unknown]>([
    ['waits for a host of its cluster', [], { state: 'waiting', text: 'waits for a host of the cluster' }],
    ['is there when every host has it', [said(), said()], { state: 'ready', progress: 100 }],
    ['waits for no host that is away', [said(), said({ hostState: 'lost', state: null })], { state: 'ready' }],
    [
      'is as far as its slowest host',
      [said(), making(70), making(20)],
      { state: 'copying', progress: 20, text: 'at 20' },
    ],
    ['goes on while one host is at it', [failed, making(5)], { state: 'copying', progress: 5 }],
    ['fails with the word of its host', [said(), failed], { state: 'failed', trouble }],
    [
      'begins anew when it is asked for again',
      [said({ ...failed, current: false })],
      { state: 'waiting', trouble: null },
    ],
  ])('%s', (_title, hosts, outcome) => {
    expect(copyOutcome(hosts)).toMatchObject(outcome as object)
  })
})

describe('a version made of a desktop', () => {
  const forever = new AbortController().signal
  let site: TestSite
  let admin: Principal
  let templateId: string
  let hostIds: string[]
  let second: string
  let poolId: string

  beforeAll(async () => {
    site = await startSite({ sim: [{}, {}, {}] })
    ;({ admin, templateId } = await siteWarm(site))
    const { db } = site.broker
    hostIds = (await db.selectFrom('host').select('id').orderBy('name').execute()).map(({ id }) => id)
    const { site_id: siteId, id: main } = await db
      .selectFrom('cluster')
      .select(['id', 'site_id'])
      .executeTakeFirstOrThrow()
    second = (await clusterCreate(site.broker, admin, { name: 'second', siteId })).id
    await site.agentStop(2)
    await db
      .updateTable('host')
      .set({ cluster_id: second })
      .where('id', '=', hostIds[2] ?? '')
      .execute()
    await site.agentStart(2)
    const wish = { name: 'golden', kind: 'persistent' as const, templateId, warm: 0, clusterIds: [main] }
    const pool = await poolCreate(site.broker, admin, wish)
    poolId = pool.id
    await entitlementSet(site.broker, admin, poolId, { everyone: true })
    const { desktop, task } = await desktopClaimFor(site.broker, admin, poolId)
    await taskGet(site.broker, admin, task.id, 15_000, forever)
    await desktopAct(site.broker, admin, desktop.id, 'poweroff')
    await site.until(
      'it stands still',
      async () => (await desktopGet(site.broker, admin, desktop.id)).phase === 'stopped',
    )
    const source = { kind: 'desktop' as const, desktopId: desktop.id, seal: true }
    const made = await versionAdd(site.broker, admin, templateId, { source, notes: '' })
    await taskGet(site.broker, admin, made.task.id, 15_000, forever)
  }, 60_000)
  afterAll(() => site?.[Symbol.asyncDispose]())

  const version = async () =>
    (await templateGet(site.broker, admin, templateId)).versions.find(({ number }) => number === 2)
  const holders = async () => {
    const id = (await version())?.id ?? ''
    const images = await Promise.all(site.hosts.map(host => host.images()))
    return images.flatMap((those, index) => (those.some(image => image.id === id) ? [index] : []))
  }

  it('comes to every host of its cluster, and to no other', async () => {
    await site.until('both hosts of the cluster have it', async () => (await version())?.copies[0]?.state === 'ready')
    expect((await version())?.copies.map(({ clusterName }) => clusterName)).toEqual(['main'])
    expect((await holders()).length).toBe(2)
    expect(await holders()).not.toContain(2)
  })

  it('is planned before: where it would lie, from where, and on which networks; nothing is begun', async () => {
    const network = { mode: 'bridge', interface: 'lab' } as const
    const wish = { name: 'wired', kind: 'floating' as const, templateId, warm: 0, network }
    const { id } = await poolCreate(site.broker, admin, wish)
    const ask = { clusterId: second, bytesPerSecond: 2048 }
    const planned = () => copyPlan(site.broker, templateId, 2, ask)
    const plan = await planned()
    expect(plan).toMatchObject({ clusterName: 'second', bytesPerSecond: 2048, paceBy: 'limit', hostsUnknown: [] })
    expect(plan.storages).toMatchObject([{ hosts: [{ name: 'sim-3' }], state: 'missing', fits: true }])
    expect(plan.bytesToSend).toBe(plan.sizeBytes)
    expect(plan.storages[0]?.freeAfterBytes).toBe((plan.storages[0]?.freeBytes ?? 0) - plan.sizeBytes)
    expect(plan.sources.map(({ hostName, up }) => [hostName, up])).toEqual([
      ['sim-1', true],
      ['sim-2', true],
    ])
    expect(plan.networks).toMatchObject([{ poolName: 'wired', network: 'lab', here: 'lab', mapped: false, hosts: [] }])
    expect(plan.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['networks'])
    await clusterUpdate(site.broker, admin, second, { networks: [{ name: 'lab', interface: 'br7' }] })
    expect((await planned()).networks).toMatchObject([{ here: 'br7', mapped: true }])
    expect((await version())?.copies).toHaveLength(1)
    await poolDelete(site.broker, admin, id, true)
    await expect(copyPlan(site.broker, templateId, 9, ask)).rejects.toMatchObject({ code: 'not_found' })
    await expect(copyPlan(site.broker, templateId, 1, ask)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('is the same one, byte for byte, wherever it is copied to; asked for, and removed again', async () => {
    const task = await copyMake(site.broker, admin, templateId, 2, { clusterId: second, bytesPerSecond: null })
    expect(await taskGet(site.broker, admin, task.id, 15_000, forever)).toMatchObject({ state: 'succeeded' })
    expect((await version())?.copies.map(({ clusterName, state }) => [clusterName, state])).toEqual([
      ['main', 'ready'],
      ['second', 'ready'],
    ])
    // What went so fast tells nothing of the line; as if it had taken two seconds:
    expect(await copyPace(site.broker.db, second)).toBeNull()
    await sql`update task set created_at = finished_at - interval '2 seconds' where id = ${task.id}`.execute(
      site.broker.db,
    )
    expect(await copyPace(site.broker.db, second)).toBe(Math.round(((await version())?.storedBytes ?? 0) / 2))
    const images = await Promise.all(site.hosts.map(host => host.images()))
    const id = (await version())?.id
    expect(new Set(images.map(those => those.find(image => image.id === id)?.sha256)).size).toBe(1)
    await copyRemove(site.broker, templateId, 2, second)
    await site.until('it is gone there', async () => !(await holders()).includes(2))
    expect((await version())?.copies).toHaveLength(1)
  })

  it('stays at home, and where desktops stand on it', async () => {
    const home = (await version())?.copies[0]?.clusterId ?? ''
    expect((await version())?.copies[0]?.actions).toEqual([
      { name: 'remove', allowed: false, reason: 'it was made there: remove the version instead' },
    ])
    await expect(copyRemove(site.broker, templateId, 2, home)).rejects.toMatchObject({ code: 'conflict' })
    const task = await copyMake(site.broker, admin, templateId, 2, { clusterId: second, bytesPerSecond: null })
    await taskGet(site.broker, admin, task.id, 15_000, forever)
    const pool = { name: 'there', kind: 'floating' as const, templateId, warm: 1, clusterIds: [second] }
    const there = await poolCreate(site.broker, admin, pool)
    await site.until('a desktop stands on it there', async () => {
      const { items } = await desktopList(site.broker, admin, { limit: 10, poolId: there.id })
      return items.length === 1
    })
    await expect(copyRemove(site.broker, templateId, 2, second)).rejects.toThrow('1 desktop stands on it there')
    const reasons = (await version())?.copies.map(({ actions }) => actions[0]?.reason)
    expect(reasons).toEqual(['it was made there: remove the version instead', '1 desktop stands on it there'])
  })

  it('comes no faster than the slower of what it and its cluster allow, as uploads do', async () => {
    const { db } = site.broker
    const pace = async () => {
      const wished = await versionsWished(db, hostIds[2] ?? '')
      return wished.find(({ number }) => number === 2)?.bytes_per_second
    }
    const copyAt = (bytesPerSecond: number | null) =>
      copyMake(site.broker, admin, templateId, 2, { clusterId: second, bytesPerSecond })
    await copyAt(5000)
    expect(await pace()).toBe(5000)
    expect((await clusterUpdate(site.broker, admin, second, { imageBytesPerSecond: 3000 })).imageBytesPerSecond).toBe(
      3000,
    )
    expect(await pace()).toBe(3000)
    expect(
      (await copyPlan(site.broker, templateId, 2, { clusterId: second, bytesPerSecond: 5000 })).bytesPerSecond,
    ).toBe(3000)
    await copyAt(2000)
    expect(await pace()).toBe(2000)
    await copyAt(null)
    expect(await pace()).toBe(3000)
    const row = (await versionsWished(db, hostIds[2] ?? ''))[0]
    if (!row) throw new Error('it wishes nothing')
    const source = { kind: 'upload' as const, format: 'raw' as const, sizeBytes: 512, sha256: 'a'.repeat(64) }
    expect(imageSpec({ ...row, source, bytes_per_second: 3000 }, 1e9).source).toEqual({
      ...source,
      bytesPerSecond: 3000,
    })
    await clusterUpdate(site.broker, admin, second, { imageBytesPerSecond: null })
    expect(await pace()).toBeNull()
  })

  it('is refused to copy what every cluster makes by itself', async () => {
    await expect(
      copyMake(site.broker, admin, templateId, 1, { clusterId: second, bytesPerSecond: null }),
    ).rejects.toMatchObject({ code: 'conflict' })
  })
})
