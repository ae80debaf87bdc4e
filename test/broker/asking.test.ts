/** Questions to a host that it answers at once. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopXml, hostXml } from '../../broker/asking.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet } from '../../broker/desktops.ts'
import { poolList } from '../../broker/pools.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let id: string

beforeAll(async () => {
  site = await startSite()
  const warm = await siteWarm(site)
  admin = warm.admin
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  id = (await desktopClaimFor(site.broker, admin, demo?.id ?? '')).desktop.id
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('shows a desktop’s domain as its host has it in this moment, and what it would start with when it stands', async () => {
  const { name } = await desktopGet(site.broker, admin, id)
  const running = await desktopXml(site.broker, admin, id, forever)
  expect(running).toMatchObject({ live: true, xml: expect.stringContaining(`<name>${name}</name>`) })
  await desktopAct(site.broker, admin, id, 'poweroff')
  await site.until('it stands', async () => (await desktopGet(site.broker, admin, id)).phase === 'stopped')
  expect(await desktopXml(site.broker, admin, id, forever)).toMatchObject({ live: false })
})

it('shows what a host says it can do', async () => {
  const { hostId } = await desktopGet(site.broker, admin, id)
  const said = await hostXml(site.broker, hostId ?? '', forever)
  expect(said).toMatchObject({ capabilities: expect.stringContaining('<capabilities>'), node: { sockets: 1 } })
})

it('keeps nothing of a question that was answered, nor of one that nobody waits for any more', async () => {
  await expect(desktopXml(site.broker, admin, id, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
  expect(await site.broker.db.selectFrom('operation').selectAll().execute()).toEqual([])
})
