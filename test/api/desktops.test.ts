/** A person's way over HTTP, on a simulated host: every answer is compared with the document's schemas. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let api: TestApi
let admin: Client
let poolId = ''
beforeAll(async () => {
  site = await startSite()
  api = await startApi({ broker: site.broker })
  admin = (await api.person('chief', ['userAdministrator', 'infrastructureAdministrator', 'person'])).client
  const demo = async () => (await admin.poolList({ query: { name: 'demo' } })).items[0]
  await site.until('two desktops are warm', async () => (await demo())?.counts.ready === 2)
  poolId = (await demo())?.id ?? ''
}, 60_000)
afterAll(async () => {
  await api?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

describe('a person over HTTP', () => {
  it('claims a warm desktop at once, gets a ticket and a viewer file, and gives it back', async () => {
    const { client } = await api.person('pia')
    const usable = await client.poolList({ query: { usable: true } })
    expect(usable.items.map(pool => pool.name)).toEqual(['demo'])
    const { task, desktop } = await client.poolClaim({ params: { id: poolId } })
    expect(task.state).toBe('succeeded')
    expect((await client.desktopList({ query: { mine: true } })).items).toMatchObject([
      { id: desktop.id, phase: 'ready' },
    ])
    const params = { id: desktop.id }
    const connection = await client.desktopConnect({ params })
    expect(connection.webSocketUrl).toContain(encodeURIComponent(connection.ticket))
    expect(await client.desktopViewerFile({ params })).toContain('[virt-viewer]')
    const released = await client.desktopAct({ params: { ...params, name: 'release' } })
    const done = await client.taskGet({ params: { id: released.task.id }, query: { wait: '20s' } })
    expect(done).toMatchObject({ state: 'succeeded', kind: 'desktop.release' })
    expect((await client.desktopList()).items).toEqual([])
  })

  it('hears of their own desktop while it happens', async () => {
    const { client } = await api.person('nora')
    const stop = new AbortController()
    const opened = Promise.withResolvers<void>()
    const events = client
      .events({ nouns: ['desktop'], signal: stop.signal, onOpen: opened.resolve })
      [Symbol.asyncIterator]()
    const first = events.next()
    await opened.promise
    const { desktop } = await client.poolClaim({ params: { id: poolId } })
    const heard = new Set([(await first).value?.subjectId])
    while (!heard.has(desktop.id)) heard.add((await events.next()).value?.subjectId)
    stop.abort()
  })

  it('is found with the desktop by a part of either name, or of the address', async () => {
    const { client } = await api.person('wanted_one')
    const { desktop } = await client.poolClaim({ params: { id: poolId } })
    const found = async (search: string) => (await admin.desktopList({ query: { search } })).items.map(({ id }) => id)
    expect(await found('WANTED_')).toEqual([desktop.id])
    expect(await found(desktop.name.toUpperCase())).toEqual([desktop.id])
    expect(await found(desktop.address ?? '')).toContain(desktop.id)
    expect(await found('wanted%')).toEqual([])
    const params = { id: desktop.id, name: 'release' as const }
    const { task } = await client.desktopAct({ params })
    await client.taskGet({ params: { id: task.id }, query: { wait: '20s' } })
  })

  it('sees of other people’s desktops nothing at all', async () => {
    const { items } = await admin.desktopList({ query: { limit: 1 } })
    const { client } = await api.person('nosy')
    const params = { id: items[0]?.id ?? '' }
    expect(await refusal(client.desktopGet({ params }))).toMatchObject({ status: 404 })
    expect(await refusal(client.desktopConnect({ params }))).toMatchObject({ status: 404 })
    expect(await refusal(client.desktopAct({ params: { ...params, name: 'poweroff' } }))).toMatchObject({ status: 404 })
  })
})

describe('a desktop that nobody has', () => {
  it('is started and stopped by its pool alone: who asks for it is told so, by itself and with others', async () => {
    const { items } = await admin.desktopList({ query: { poolId } })
    const warm = items.find(({ userId, phase }) => userId === null && phase === 'ready')
    const params = { id: warm?.id ?? '' }
    const detail = `${warm?.name}: nobody has it, and its pool starts and stops it to keep 2 ready: change that number of the pool (warm).`
    for (const name of ['shutdown', 'poweroff'] as const) {
      expect(await refusal(admin.desktopAct({ params: { ...params, name } }))).toMatchObject({ status: 409, detail })
      const { results } = await admin.desktopsAct({ params: { name }, body: { ids: [params.id] } })
      expect(results).toMatchObject([{ task: null, error: { code: 'conflict', text: detail } }])
    }
    const { task } = await admin.desktopAct({ params: { ...params, name: 'reset' } })
    const reset = await admin.taskGet({ params: { id: task.id }, query: { wait: '20s' } })
    expect(reset.state).toBe('succeeded')
  })
})

describe('removing a person', () => {
  it('is refused while they have a desktop, and gives it back when forced', async () => {
    const { id, client } = await api.person('leaver')
    const { desktop } = await client.poolClaim({ params: { id: poolId } })
    expect(await refusal(admin.userDelete({ params: { id } }))).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining(desktop.name),
    })
    await admin.userDelete({ params: { id }, query: { force: true } })
    expect(await refusal(client.meGet())).toMatchObject({ status: 401 })
    await site.until('its disk was destroyed for the next one', async () => {
      const after = await admin.desktopGet({ params: { id: desktop.id } })
      return after.userId === null && after.phase !== 'recycling'
    })
  })

  it('does not destroy what they kept, unless by an administrator of machines', async () => {
    const { items } = await admin.poolList({ query: { name: 'demo' } })
    const { id: ownPoolId } = await admin.poolCreate({
      body: { name: 'own', kind: 'persistent', templateId: items[0]?.templateId ?? '' },
    })
    await admin.entitlementSet({ params: { id: ownPoolId }, body: { everyone: true } })
    const { id, client } = await api.person('keeper')
    const { desktop } = await client.poolClaim({ params: { id: ownPoolId } })
    await site.until(
      'it is ready',
      async () => (await client.desktopGet({ params: { id: desktop.id } })).phase === 'ready',
    )
    const people = await api.person('people-only', ['userAdministrator'])
    const error = await refusal(people.client.userDelete({ params: { id }, query: { force: true } }))
    expect(error).toMatchObject({ code: 'conflict', detail: expect.stringContaining(desktop.name) })
    await admin.userDelete({ params: { id }, query: { force: true } })
    await site.until(
      'it is gone',
      async () => (await admin.desktopList({ query: { name: desktop.name } })).items.length === 0,
    )
  })
})
