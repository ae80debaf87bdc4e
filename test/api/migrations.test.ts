/** Moves and maintenance over HTTP, on two simulated hosts: every answer is compared with the document's schemas. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { localHost } from '../../broker/first-start.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let api: TestApi
let admin: Client
let token: string
let desktopId: string
let owner: Client
beforeAll(async () => {
  const storage = makeSimStorage()
  site = await startSite({ sim: [{ storage }, { storage }] })
  api = await startApi({ broker: site.broker })
  const chief = await api.person('chief', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  admin = chief.client
  token = chief.token
  const demo = async () => (await admin.poolList({ query: { name: 'demo' } })).items[0]
  await site.until('two desktops are warm', async () => (await demo())?.counts.ready === 2)
  await site.until('both hosts have the image', async () => {
    const rows = await site.broker.db.selectFrom('host_image').select('observed_state').execute()
    return rows.length === 2 && rows.every(row => row.observed_state === 'ready')
  })
  owner = (await api.person('olga')).client
  desktopId = (await owner.poolClaim({ params: { id: (await demo())?.id ?? '' } })).desktop.id
}, 60_000)
afterAll(async () => {
  await api?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

const post = (path: string, body: object) =>
  api.request(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const ended = (id: string) => admin.taskGet({ params: { id }, query: { wait: '30s' } })

describe('POST /desktops/{id}/actions/migrate', () => {
  const path = () => `/api/v1/desktops/${desktopId}/actions/migrate`

  it('answers a dry run with where it would go, and moves nothing', async () => {
    const response = await post(path(), { dryRun: true })
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      choice: {
        kind: 'live',
        hosts: [
          { fits: true, nameable: true },
          { fits: false, nameable: false, reason: 'the desktop is there' },
        ],
      },
      desktop: { move: null },
    })
    expect((await admin.migrationList({ query: { desktopId } })).items).toEqual([])
  })

  it('says of a host of a cluster that its pool does not use that it cannot be named, and why', async () => {
    const { id: farId } = await admin.clusterCreate({ body: { name: 'far' } })
    const { hostId } = await localHost(site.broker, farId, 'far-1', [])
    const beat = { state: 'online', observed_beat_at: new Date() } as const
    await site.broker.db.updateTable('host').set(beat).where('id', '=', hostId).execute()
    const { clusterId } = await admin.hostGet({
      params: { id: (await admin.desktopGet({ params: { id: desktopId } })).hostId ?? '' },
    })
    const { id } = (await admin.poolList({ query: { name: 'demo' } })).items[0] ?? { id: '' }
    await admin.poolUpdate({ params: { id }, body: { clusterIds: [clusterId] } })
    const { choice } = await admin.desktopMigrate({ params: { id: desktopId }, body: { dryRun: true } })
    const far = choice.hosts.find(host => host.hostId === hostId)
    expect(far).toMatchObject({ nameable: false, reason: 'the pool does not use the cluster far' })
    await admin.hostRemove({ params: { id: hostId } })
    await admin.poolUpdate({ params: { id }, body: { clusterIds: [] } })
  })

  it('is refused as what it is: its own host as a conflict, one that is not there as not found', async () => {
    const { hostId, hostName, name } = await admin.desktopGet({ params: { id: desktopId } })
    const there = await refusal(admin.desktopMigrate({ params: { id: desktopId }, body: { hostId: hostId ?? '' } }))
    expect(there).toMatchObject({ status: 409, detail: `${name} is on ${hostName} already.` })
    const nowhere = { hostId: desktopId }
    const gone = await refusal(admin.desktopMigrate({ params: { id: desktopId }, body: nowhere }))
    expect(gone).toMatchObject({ status: 404, detail: 'There is no such host.' })
    const dry = admin.desktopMigrate({ params: { id: desktopId }, body: { ...nowhere, dryRun: true } })
    expect(await refusal(dry)).toMatchObject({ status: 404 })
    expect((await admin.migrationList({ query: { desktopId } })).items).toEqual([])
  })

  it('answers 202 with the receipt, which ends when the desktop is there', async () => {
    const response = await post(path(), {})
    expect(response.status).toBe(202)
    const { task, choice } = (await response.json()) as { task: { id: string }; choice: { hostId: string } }
    expect(response.headers.get('location')).toBe(`/api/v1/tasks/${task.id}`)
    expect(await ended(task.id)).toMatchObject({ state: 'succeeded', kind: 'desktop.migrate', progress: 100 })
    expect((await admin.desktopGet({ params: { id: desktopId } })).hostId).toBe(choice.hostId)
    expect((await admin.migrationList({ query: { hostId: choice.hostId, open: false } })).items).toMatchObject([
      { desktopId, state: 'done', taskId: task.id },
    ])
    expect((await admin.placementList({ params: { id: desktopId } })).items[0]).toMatchObject({ cause: 'move' })
  })

  it('is not a person’s own to ask for', async () => {
    expect(await refusal(owner.desktopMigrate({ params: { id: desktopId }, body: {} }))).toMatchObject({ status: 403 })
    const { actions } = await owner.desktopGet({ params: { id: desktopId } })
    expect(actions.find(({ name }) => name === 'migrate')).toMatchObject({ allowed: false })
  })
})

describe('POST /hosts/{id}/actions/enterMaintenance and leaveMaintenance', () => {
  it('answer a dry run with the plan, 202 with plan and receipt, and a second time with a conflict', async () => {
    const { hostId } = await admin.desktopGet({ params: { id: desktopId } })
    const params = { id: hostId ?? '' }
    const dry = await post(`/api/v1/hosts/${hostId}/actions/enterMaintenance`, { evacuate: true, dryRun: true })
    expect(dry.status).toBe(200)
    expect(await dry.json()).toMatchObject({ plan: { hostId, counts: { migrate: 1 } }, host: { state: 'online' } })
    const entered = await post(`/api/v1/hosts/${hostId}/actions/enterMaintenance`, { evacuate: true })
    expect(entered.status).toBe(202)
    const { task } = (await entered.json()) as { task: { id: string } }
    expect(await ended(task.id)).toMatchObject({ state: 'succeeded', cancellable: false })
    expect((await admin.hostGet({ params })).used.desktops).toBe(0)
    expect(await refusal(admin.hostEnterMaintenance({ params, body: { evacuate: true } }))).toMatchObject({
      status: 409,
    })
    const left = await post(`/api/v1/hosts/${hostId}/actions/leaveMaintenance`, { bringBack: true })
    const { task: back } = (await left.json()) as { task: { id: string } }
    expect(await ended(back.id)).toMatchObject({ state: 'succeeded' })
    expect((await admin.desktopGet({ params: { id: desktopId } })).hostId).toBe(hostId)
    expect(await refusal(admin.hostLeaveMaintenance({ params, body: {} }))).toMatchObject({ status: 409 })
  }, 60_000)
})
