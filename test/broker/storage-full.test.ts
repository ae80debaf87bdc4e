/** A storage that fills: nothing new is made, nobody's desktop dies, and all goes on by itself once there is room. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostList } from '../../broker/hosts.ts'
import { poolCreate, poolGet } from '../../broker/pools.ts'
import { starvedOf, starvedPlan } from '../../broker/starved.ts'
import { storageLevel, storageWarning, thinRatio } from '../../broker/storage-level.ts'
import { clusterStorages } from '../../broker/storages.ts'
import { taskGet } from '../../broker/tasks.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const GiB = 2 ** 30
const forever = new AbortController().signal

describe('how full a storage is', () => {
  const of = (capacity: number, free: number, kept: number) =>
    storageLevel({ capacityBytes: capacity * GiB, freeBytes: free * GiB, keptBytes: kept * GiB })

  it('warns at 80 %, urgently at 90 % or near the reserve, and says full at the reserve', () => {
    expect(of(100, 21, 2)).toBe('ok')
    expect(of(100, 20, 2)).toBe('warning')
    expect(of(100, 10, 2)).toBe('critical')
    expect(of(100, 2, 2)).toBe('full')
    // A small one is near its reserve long before it is 80 % full.
    expect(of(4, 1.4, 1)).toBe('critical')
    expect(of(0, 0, 0)).toBe('ok')
  })

  it('says how full, where new disks end, and what to do', () => {
    const figures = { capacityBytes: 100 * GiB, freeBytes: 15 * GiB, keptBytes: 2 * GiB }
    expect(storageWarning('The storage of h1', figures)).toBe(
      'The storage of h1 is 85 % full: 15 GiB of 100 GiB are free, and new disks end at 2 GiB. Remove what is not needed or enlarge it in time.',
    )
    expect(storageWarning('It', { ...figures, freeBytes: GiB })).toContain('everything goes on by itself then')
    expect(storageWarning('It', { ...figures, freeBytes: 90 * GiB })).toBeNull()
    expect(thinRatio(250 * GiB, 100 * GiB)).toBe(2.5)
    expect(thinRatio(1, 0)).toBeNull()
  })
})

describe('desktops that wait for room', () => {
  const trouble = { code: 'storage_full' as const, text: 'full' }
  const waits = { id: 'd1', phase: 'making' as const, user_id: null, host_id: 'h1', wished_present: true }
  const starved = [{ ...waits, observed_trouble: trouble }]
  type Hosts = Parameters<typeof starvedPlan>[1]
  const host = (id: string, left: number) =>
    ({ id, clusterId: 'c1', state: 'online', storageLeftBytes: left }) as Hosts[number]

  it('are made elsewhere where there is room, and wait with the reason where there is none', () => {
    expect(starvedPlan(starved, [host('h1', 0), host('h2', GiB)], [])).toMatchObject({ steps: [{ do: 'remove' }] })
    expect(starvedPlan(starved, [host('h1', GiB), host('h2', 0)], [])).toEqual({ steps: [], waits: 'full' })
    expect(starvedPlan(starved, [host('h2', GiB)], ['c2'])).toEqual({ steps: [], waits: 'full' })
  })

  it('are nobody’s and have no disk yet', () => {
    expect(starvedOf(starved)).toHaveLength(1)
    expect(starvedOf([{ ...waits, phase: 'paused', observed_trouble: trouble }])).toEqual([])
    expect(starvedOf([{ ...waits, user_id: 'ann', observed_trouble: trouble }])).toEqual([])
  })
})

describe('on a host whose storage is full', () => {
  let site: TestSite
  let admin: Principal
  let demoId: string
  let mineId: string
  let templateId: string
  beforeAll(async () => {
    site = await startSite()
    ;({ admin, templateId } = await siteWarm(site))
    const pool = await poolCreate(site.broker, admin, { name: 'own', kind: 'persistent', templateId, warm: 0 })
    await entitlementSet(site.broker, admin, pool.id, { everyone: true })
    const { desktop, task } = await desktopClaimFor(site.broker, admin, pool.id)
    mineId = desktop.id
    await taskGet(site.broker, admin, task.id, 15_000, forever)
    const { items } = await desktopList(site.broker, admin, { limit: 100 })
    demoId = items.find(({ id }) => id !== mineId)?.poolId ?? ''
    site.hosts[0]?.storageFill(true)
  }, 60_000)
  afterAll(() => site?.[Symbol.asyncDispose]())
  const ids = async () => (await desktopList(site.broker, admin, { limit: 100 })).items.map(({ id }) => id).sort()

  it('desktops that run stand still as they are, and are neither called suspended nor given up', async () => {
    const before = await ids()
    await site.until('they stand still', async () => {
      const { items } = await desktopList(site.broker, admin, { limit: 100 })
      return items.every(({ phase }) => phase === 'paused')
    })
    expect(await desktopGet(site.broker, admin, mineId)).toMatchObject({
      reason: 'its storage is full: it goes on by itself when there is room',
      trouble: { code: 'storage_full' },
    })
    expect(await ids()).toEqual(before)
  })

  it('nothing new is made, and the pool says for what it waits', async () => {
    const pool = await poolCreate(site.broker, admin, {
      name: 'new',
      kind: 'floating',
      templateId,
      warm: 1,
      minSize: 1,
    })
    await site.until('it waits for room', async () => {
      const { status, statusText } = await poolGet(site.broker, admin, pool.id)
      return status === 'waiting' && statusText.includes('full')
    })
  })

  it('is told of, with how much more is promised of it than there is', async () => {
    const [host] = (await hostList(site.broker, admin, { limit: 1 })).items
    const warned = async () => (await hostList(site.broker, admin, { limit: 1 })).items[0]?.storageWarning
    await site.until('it warns', async () => (await warned()) !== null)
    const [storage] = await clusterStorages(site.broker, host?.clusterId ?? '')
    expect(storage).toMatchObject({ level: 'full', hosts: [{ name: host?.name }] })
    expect(storage?.virtualBytes).toBeGreaterThan(0)
  })

  it('all goes on by itself once there is room', async () => {
    site.hosts[0]?.storageFill(false)
    await site.until('they go on', async () => {
      const { items } = await desktopList(site.broker, admin, { limit: 100 })
      return items.length === 4 && items.every(({ phase }) => phase === 'ready')
    })
    expect(await desktopGet(site.broker, admin, mineId)).toMatchObject({ trouble: null, phase: 'ready' })
    await site.until('the pool is well', async () => (await poolGet(site.broker, admin, demoId)).status === 'ok')
  })
})
