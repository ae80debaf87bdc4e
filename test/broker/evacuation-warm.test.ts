/** Prewarmed desktops of a host that goes into maintenance: made anew elsewhere a few at a time. */
import { expect, it } from 'vitest'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostList } from '../../broker/hosts.ts'
import { maintenanceEnter, maintenanceLeave } from '../../broker/maintenance.ts'
import { poolCreate, poolGet, poolUpdate } from '../../broker/pools.ts'
import { siteWarm, startSite } from '../support/site.ts'

it('wait for those that were made anew before them: people find desktops in the pool meanwhile', async () => {
  // Slower than the turns in which a host is emptied.
  const slow = { cpus: 64, delays: { bootMs: 3_000 } }
  await using site = await startSite({ sim: [slow, slow] })
  const { admin, templateId } = await siteWarm(site)
  const { items } = await hostList(site.broker, admin, { limit: 2 })
  const [first, second] = items.map(({ id }) => id) as [string, string]
  const enter = (id: string) => maintenanceEnter(site.broker, admin, id, { evacuate: true, dryRun: false })
  await enter(second)
  const pool = await poolCreate(site.broker, admin, {
    name: 'class',
    kind: 'floating',
    templateId,
    warm: 8,
    maxSize: 20,
  })
  const ready = async () => (await poolGet(site.broker, admin, pool.id)).counts.ready
  await site.until('all are on one host', async () => (await ready()) === 8)
  await maintenanceLeave(site.broker, admin, second, { bringBack: false, dryRun: false })
  const online = async (id: string) =>
    (await hostList(site.broker, admin, { limit: 2 })).items.find(host => host.id === id)
  await site.until('the other is back', async () => (await online(second))?.state === 'online')
  await enter(first)
  let fewest = 8
  await site.until('it is empty', async () => {
    fewest = Math.min(fewest, await ready())
    return (await online(first))?.used.desktops === 0
  })
  expect(fewest).toBeGreaterThanOrEqual(4)
  await poolUpdate(site.broker, admin, pool.id, { warm: 0 })
}, 60_000)

it('leave also where people hold so many places of their pool that it gets no others', async () => {
  await using site = await startSite({ sim: [{ cpus: 64 }, { cpus: 64 }] })
  const { admin, templateId } = await siteWarm(site)
  const wish = { name: 'full', kind: 'floating' as const, templateId, warm: 5, maxSize: 5 }
  const pool = await poolCreate(site.broker, admin, wish)
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  await site.until('it is full', async () => (await poolGet(site.broker, admin, pool.id)).counts.ready === 5)
  for (let n = 0; n < 4; n++) await desktopClaimFor(site.broker, await site.person(`person-${n}`), pool.id)
  const free = (await desktopList(site.broker, admin, { limit: 10, poolId: pool.id })).items.find(row => !row.userId)
  await maintenanceEnter(site.broker, admin, free?.hostId ?? '', { evacuate: true, dryRun: false })
  await site.until('its host is empty', async () => {
    const { items } = await hostList(site.broker, admin, { limit: 2 })
    return items.find(({ id }) => id === free?.hostId)?.used.desktops === 0
  })
}, 60_000)
