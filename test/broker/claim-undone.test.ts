/** Nobody but this file drives the reconcilers here: what one of them writes is seen before another hides it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate } from '../../broker/pools.ts'
import { desktopsReconciler } from '../../broker/reconcile/desktops.ts'
import { taskGet, taskLog } from '../../broker/tasks.ts'
import { siteWarm, startPart, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
const forever = new AbortController().signal

beforeAll(async () => {
  site = await startSite({ sim: [{ cpus: 64 }], lead: false })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('tells why a start failed in the moment in which the claim is undone', async () => {
  const leader = await startPart(site.url, true)
  const { admin, templateId } = await siteWarm(site)
  await leader[Symbol.asyncDispose]()
  const pool = await poolCreate(site.broker, admin, {
    name: 'fail-start',
    kind: 'floating',
    templateId,
    warm: 0,
    maxSize: 2,
  })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  const { task } = await desktopClaimFor(site.broker, await site.person('hal'), pool.id)
  const desktops = desktopsReconciler(site.broker)
  const ended = await site.until('the claim is undone', async () => {
    await desktops.step(forever)
    const now = await taskGet(site.broker, admin, task.id, 0, forever)
    return now.state === 'failed' ? now : undefined
  })
  expect(ended.error).toMatchObject({ code: 'start_failed', text: expect.stringContaining('QEMU refused to start') })
  expect((await taskLog(site.broker, admin, task.id)).at(-1)?.text).toContain('QEMU refused to start')
})
