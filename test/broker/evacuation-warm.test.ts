/** Prewarmed desktops of a host that goes into maintenance: made anew elsewhere a few at a time. */
import { expect, it } from 'vitest'
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
