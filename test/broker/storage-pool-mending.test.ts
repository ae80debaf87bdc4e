import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import {
  type PoolSourceGiven,
  storagePoolCreate,
  storagePoolGet,
  storagePoolUpdate,
} from '../../broker/storage-pools.ts'
import { volumeCreate } from '../../broker/volumes.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
beforeAll(async () => {
  site = await startSite({ sim: [{}, {}] })
  ;({ admin } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const nfs = (server: string, path = '/export') => ({ type: 'netfs' as const, server, path })
async function made(name: string, source: PoolSourceGiven, state: 'ready' | 'failed') {
  const { storagePool } = await storagePoolCreate(site.broker, admin, { name, source, reserve: 0 })
  await reaches(storagePool.id, state)
  return storagePool.id
}
const reaches = (id: string, state: string) =>
  site.until(`it is ${state}`, async () => (await storagePoolGet(site.broker, admin, id)).state === state)
const mend = (id: string, source: PoolSourceGiven) => storagePoolUpdate(site.broker, admin, id, { source })
const may = async (id: string) =>
  (await storagePoolGet(site.broker, admin, id)).actions.find(({ name }) => name === 'mend')

describe('the source of a storage pool that no host has', () => {
  it('is mended: its hosts make it ready at the other place, and where it is mounted stays', async () => {
    const id = await made('typo', nfs('fail-place.example'), 'failed')
    expect(await may(id)).toMatchObject({ allowed: true })
    const after = await mend(id, nfs('nfs.example', '/vol/a'))
    expect(after.source).toEqual({ ...nfs('nfs.example', '/vol/a'), target: '/var/lib/hdcs-storage/typo' })
    await reaches(id, 'ready')
    const folder = await made('folder', { type: 'dir', target: '/srv/fail-place' }, 'failed')
    await mend(folder, { type: 'dir', target: '/srv/right' })
    await reaches(folder, 'ready')
    const ceph = { type: 'rbd' as const, monitors: ['fail-place'], pool: 'p', user: 'u', key: 'c2VjcmV0' }
    const rbd = await made('ceph', ceph, 'failed')
    const { source } = await mend(rbd, { ...ceph, monitors: ['mon1', 'mon2:6789'], key: undefined })
    expect(source).toEqual({ type: 'rbd', monitors: ['mon1', 'mon2:6789'], pool: 'p', user: 'u' })
    await reaches(rbd, 'ready')
  })

  it('stays of its kind, and in a folder that no other pool has', async () => {
    const id = await made('kind', nfs('fail-place.example'), 'failed')
    await expect(mend(id, { type: 'dir', target: '/srv/kind' })).rejects.toMatchObject({ code: 'invalid' })
    const other = await made('other', { type: 'dir', target: '/srv/fail-place-2' }, 'failed')
    await made('taken', { type: 'dir', target: '/srv/taken' }, 'ready')
    await expect(mend(other, { type: 'dir', target: '/srv/taken/in' })).rejects.toMatchObject({ code: 'conflict' })
    // Its own folder is no other's.
    await mend(other, { type: 'dir', target: '/srv/fail-place-2/below' })
  })
})

describe('the source of a storage pool', () => {
  it('stays where a host has it, which is named with what to do', async () => {
    const id = await made('works', nfs('nfs.example'), 'ready')
    const refused = { code: 'conflict', message: expect.stringMatching(/sim-1 has it as it is: .*make|made/) }
    await expect(mend(id, nfs('other.example'))).rejects.toMatchObject(refused)
    expect(await may(id)).toMatchObject({ allowed: false, reason: expect.stringContaining('sim-1 has it') })
    expect((await storagePoolGet(site.broker, admin, id)).source).toMatchObject(nfs('nfs.example'))
  })

  it('stays while a volume lies on it, though it failed', async () => {
    const id = await made('held', nfs('fail-place.example', '/other'), 'failed')
    const [host] = (await storagePoolGet(site.broker, admin, id)).hosts
    const hostId = host?.hostId ?? ''
    const asked = { name: 'on-it', poolId: id, hostId, sizeBytes: 2 ** 20, format: 'raw' as const }
    await volumeCreate(site.broker, admin, asked)
    await expect(mend(id, nfs('nfs.example'))).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('1 volume lies on it: delete'),
    })
  })
})
