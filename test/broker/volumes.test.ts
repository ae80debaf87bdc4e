/** Storage pools and volumes, from the wish to the host and back, on simulated hosts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { textSeal } from '../../auth/sealed.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostRemovalPlan, hostRemove } from '../../broker/host-removal.ts'
import { desktopMovePlan } from '../../broker/migrations.ts'
import { poolCreate } from '../../broker/pools.ts'
import { storageKeysKeep } from '../../broker/storage-keys.ts'
import {
  storagePoolCreate,
  storagePoolGet,
  storagePoolRead,
  storagePoolRemove,
  storagePoolUpdate,
} from '../../broker/storage-pools.ts'
import { storageSpec } from '../../broker/storage-specs.ts'
import { clusterStorages } from '../../broker/storages.ts'
import { taskGet } from '../../broker/tasks.ts'
import {
  volumeAttach,
  volumeCreate,
  volumeDelete,
  volumeDetach,
  volumeGet,
  volumeList,
  volumeResize,
} from '../../broker/volumes.ts'
import { storageWished } from '../../db/storage-pools.ts'
import { volumeRows, volumesLeave, volumesOnlyOn } from '../../db/volumes.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const GiB = 2 ** 30
const forever = new AbortController().signal
const code = (name: string, text?: string) =>
  expect.objectContaining({ code: name, ...(text && { message: expect.stringContaining(text) }) })
let site: TestSite
let admin: Principal
let desktopId: string
let hostId: string
let otherHostId: string

beforeAll(async () => {
  site = await startSite({ sim: [{}, {}] })
  const warm = await siteWarm(site)
  admin = warm.admin
  const wish = { name: 'own', kind: 'persistent' as const, templateId: warm.templateId, warm: 0 }
  const pool = await poolCreate(site.broker, admin, wish)
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const { desktop, task } = await desktopClaimFor(site.broker, admin, pool.id)
  desktopId = desktop.id
  await ended(task)
  hostId = (await desktopGet(site.broker, admin, desktopId)).hostId
  const hosts = await site.broker.db.selectFrom('host').select('id').execute()
  otherHostId = hosts.find(({ id }) => id !== hostId)?.id ?? ''
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const ended = (task: { id: string }) => taskGet(site.broker, admin, task.id, 20_000, forever)
const done = async (task: { id: string }) => expect(await ended(task)).toMatchObject({ state: 'succeeded' })

async function poolMade(name: string, source: Parameters<typeof storagePoolCreate>[2]['source']) {
  const { task, storagePool } = await storagePoolCreate(site.broker, admin, { name, source, reserve: 0.05 })
  await done(task)
  return storagePool.id
}
async function volumeMade(name: string, poolId: string, own: { hostId?: string } = {}) {
  const wish = { name, poolId, sizeBytes: GiB, format: 'qcow2' as const, ...own }
  const { task, volume } = await volumeCreate(site.broker, admin, wish)
  await done(task)
  return volume.id
}

describe('a storage pool', () => {
  it('is made by every host of its cluster, and tells how full it is and what is promised of it', async () => {
    const id = await poolMade('shared', { type: 'netfs', server: 'nfs.example', path: '/export/volumes' })
    const pool = await storagePoolGet(site.broker, admin, id)
    expect(pool).toMatchObject({
      state: 'ready',
      level: 'ok',
      warning: null,
      thinRatio: 0,
      source: { target: '/var/lib/hdcs-storage/shared' },
    })
    expect(pool.hosts.map(({ state }) => state)).toEqual(['ready', 'ready'])
    // Both hosts have the same: it counts once.
    expect(pool.capacityBytes).toBe(2 ** 40)
    const { task } = await storagePoolRead(site.broker, admin, id)
    await done(task)
  })

  it('says of a server that does not answer which host told so, and what to do', async () => {
    const wish = { name: 'fail-pool', source: { type: 'netfs' as const, server: 'away', path: '/x' }, reserve: 0.05 }
    const { task, storagePool } = await storagePoolCreate(site.broker, admin, wish)
    expect(await ended(task)).toMatchObject({ state: 'failed', error: { code: 'unreachable' } })
    expect(await storagePoolGet(site.broker, admin, storagePool.id)).toMatchObject({ state: 'failed' })
    await done((await storagePoolRemove(site.broker, admin, storagePool.id)).task)
    await expect(storagePoolGet(site.broker, admin, storagePool.id)).rejects.toEqual(code('not_found'))
  })

  it('counts what is promised of its file systems by other pools and by the root folders there, as those do', async () => {
    const folder = (name: string) => poolMade(name, { type: 'dir', target: `/srv/${name}` })
    const pools = [await folder('beside-a'), await folder('beside-b')]
    const volumes = await Promise.all(pools.map((id, n) => volumeMade(`beside-${n}`, id, { hostId })))
    const views = await Promise.all(pools.map(id => storagePoolGet(site.broker, admin, id)))
    const { clusterId = '' } = views[0] ?? {}
    const roots = await clusterStorages(site.broker, clusterId)
    const here = roots.find(({ hosts }) => hosts.some(({ id }) => id === hostId))
    expect(here?.virtualBytes).toBeGreaterThan(0)
    expect(here?.promisedBytes).toBe((here?.virtualBytes ?? 0) + 2 * GiB)
    const all = roots.reduce((sum, { virtualBytes }) => sum + virtualBytes, 2 * GiB)
    for (const { virtualBytes, promisedBytes, thinRatio, capacityBytes } of views) {
      expect([virtualBytes, promisedBytes]).toEqual([GiB, all])
      expect(thinRatio).toBeCloseTo(all / capacityBytes, 2)
    }
    for (const id of volumes) await done((await volumeDelete(site.broker, admin, id)).task)
    for (const id of pools) await done((await storagePoolRemove(site.broker, admin, id)).task)
  })

  it('shares its name and its folder with no other one', async () => {
    const dir = (name: string, target: string) =>
      storagePoolCreate(site.broker, admin, { name, source: { type: 'dir', target }, reserve: 0 })
    await expect(dir('shared', '/srv/a')).rejects.toEqual(code('conflict'))
    await expect(dir('inner', '/var/lib/hdcs-storage/shared/inner')).rejects.toEqual(code('conflict', 'overlaps'))
  })

  it('shares its export or its Ceph pool with no other one, however the server is written; a key has a user', async () => {
    const make = (name: string, source: Parameters<typeof storagePoolCreate>[2]['source']) =>
      storagePoolCreate(site.broker, admin, { name, source, reserve: 0 })
    const nfs = { type: 'netfs' as const, server: 'nfs.example', path: '/export/a' }
    const rbd = { type: 'rbd' as const, monitors: ['mon8', 'mon9:6789'], pool: 'p8' }
    const made = [await make('nfs-one', nfs), await make('rbd-one', rbd)]
    const taken = code('conflict', 'already')
    await expect(make('nfs-two', { ...nfs, server: 'NFS.example' })).rejects.toEqual(taken)
    await expect(make('nfs-two', { ...nfs, path: '/export' })).rejects.toEqual(taken)
    await expect(make('rbd-two', { ...rbd, monitors: ['mon9'] })).rejects.toEqual(taken)
    await expect(make('rbd-two', { ...rbd, pool: 'p9', key: 'c2VjcmV0' })).rejects.toMatchObject({
      code: 'invalid',
      fields: [{ field: 'body.source.user' }],
    })
    for (const { task, storagePool } of made) {
      await done(task)
      await done((await storagePoolRemove(site.broker, admin, storagePool.id)).task)
    }
  })

  it('is renamed and given another reserve, and stays while volumes lie on it', async () => {
    const id = await poolMade('before', {
      type: 'rbd',
      monitors: ['mon1'],
      pool: 'hdcs',
      user: 'hdcs',
      key: 'c2VjcmV0',
    })
    const after = await storagePoolUpdate(site.broker, admin, id, { name: 'after', reserve: 0.2 })
    expect(after).toMatchObject({ name: 'after', reserve: 0.2 })
    // The key is for its hosts alone.
    expect(JSON.stringify(after)).not.toContain('c2VjcmV0')
    const asked = { name: 'on-it', poolId: id, sizeBytes: GiB, format: 'raw' as const }
    const { task, volume } = await volumeCreate(site.broker, admin, asked)
    await done(task)
    expect(await storagePoolGet(site.broker, admin, id)).toMatchObject({ volumes: 1, virtualBytes: GiB })
    await expect(storagePoolRemove(site.broker, admin, id)).rejects.toEqual(code('conflict', '1 volume lies on it'))
    await done((await volumeDelete(site.broker, admin, volume.id)).task)
    await done((await storagePoolRemove(site.broker, admin, id)).task)
  })
})

describe('the key of a Ceph pool', () => {
  const rows = () => site.broker.db.selectFrom('storage_pool').selectAll().where('name', '=', 'ceph').execute()
  const told = async (ticketKey = site.broker.ticketKey) =>
    storageSpec(await storageWished(site.broker.db, hostId), ticketKey).pools.find(({ name }) => name === 'ceph')
      ?.secret
  let id: string
  beforeAll(async () => {
    id = await poolMade('ceph', { type: 'rbd', monitors: ['mon1'], pool: 'hdcs', user: 'hdcs', key: 'c2VjcmV0' })
  })

  it('is kept sealed, and told to its hosts alone', async () => {
    expect(JSON.stringify(await rows())).not.toContain('c2VjcmV0')
    expect(await told()).toBe('c2VjcmV0')
    expect(JSON.stringify(await storagePoolGet(site.broker, admin, id))).not.toContain('c2VjcmV0')
  })

  it('that an older version wrote as it is is sealed, and told to its hosts meanwhile', async () => {
    await site.broker.db
      .updateTable('storage_pool')
      .set({ secret: 'b2xkZXI=', sealed_secret: null })
      .where('id', '=', id)
      .execute()
    expect(await told()).toBe('b2xkZXI=')
    await storageKeysKeep(site.broker)
    expect(await rows()).toMatchObject([{ secret: null, sealed_secret: expect.stringMatching(/^[\w-]{40,}$/) }])
    expect(await told()).toBe('b2xkZXI=')
  })

  it('that cannot be read any more is said with what to do, and given anew', async () => {
    const foreign = textSeal('c2VjcmV0', new Uint8Array(32).fill(7), id)
    await site.broker.db.updateTable('storage_pool').set({ sealed_secret: foreign }).where('id', '=', id).execute()
    expect(await told()).toBeNull()
    expect(await storagePoolGet(site.broker, admin, id)).toMatchObject({
      state: 'failed',
      text: expect.stringContaining('give it anew'),
    })
    await storagePoolUpdate(site.broker, admin, id, { key: 'bmV3' })
    expect(await told()).toBe('bmV3')
    expect(await storagePoolGet(site.broker, admin, id)).not.toMatchObject({ state: 'failed' })
    const other = await poolMade('no-ceph', { type: 'dir', target: '/srv/no-ceph' })
    await expect(storagePoolUpdate(site.broker, admin, other, { key: 'bmV3' })).rejects.toEqual(code('invalid'))
  })
})

describe('a volume', () => {
  let poolId: string
  beforeAll(async () => {
    poolId = await poolMade('local', { type: 'dir', target: '/srv/local' })
  })

  it('asks on which host it shall lie where a pool is each host’s own', async () => {
    const wish = { name: 'nowhere', poolId, sizeBytes: GiB, format: 'qcow2' as const }
    await expect(volumeCreate(site.broker, admin, wish)).rejects.toEqual(code('invalid', 'each host’s own'))
  })

  it('is plugged into a desktop that runs, grows there, is found again by a new agent, and is taken out', async () => {
    const id = await volumeMade('data', poolId, { hostId })
    const attached = await volumeAttach(site.broker, admin, id, desktopId)
    expect(attached.applies).toBe('now')
    await done(attached.task)
    expect(await volumeGet(site.broker, admin, id)).toMatchObject({ usedById: desktopId, state: 'ready' })
    await done((await volumeResize(site.broker, admin, id, 2 * GiB)).task)
    await expect(volumeResize(site.broker, admin, id, GiB)).rejects.toEqual(code('invalid', 'only grows'))
    const capacity = (observed_capacity_bytes: number) =>
      site.broker.db.updateTable('host_storage').set({ observed_capacity_bytes }).execute()
    await capacity(3 * GiB)
    await expect(volumeResize(site.broker, admin, id, 4 * GiB)).rejects.toEqual(code('invalid', '3 GiB in all'))
    await capacity(1024 * GiB)
    await expect(volumeDelete(site.broker, admin, id)).rejects.toEqual(code('conflict', 'detach it first'))
    for (const index of [0, 1]) await site.agentStart(index)
    await site.until('it is told again', async () => {
      const seen = await volumeGet(site.broker, admin, id)
      return seen.usedById === desktopId && seen.state === 'ready'
    })
    const detached = await volumeDetach(site.broker, admin, id)
    expect(detached.applies).toBe('now')
    await done(detached.task)
    await done((await volumeDelete(site.broker, admin, id)).task)
    await expect(volumeGet(site.broker, admin, id)).rejects.toEqual(code('not_found'))
  })

  it('comes at the next start to a desktop that stands still, which has it from its first moment', async () => {
    const id = await volumeMade('later', poolId, { hostId })
    await done((await desktopAct(site.broker, admin, desktopId, 'poweroff')).task)
    const attached = await volumeAttach(site.broker, admin, id, desktopId)
    expect(attached.applies).toBe('nextStart')
    await done(attached.task)
    expect(await volumeGet(site.broker, admin, id)).toMatchObject({ desktopId, usedById: null })
    await done((await desktopAct(site.broker, admin, desktopId, 'start')).task)
    await site.until('it has it', async () => (await volumeGet(site.broker, admin, id)).usedById === desktopId)
  })

  it('is not saved with its desktop’s memory, and stays as it is while that is kept', async () => {
    const { id } = (await volumeList(site.broker, admin, { limit: 1, name: 'later' })).items[0] ?? { id: '' }
    const save = (await desktopGet(site.broker, admin, desktopId)).actions.find(({ name }) => name === 'save')
    expect(save).toMatchObject({ allowed: false, reason: expect.stringContaining('detach later first') })
    await expect(desktopAct(site.broker, admin, desktopId, 'save')).rejects.toEqual(code('conflict', 'detach later'))
    await done((await volumeDetach(site.broker, admin, id)).task)
    await done((await desktopAct(site.broker, admin, desktopId, 'save')).task)
    const saved = code('conflict', 'memory is saved on its host: start it first')
    await expect(volumeAttach(site.broker, admin, id, desktopId)).rejects.toEqual(saved)
    // As of a time when that was not refused yet.
    await site.broker.db.updateTable('volume').set({ desktop_id: desktopId, slot: 1 }).where('id', '=', id).execute()
    await expect(volumeResize(site.broker, admin, id, 3 * GiB)).rejects.toEqual(saved)
    await expect(volumeDetach(site.broker, admin, id)).rejects.toEqual(saved)
    await expect(volumeDelete(site.broker, admin, id)).rejects.toEqual(code('conflict', 'detach it first'))
    const refused = (await volumeGet(site.broker, admin, id)).actions.filter(({ allowed }) => !allowed)
    expect(refused.map(({ name }) => name)).toEqual(['resize', 'attach', 'detach', 'delete'])
    await done((await desktopAct(site.broker, admin, desktopId, 'start')).task)
    await site.until('it has it', async () => (await volumeGet(site.broker, admin, id)).usedById === desktopId)
  })

  it('keeps its desktop where it lies, and says so wherever it might move', async () => {
    const { choice } = await desktopMovePlan(site.broker, admin, desktopId, { hostId: null, restart: true })
    expect(choice.kind).toBeNull()
    expect(choice.hosts.find(host => host.hostId === otherHostId)?.reason).toBe(
      'its volume later lies on the storage pool local of its host alone: detach it first',
    )
  })

  it('refuses a desktop of another host, and one that goes from person to person', async () => {
    const id = await volumeMade('far', poolId, { hostId: otherHostId })
    await expect(volumeAttach(site.broker, admin, id, desktopId)).rejects.toEqual(code('conflict', 'lies on'))
    const floating = await site.broker.db
      .selectFrom('desktop')
      .innerJoin('pool', 'pool.id', 'desktop.pool_id')
      .select('desktop.id')
      .where('pool.kind', '=', 'floating')
      .executeTakeFirstOrThrow()
    await expect(volumeAttach(site.broker, admin, id, floating.id)).rejects.toEqual(
      code('conflict', 'person to person'),
    )
  })

  it('says why its guest has it not, or not let go of it, and harms its desktop in neither case', async () => {
    for (const name of ['fail-attach', 'no-detach']) {
      const id = await volumeMade(name, poolId, { hostId })
      const attached = await volumeAttach(site.broker, admin, id, desktopId)
      if (name === 'no-detach') await done(attached.task)
      const { task } = name === 'no-detach' ? await volumeDetach(site.broker, admin, id) : attached
      const error = { code: name === 'no-detach' ? 'timeout' : 'conflict' }
      expect(await ended(task)).toMatchObject({ state: 'failed', error })
      expect(await desktopGet(site.broker, admin, desktopId)).toMatchObject({ phase: 'ready', trouble: null })
    }
    // What cannot be done now is done when its guest stands still.
    await done((await desktopAct(site.broker, admin, desktopId, 'poweroff')).task)
    await site.until('nothing is in use', async () => {
      const { items } = await volumeList(site.broker, admin, { limit: 100, desktopId })
      return items.every(({ usedById }) => usedById === null)
    })
  })

  it('fails with what to do when there is no room, and is made once there is', async () => {
    const wish = { name: 'fail-volume', poolId, sizeBytes: GiB, format: 'qcow2' as const, hostId }
    const { task, volume } = await volumeCreate(site.broker, admin, wish)
    expect(await ended(task)).toMatchObject({ state: 'failed', error: { code: 'storage_full' } })
    await done((await volumeDelete(site.broker, admin, volume.id)).task)
  })
})

describe('a host that is removed', () => {
  it('names the volumes that only it has, and takes them with it only when it is forced; the others go on', async () => {
    const { db } = site.broker
    const only = await volumeMade('only-there', await poolMade('own', { type: 'dir', target: '/srv/own' }), {
      hostId: otherHostId,
    })
    const shared = await poolMade('everywhere', { type: 'netfs', server: 'nfs.example', path: '/export/more' })
    const kept = await volumeMade('kept', shared)
    await db.updateTable('volume').set({ host_id: otherHostId }).where('id', '=', kept).execute()
    expect(await volumesOnlyOn(db, otherHostId)).toContain('only-there')
    await expect(hostRemove(site.broker, admin, otherHostId)).rejects.toEqual(code('conflict', 'stays'))
    const { text } = await hostRemovalPlan(site.broker, admin, otherHostId)
    expect(text).toMatch(/volumes that are lost with it: .*only-there/)
    expect(text).not.toMatch(/kept/)
    await db.transaction().execute(async tx => {
      await volumesLeave(tx, otherHostId)
      expect(await volumeRows(tx, { ids: [only, kept] })).toMatchObject([{ id: kept, host_id: hostId }])
    })
  })
})
