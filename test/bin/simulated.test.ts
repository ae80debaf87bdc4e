/** The product on simulated hosts through a power cut: nothing that people had is gone. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { linkedMain } from '../spice/client.ts'
import { makeProduct } from '../support/product.ts'
import { until } from '../support/site.ts'

/** What each desktop is, in an order of its own. */
async function desktops(client: Client) {
  const { items } = await client.desktopList({ query: { limit: 100 } })
  return items.map(({ id, hostName, phase }) => ({ id, hostName, phase })).sort((a, b) => a.id.localeCompare(b.id))
}

it('brings floating and persistent desktops back after kill -9, each where it was and to whom it belonged', async () => {
  await using product = await makeProduct('simulated', { simHosts: 2 })
  await product.start()
  let client = await product.client()
  const allReady = async (count: number) => {
    const all = await desktops(client)
    return all.length === count && all.every(({ phase }) => phase === 'ready') && all
  }
  const [demo] = (await client.poolList()).items
  if (!demo) throw new Error('no demo pool')
  const wish = {
    name: 'kept',
    kind: 'persistent' as const,
    templateId: demo.templateId,
    minSize: 0,
    warm: 0,
    maxSize: 5,
  }
  const pool = await client.poolCreate({ body: wish })
  await client.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
  await until('the demo pool is warm', () => allReady(2))
  const { desktop, task } = await client.poolClaim({ params: { id: pool.id } })
  await client.taskGet({ params: { id: task.id }, query: { wait: '20s' } })
  const before = await until('all are ready', () => allReady(3))

  await product.kill()
  await product.start()
  client = await product.client()
  await until('they are back', async () => {
    const { items } = await client.desktopList({ query: { limit: 100 } })
    expect(items.map(({ trouble }) => trouble)).toEqual(before.map(() => null))
    return await allReady(before.length)
  })
  const open = async () => linkedMain((await client.desktopConnect({ params: { id: desktop.id } })).webSocketUrl)
  // Until its host has said where it is now, the database tells of the time before.
  const main = await until('its screen opens', () => open().catch(() => false as const))
  main.socket.close()
  expect(await desktops(client)).toEqual(before)
  expect((await client.desktopList({ query: { mine: 'true' } })).items).toMatchObject([{ id: desktop.id }])

  expect(await product.end()).toBe(0)
  const file = join(product.folder, 'host', 'sim-2.json')
  writeFileSync(file, '{}')
  await expect(product.start()).rejects.toThrow(`hdcs: ${file} is broken`)
}, 120_000)
