/** Nobody but this file drives the reconcilers here: another's transaction meets one of theirs in the worst moment. */
import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { hostsReconciler } from '../../broker/reconcile/hosts.ts'
import { siteWarm, startPart, startSite } from '../support/site.ts'

const forever = new AbortController().signal

it('changes a host’s state and looks at its desktops together, also when others hold their rows the other way round', async () => {
  await using site = await startSite({ lead: false })
  const leader = await startPart(site.url, true)
  await siteWarm(site)
  await leader[Symbol.asyncDispose]()
  await site.agentStop(0)
  const { db } = site.broker
  const hosts = hostsReconciler(site.broker)
  await db
    .updateTable('host')
    .set({ state: 'suspect', observed_beat_at: new Date(Date.now() + 1_000) })
    .execute()
  await db.updateTable('desktop').set({ dirty: false }).execute()
  const desktops = () => db.selectFrom('desktop').select(['id', 'dirty']).orderBy('id').execute()
  const [first, last] = await desktops()
  const touch = (id = '') => sql`update desktop set dirty = dirty where id = ${id}`

  const look = await db.transaction().execute(async tx => {
    // PostgreSQL ends the reconciler's transaction, not this one.
    await sql`set local deadlock_timeout = '1min'`.execute(tx)
    await touch(last?.id).execute(tx)
    const looking = hosts.step(forever)
    // Told below, where it is waited for.
    looking.catch(() => {})
    await site.until('it waits for the last desktop', async () => {
      const waiting = sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return (await waiting.execute(db)).rows.length > 0
    })
    expect(await db.selectFrom('host').select('state').execute()).toEqual([{ state: 'suspect' }])
    await touch(first?.id).execute(tx)
    return { looking }
  })
  await look.looking
  expect(await db.selectFrom('host').select('state').execute()).toEqual([{ state: 'online' }])
  expect((await desktops()).map(({ dirty }) => dirty)).toEqual([true, true])
})
