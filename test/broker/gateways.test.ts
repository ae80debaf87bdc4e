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
    const unknown = newId()
    const kicked: string[] = []
    const hub = makeGatewayHub(site.broker)
    using _line = hub.attach({
      sessions: () => [open, over, replaced, unknown],
      kick: ids => void kicked.push(...ids),
    })
    await hub.review()
    expect(kicked.toSorted()).toEqual([over, unknown].toSorted())
  })
})
