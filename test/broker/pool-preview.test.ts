/** Changes of a pool, and its removal, said before they are made: against what then really happens. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolRemovalPlan } from '../../broker/pool-removal.ts'
import { poolCreate, poolGet, poolUpdate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { versionAdd } from '../../broker/templates.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const forever = new AbortController().signal
let site: TestSite
let admin: Principal
let templateId: string
beforeAll(async () => {
  site = await startSite()
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

async function pool(name: string, kind: 'floating' | 'persistent', warm: number) {
  const { broker } = site
  const { id } = await poolCreate(broker, admin, { name, kind, templateId, warm })
  await entitlementSet(broker, admin, id, { everyone: true })
  const { task, desktop } = await desktopClaimFor(broker, admin, id)
  await taskGet(broker, admin, task.id, 15_000, forever)
  await site.until('it is warm', async () => (await poolGet(broker, admin, id)).counts.ready === warm)
  return { id, desktop }
}
const names = async (poolId: string) =>
  (await desktopList(site.broker, admin, { poolId, limit: 100 })).items.map(({ name }) => name)

describe('a change of a pool', () => {
  it('is said before: what is made, what goes, and whom it does not touch; then it comes so', async () => {
    const { id, desktop } = await pool('sized', 'floating', 2)
    const grown = await poolUpdate(site.broker, admin, id, { warm: 4, description: 'more' }, true)
    expect(grown).toMatchObject({ warm: 2, description: '' })
    expect(grown.changes.fields.map(({ field }) => field)).toEqual(['description', 'warm'])
    expect(grown.changes.resize).toMatchObject({ make: 2, remove: [], short: 0, over: 0 })
    const shrunk = await poolUpdate(site.broker, admin, id, { warm: 0, maxSize: 0 }, true)
    expect(shrunk.changes.resize).toMatchObject({ make: 0, over: 1 })
    expect(shrunk.changes.resize.remove).toHaveLength(2)
    expect(shrunk.changes.resize.remove).not.toContain(desktop.name)
    await poolUpdate(site.broker, admin, id, { warm: 0, maxSize: 0 })
    await site.until('it is so', async () => (await names(id)).length === 1)
    expect(await names(id)).toEqual([desktop.name])
  })

  it('that its hosts cannot hold says how many find none, and why', async () => {
    const { id } = await pool('tagged', 'floating', 1)
    const { changes } = await poolUpdate(site.broker, admin, id, { warm: 3, needs: ['gpu'] }, true)
    expect(changes.resize).toMatchObject({ make: 2, short: 2, shortReason: expect.stringMatching(/gpu/) })
  })

  it('is refused before as it would be then', async () => {
    const { id } = await pool('refused', 'floating', 1)
    const wrong = poolUpdate(site.broker, admin, id, { minSize: 99, maxSize: 1 }, true)
    await expect(wrong).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('the removal of a pool', () => {
  it('names who loses a disk, and the versions made of it', async () => {
    const { id, desktop } = await pool('kept', 'persistent', 0)
    await desktopAct(site.broker, admin, desktop.id, 'poweroff')
    const still = async () =>
      (await desktopList(site.broker, admin, { poolId: id, limit: 9 })).items[0]?.phase === 'stopped'
    await site.until('it stands still', still)
    const source = { kind: 'desktop' as const, desktopId: desktop.id, seal: true }
    const { task } = await versionAdd(site.broker, admin, templateId, { source, notes: '' })
    await taskGet(site.broker, admin, task.id, 15_000, forever)
    const plan = await poolRemovalPlan(site.broker, id)
    expect(plan).toMatchObject({ desktops: 1, sessions: 0, loss: true, versions: [{ number: 2, ends: false }] })
    expect(plan.people).toMatchObject([{ desktopId: desktop.id, userName: admin.name, loses: 'disk', diskMade: true }])
    expect(plan.text).toContain(`Destroyed with all that is kept on them: ${desktop.name} of ${admin.name}.`)
  })

  it('takes nothing from anybody where nobody has a desktop', async () => {
    const { id } = await poolCreate(site.broker, admin, { name: 'nobodys', kind: 'floating', templateId, warm: 0 })
    expect(await poolRemovalPlan(site.broker, id)).toMatchObject({ people: [], loss: false })
  })
})
