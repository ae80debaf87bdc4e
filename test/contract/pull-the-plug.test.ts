import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { connectDaemon } from '../../vmm/libvirt/daemon.ts'
import { makeProduct, type Product } from '../support/product.ts'
import { until } from '../support/site.ts'

const kills = 10
let product: Product

beforeAll(async () => {
  product = await makeProduct('plug', { simHosts: 0 })
  await product.start()
}, 120_000)

afterAll(() => product?.[Symbol.asyncDispose]())

const everyDesktop = async (client: Client) => (await client.desktopList({ query: { limit: 500 } })).items

/** Nothing moves, and the wished three wait for people. */
const atRest = (desktops: Awaited<ReturnType<typeof everyDesktop>>) =>
  desktops.every(({ phase }) => phase === 'ready' || phase === 'stopped') &&
  desktops.filter(({ userId, phase }) => !userId && phase === 'ready').length === 3 &&
  desktops

describe('kill -9 of the whole process', () => {
  it(`at ${kills} random moments, also while a pool fills, leaves no orphan and gives nothing twice`, async () => {
    let admin = await product.client()
    const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
    if (!demo) throw new Error('no demo pool')
    await until(
      'the template is sealed',
      async () => (await admin.poolGet({ params: { id: demo.id } })).currentVersion === 1,
      120_000,
    )
    for (const name of ['ana', 'ben'])
      await admin.userCreate({ body: { name, password: 'a-good-password', roles: ['person'] } })
    await admin.poolUpdate({ params: { id: demo.id }, body: { warm: 3, maxSize: 6 } })

    for (let round = 0; round < kills; round++) {
      const restless = new AbortController()
      const work = Promise.all(['ana', 'ben'].map(name => restlessPerson(name, demo.id, restless.signal)))
      await new Promise(resolve => setTimeout(resolve, Math.random() * 3_000))
      await product.kill()
      restless.abort()
      await work
      await product.start()
    }

    admin = await product.client()
    const settled = await until(
      'everything is at rest again',
      async () => atRest(await everyDesktop(admin)),
      120_000,
    ).catch(async error => {
      const pool = await admin.poolGet({ params: { id: demo.id } })
      throw new Error(JSON.stringify({ pool, desktops: await everyDesktop(admin) }, null, 1), { cause: error })
    })
    const owners = settled.flatMap(({ userId, poolId }) => (userId ? [`${poolId} ${userId}`] : []))
    expect(new Set(owners).size).toBe(owners.length)

    await using host = await product.openHost()
    const machines = await host.machines()
    expect(machines.map(({ id }) => id).sort()).toEqual(
      settled
        .filter(({ power }) => power === 'running')
        .map(({ id }) => id)
        .sort(),
    )
    const overlays = await host.overlays()
    expect(overlays.map(({ machineId }) => machineId).sort()).toEqual(settled.map(({ id }) => id).sort())
    const ports = machines.map(({ graphics }) => graphics?.port)
    expect(new Set(ports).size).toBe(machines.length)
    const left = readdirSync(join(product.folder, 'host'), { recursive: true }).filter(path =>
      String(path).endsWith('.part'),
    )
    expect(left).toEqual([])
  })

  it('or Ctrl-C leaves desktops running, and the next start adopts them within five seconds', async () => {
    const before = (await everyDesktop(await product.client())).filter(({ phase }) => phase === 'ready')
    const marks = await bootMarks(before.map(({ id }) => id))
    expect(await product.end()).toBe(0)
    const seconds = await product.start()
    const admin = await product.client()
    const after = await until('they are ready again', async () => {
      const now = (await everyDesktop(admin)).filter(({ phase }) => phase === 'ready')
      return now.length >= before.length && now
    })
    expect(new Set(after.map(({ id }) => id))).toEqual(new Set(before.map(({ id }) => id)))
    expect(await bootMarks(before.map(({ id }) => id))).toEqual(marks)
    // What a person sees; the figure in SPECIFICATION comes from bench/start.ts.
    expect(seconds).toBeLessThan(15)
  })
})

/** libvirt's running number of each domain: another number is another start of QEMU. */
async function bootMarks(ids: string[]) {
  await using daemon = await connectDaemon()
  const domains = await daemon.actions.connectListAllDomains({})
  return domains
    .filter(({ uuid }) => ids.includes(uuid))
    .map(({ uuid, id }) => `${uuid} ${id}`)
    .sort()
}

/** Claims and gives back as fast as it gets answers; a cut connection is what is being tested. */
async function restlessPerson(name: string, poolId: string, signal: AbortSignal) {
  while (!signal.aborted) {
    try {
      const client = await product.client(name, 'a-good-password')
      const { desktop } = await client.poolClaim({ params: { id: poolId } })
      await client.desktopAct({ params: { id: desktop.id, name: 'release' } })
    } catch {
      // Refused, exhausted or cut off in the middle: it comes again.
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}
