/** Storage pools and volumes, at every change that is made for them. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { until } from '../../support/site.ts'
import { done, type Operation, refused, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type Clients, type KillWorld, makeKillWorld } from './world.ts'

let world: KillWorld
let mineId: string
let hostId: string
beforeAll(async () => {
  world = await makeKillWorld()
  const poolId = await world.poolMade('lasting', { clusterIds: [world.clusterId] })
  const { ana, root } = world.clients()
  const { desktop, task } = await ana.poolClaim({ params: { id: poolId } })
  await done(ana, task)
  mineId = desktop.id
  hostId = (await root.desktopGet({ params: { id: mineId } })).hostId ?? ''
  await world.settled()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const GiB = 2 ** 30
const source = { type: 'dir', target: '/srv/walked' } as const

/** Whatever there is of it is taken away. */
async function away({ root }: Clients): Promise<void> {
  for (const { id } of (await root.volumeList({ query: {} })).items) {
    await root.volumeDetach({ params: { id } }).catch(refused)
    await until('its guest has let go of it', async () => {
      const { items } = await root.volumeList({ query: {} })
      return items.every(volume => volume.id !== id || volume.usedById === null)
    })
    await root.volumeDelete({ params: { id } }).catch(refused)
  }
  await until('no volume is left', async () => (await root.volumeList({ query: {} })).items.length === 0)
  for (const { id } of (await root.storagePoolList({ query: {} })).items)
    await root.storagePoolDelete({ params: { id } }).catch(refused)
  await until('no pool is left', async () => (await root.storagePoolList({ query: {} })).items.length === 0)
}

const operations: Record<keyof typeof walked.storage, Operation> = {
  'a storage pool and a volume on it, which a desktop has for a while': {
    asks: walked.storage['a storage pool and a volume on it, which a desktop has for a while'],
    async run({ root }) {
      const pool = await root.storagePoolCreate({ body: { name: 'walked', source } })
      await done(root, pool.task)
      const { id: poolId } = pool.storagePool
      await root.storagePoolUpdate({ params: { id: poolId }, body: { reserve: 0.1 } })
      await done(root, (await root.storagePoolRefresh({ params: { id: poolId } })).task)
      const made = await root.volumeCreate({ body: { name: 'walked', poolId, hostId, sizeBytes: GiB } })
      await done(root, made.task)
      const { id } = made.volume
      await done(root, (await root.volumeAttach({ params: { id }, body: { desktopId: mineId } })).task)
      await done(root, (await root.volumeResize({ params: { id }, body: { sizeBytes: 2 * GiB } })).task)
      await done(root, (await root.volumeDetach({ params: { id } })).task)
      await done(root, (await root.volumeDelete({ params: { id } })).task)
      await done(root, (await root.storagePoolDelete({ params: { id: poolId } })).task)
    },
    restore: away,
  },
}

describe('a control plane that is killed before any change of', () => {
  it.each(Object.entries(operations))(
    '%s leaves no volume and no pool that it does not know, and ends what was begun',
    (_name, operation) => walk(world, operation),
    600_000,
  )
})
