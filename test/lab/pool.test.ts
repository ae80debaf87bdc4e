import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/site.ts'
import { type LabCluster, startLabCluster } from './cluster.ts'

let site: LabCluster
beforeAll(async () => {
  site = await startLabCluster('pool', [
    { name: 'h1', cluster: 'main' },
    { name: 'h2', cluster: 'main' },
  ])
}, 180_000)
afterAll(() => site?.[Symbol.asyncDispose](), 120_000)

const desktops = async () => (await site.admin.desktopList({ query: { limit: 200 } })).items

describe('a cluster of two hosts', () => {
  it('has both online under their names, each with its own address and one storage', async () => {
    const { items } = await site.admin.hostList()
    expect(items.map(({ name, state, clusterName }) => ({ name, state, clusterName }))).toEqual([
      { name: 'h1', state: 'online', clusterName: 'main' },
      { name: 'h2', state: 'online', clusterName: 'main' },
    ])
    expect(new Set(items.map(({ subnet }) => subnet)).size).toBe(2)
  })

  it('runs the desktops of a pool on both', async () => {
    const [demo] = (await site.admin.poolList({ query: { name: 'demo' } })).items
    if (!demo) throw new Error('no demo pool')
    await site.admin.poolUpdate({ params: { id: demo.id }, body: { warm: 4, maxSize: 6 } })
    const ready = await until(
      'four desktops are ready',
      async () => {
        const found = (await desktops()).filter(({ phase }) => phase === 'ready')
        return found.length === 4 && found
      },
      200_000,
    )
    expect(new Set(ready.map(({ hostId }) => hostId)).size).toBe(2)
  })
})
