import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { desktopsMake } from '../../broker/making.ts'
import { poolCreate, poolDelete, poolGet, poolList, poolUpdate } from '../../broker/pools.ts'
import { taskCancel, taskGet, taskList } from '../../broker/tasks.ts'
import { poolForClaim } from '../../db/pools.ts'
import { addPerson, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
const forever = new AbortController().signal

beforeAll(async () => {
  site = await startSite({ sim: [{ cpus: 64 }] })
  admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  templateId = demo?.templateId ?? ''
  await site.until(
    'the template is sealed',
    async () => (await poolGet(site.broker, admin, demo?.id ?? '')).currentVersion === 1,
  )
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

async function poolOf(name: string, wish: Partial<Parameters<typeof poolCreate>[2]>) {
  const pool = await poolCreate(site.broker, admin, { name, kind: 'floating', templateId, ...wish })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  return pool
}
const warm = (id: string, count: number) =>
  site.until(`${count} are warm`, async () => (await poolGet(site.broker, admin, id)).counts.ready === count)
const crowd = (name: string, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => addPerson(site.broker.db, `${name}-${n}`, ['person'])))
const atRest = (id: string) =>
  site.until('the pool is at rest', async () => {
    const { counts } = await poolGet(site.broker, admin, id)
    return counts.starting === 0 && counts.recycling === 0
  })

describe('a desktop that was just claimed', () => {
  it('is never taken away by a pool that shrinks at the same moment', async () => {
    const pool = await poolOf('shrinking', { warm: 30, maxSize: 60 })
    await warm(pool.id, 30)
    const people = await crowd('shrink', 24)
    const claims = people.map((person, n) =>
      (n === 6 ? poolUpdate(site.broker, admin, pool.id, { warm: 0 }) : Promise.resolve()).then(() =>
        desktopClaimFor(site.broker, person, pool.id),
      ),
    )
    const given = (await Promise.all(claims)).map(({ desktop }) => desktop.id)
    await atRest(pool.id)
    const { items } = await desktopList(site.broker, admin, { limit: 500, poolId: pool.id })
    const kept = items.filter(({ userId }) => people.some(person => person.userId === userId)).map(({ id }) => id)
    expect(kept.toSorted()).toEqual(given.toSorted())
  })

  it('is there for whoever comes while the only one the pool may have is being made', async () => {
    const { db } = site.broker
    const pool = await poolOf('early', { warm: 0, maxSize: 1 })
    const [person] = (await crowd('early', 1)) as [Principal]
    const claim = await db.transaction().execute(async tx => {
      const row = await poolForClaim(tx, pool.id, person.userId)
      if (!row) throw new Error('no pool')
      await desktopsMake(tx, row, { count: 1, power: 'running', reason: 'test', now: new Date() })
      // It sees no desktop, goes to make one, and waits behind this transaction.
      const waiting = desktopClaimFor(site.broker, person, pool.id)
      await site.until('the claim waits', async () => {
        const { rows } = await sql`select from pg_locks where not granted and locktype = 'advisory'`.execute(db)
        return rows.length > 0
      })
      return { waiting }
    })
    expect((await claim.waiting).desktop.poolId).toBe(pool.id)
  })

  it('keeps its pool from being removed unasked', async () => {
    for (let round = 0; round < 6; round++) {
      const pool = await poolOf(`removed-${round}`, { warm: 4, maxSize: 8 })
      await warm(pool.id, 4)
      const people = await crowd(`remove-${round}`, 4)
      const [removed, ...claims] = await Promise.allSettled([
        poolDelete(site.broker, admin, pool.id, false),
        ...people.map(person => desktopClaimFor(site.broker, person, pool.id)),
      ])
      const given = claims.filter(({ status }) => status === 'fulfilled')
      // Either somebody got a desktop and the pool stays, or it goes and nobody got one.
      expect(removed?.status === 'fulfilled').toBe(given.length === 0)
    }
  }, 60_000)
})

describe('changes of a pool', () => {
  it('by two administrators at once are both kept when they change different fields', async () => {
    const pool = await poolOf('two-admins', { warm: 0 })
    await Promise.all([
      poolUpdate(site.broker, admin, pool.id, { description: 'one' }),
      poolUpdate(site.broker, admin, pool.id, { maxPerUser: 3 }),
      poolUpdate(site.broker, admin, pool.id, { maxSize: 7 }),
      poolUpdate(site.broker, admin, pool.id, { hardware: { diskBytes: 2 ** 31 } }),
      poolUpdate(site.broker, admin, pool.id, { hardware: { vcpus: 2 } }),
    ])
    const hardware = { diskBytes: 2 ** 31, vcpus: 2 }
    const kept = { description: 'one', maxPerUser: 3, maxSize: 7, hardware }
    expect(await poolGet(site.broker, admin, pool.id)).toMatchObject(kept)
  })

  it('in hardware reach a desktop in its next life', async () => {
    const pool = await poolOf('hardware', { warm: 1, maxSize: 1 })
    await warm(pool.id, 1)
    const [person] = await crowd('hardware', 1)
    if (!person) throw new Error('nobody')
    const { desktop } = await desktopClaimFor(site.broker, person, pool.id)
    await poolUpdate(site.broker, admin, pool.id, { hardware: { vcpus: 2 } })
    const { task } = await desktopAct(site.broker, person, desktop.id, 'release')
    await taskGet(site.broker, person, task.id, 15_000, forever)
    const row = await site.broker.db
      .selectFrom('desktop')
      .select('hardware')
      .where('id', '=', desktop.id)
      .executeTakeFirstOrThrow()
    expect(row.hardware.vcpus).toBe(2)
  })

  it('that was restrained are tried again at once, and its status says why it failed', async () => {
    const pool = await poolOf('fail-start', { warm: 2, maxSize: 5 })
    const restrained = () =>
      site.until('it is restrained', async () => {
        const now = await poolGet(site.broker, admin, pool.id)
        return now.status === 'restrained' && now
      })
    expect((await restrained()).statusText).toContain('QEMU refused to start')
    const failures = async () =>
      (
        await site.broker.db
          .selectFrom('transition')
          .select('id')
          .where('pool_id', '=', pool.id)
          .where('became', '=', 'failed')
          .execute()
      ).length
    const before = await failures()
    await poolUpdate(site.broker, admin, pool.id, { description: 'looked at' })
    await site.until('it was tried again', async () => (await failures()) > before)
    await poolDelete(site.broker, admin, pool.id, true)
  })

  it('are refused for what does not exist', async () => {
    const refused = (wish: Parameters<typeof poolUpdate>[3]) =>
      expect(poolUpdate(site.broker, admin, pool.id, wish)).rejects.toMatchObject({ code: 'invalid' })
    const pool = await poolOf('refusing', { warm: 0 })
    await refused({ templateVersion: 99 })
    await refused({ hardware: { diskBytes: 10 ** 15 } })
    await expect(entitlementSet(site.broker, admin, pool.id, { userIds: [pool.id] })).rejects.toMatchObject({
      code: 'invalid',
    })
  })
})

describe('a task that is cancelled', () => {
  it('takes the claim back, or says that it was done in this very moment', async () => {
    const pool = await poolOf('cancelled', { warm: 0, maxSize: 20 })
    for (const person of await crowd('cancel', 10)) {
      const { task, desktop } = await desktopClaimFor(site.broker, person, pool.id)
      const cancelled = await taskCancel(site.broker, person, task.id).then(
        ended => ended.state,
        error => error.code,
      )
      const mine = await desktopGet(site.broker, person, desktop.id).then(
        () => true,
        () => false, // given back: not this person's to see any more
      )
      expect([cancelled, mine]).toEqual(cancelled === 'cancelled' ? ['cancelled', false] : ['conflict', true])
      const [latest] = (await taskList(site.broker, person, { limit: 1, mine: true })).items
      expect(latest?.state).toBe(cancelled === 'cancelled' ? 'cancelled' : 'succeeded')
    }
  })
})
