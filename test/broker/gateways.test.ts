import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeGatewayHub } from '../../broker/gateways.ts'
import { newId } from '../../lib/ids.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
beforeAll(async () => {
  site = await startSite({ sim: [] })
})
afterAll(() => site?.[Symbol.asyncDispose]())

async function session(ended: { at: Date | null; reason: string | null }): Promise<string> {
  const id = newId()
  const row = { id, desktop_id: newId(), user_id: newId(), ended_at: ended.at, ended_reason: ended.reason }
  await site.broker.db.insertInto('session').values(row).execute()
  return id
}

describe('a gateway that missed what was said', () => {
  it('is told of the sessions it carries that are over or were never ours, and of no other', async () => {
    const open = await session({ at: null, reason: null })
    const over = await session({ at: new Date(), reason: null })
    // SPICE itself ends the older of two screens of one person.
    const replaced = await session({ at: new Date(), reason: 'replaced' })
    const taken = await session({ at: new Date(), reason: 'taken' })
    const unknown = newId()
    const kicked: { id: string; taken: boolean }[] = []
    const hub = makeGatewayHub(site.broker)
    using _line = hub.attach({
      sessions: () => [open, over, replaced, taken, unknown],
      kick: sessions => void kicked.push(...sessions),
    })
    await hub.review()
    const told = [over, taken, unknown].toSorted().map(id => ({ id, taken: id === taken }))
    expect(kicked.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(told)
    kicked.length = 0
    for (const id of [open, taken]) await hub.kick(id)
    expect(kicked).toEqual([{ id: taken, taken: true }])
  })
})
