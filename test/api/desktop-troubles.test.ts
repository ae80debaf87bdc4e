/** What keeps a desktop from being used, as its person and its administrators are told. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { permissionsOf, type Role } from '../../auth/policy.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let api: TestApi
let admin: Client
let templateId = ''
beforeAll(async () => {
  site = await startSite({ sim: [{}, {}] })
  api = await startApi({ broker: site.broker })
  ;({ templateId } = await siteWarm(site))
  admin = (await api.person('chief', ['userAdministrator', 'infrastructureAdministrator', 'person'])).client
}, 60_000)
afterAll(async () => {
  await api?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

async function poolOf(name: string) {
  const { id } = await admin.poolCreate({ body: { name, kind: 'persistent', templateId } })
  await admin.entitlementSet({ params: { id }, body: { everyone: true } })
  return id
}

const principalOf = (role: Role, userId = '') => {
  return { userId, name: role, displayName: role, roles: [role], permissions: permissionsOf([role]), tokenId: userId }
}

async function readyDesktop(person: string) {
  const { id, client } = await api.person(person)
  const { desktop } = await client.poolClaim({ params: { id: await poolOf(`own-${person}`) } })
  const params = { id: desktop.id }
  await site.until('it is ready', async () => (await client.desktopGet({ params })).phase === 'ready')
  return { userId: id, client, params }
}

describe('a trouble', () => {
  it('is told to its person by its code, and in its host’s words to administrators alone', async () => {
    const { client } = await api.person('pia')
    const { task } = await client.poolClaim({ params: { id: await poolOf('fail-start') } })
    const ended = await client.taskGet({ params: { id: task.id }, query: { wait: '20s' } })
    expect(ended.error).toMatchObject({ code: 'start_failed', text: expect.not.stringContaining('QEMU') })
    const log = await client.taskLog({ params: { id: task.id } })
    expect(JSON.stringify(log.items)).not.toContain('QEMU')
    const seen = await admin.taskGet({ params: { id: task.id } })
    expect(seen.error?.text).toContain('QEMU')
  })

  it('of a disk that an old copy has names the lost host, and is found with all that cannot be used', async () => {
    const { userId, client, params } = await readyDesktop('olga')
    const raw = 'qemu-system-x86_64: -blockdev {"filename":"/var/tmp/a.qcow2"}: Failed to get "write" lock'
    const { hostId } = await admin.desktopGet({ params })
    const other = (await admin.hostList()).items.find(host => host.id !== hostId)
    // As it is after its return from a host that is cut off: the transaction is undone, and keeps the reconcilers from looking meanwhile.
    const undone = new Error('undone')
    const seen = Promise.withResolvers<unknown[]>()
    await site.broker.db
      .transaction()
      .execute(async tx => {
        await sql`update host set state = 'lost' where id = ${other?.id}`.execute(tx)
        await sql`insert into transition (desktop_id, pool_id, host_id, at, was, became, reason)
          select id, pool_id, ${other?.id}, now(), 'ready', 'unknown', 'its host is lost' from desktop where id = ${params.id}`.execute(
          tx,
        )
        await sql`update desktop set phase = 'starting', observed_trouble = ${JSON.stringify({ code: 'disk_in_use', text: raw })}::jsonb
          where id = ${params.id}`.execute(tx)
        const broker = { ...site.broker, db: tx as unknown as typeof site.broker.db }
        const [person, chief] = [principalOf('person', userId), principalOf('infrastructureAdministrator')]
        seen.resolve([
          await desktopGet(broker, person, params.id),
          await desktopGet(broker, chief, params.id),
          (await desktopList(broker, chief, { limit: 100, troubled: true })).items.map(({ id }) => id),
          await sql`update host set fenced_at = state_since where id = ${other?.id}`
            .execute(tx)
            .then(() => desktopGet(broker, chief, params.id)),
        ])
        throw undone
      })
      .catch(error => {
        if (error !== undone) throw error
      })
    const waitsForHost = { id: other?.id, name: other?.name, fence: true }
    expect(await seen.promise).toMatchObject([
      { waitsForHost, trouble: { code: 'disk_in_use', text: expect.not.stringContaining('/var') } },
      { waitsForHost, trouble: { code: 'disk_in_use', text: raw } },
      expect.arrayContaining([params.id]),
      { waitsForHost: { ...waitsForHost, fence: false } },
    ])
    expect(await client.desktopGet({ params })).toMatchObject({ waitsForHost: null, trouble: null })
  })
})

describe('a desktop that came running from another cluster', () => {
  it('says that it has no network until it was started anew', async () => {
    const { client, params } = await readyDesktop('zora')
    const cutOff = async () => (await client.desktopList({ query: { noNetwork: true } })).items.map(({ id }) => id)
    expect((await client.desktopGet({ params })).noNetwork).toBeNull()
    expect(await cutOff()).toEqual([])
    await sql`update desktop set address = '172.31.0.9' where id = ${params.id}`.execute(site.broker.db)
    expect((await client.desktopGet({ params })).noNetwork).toContain('no network until')
    expect(await cutOff()).toEqual([params.id])
    // Two others of that name come first, and have their network.
    const named = { noNetwork: true, search: 'own', limit: 1 }
    expect((await admin.desktopList({ query: named })).items.map(({ id }) => id)).toEqual([params.id])
    for (const name of ['shutdown', 'start'] as const) {
      const { task } = await client.desktopAct({ params: { ...params, name } })
      await client.taskGet({ params: { id: task.id }, query: { wait: '20s' } })
      expect((await client.desktopGet({ params })).noNetwork).toBeNull()
    }
    expect(await cutOff()).toEqual([])
    expect((await client.desktopGet({ params })).address).not.toBe('172.31.0.9')
  })
})
