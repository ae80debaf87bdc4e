import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolGet, poolList } from '../../broker/pools.ts'
import { addPerson, startPart, startSite, type TestSite } from '../support/site.ts'

const size = 60
let site: TestSite
let second: Awaited<ReturnType<typeof startPart>>
let admin: Principal
let poolId: string

beforeAll(async () => {
  site = await startSite({ sim: [{ cpus: 64 }, { cpus: 64 }] })
  second = await startPart(site.url, false)
  admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  const demo = (await poolList(site.broker, admin, { limit: 1 })).items[0]
  await site.until(
    'the template is sealed',
    async () => (await poolGet(site.broker, admin, demo?.id ?? '')).currentVersion === 1,
  )
  const pool = await poolCreate(site.broker, admin, {
    name: 'crowd',
    kind: 'floating',
    templateId: demo?.templateId ?? '',
    warm: size,
    maxSize: size,
  })
  poolId = pool.id
  await entitlementSet(site.broker, admin, poolId, { everyone: true })
  await site.until(`${size} are warm`, async () => (await poolGet(site.broker, admin, poolId)).counts.ready === size)
}, 60_000)
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

const notYet = (error: { code?: string }) => {
  if (error.code === 'pool_exhausted') return undefined
  throw error
}

describe('claims from two control processes at once', () => {
  it('give each of 150 people at most one desktop, none twice, and refuse the rest in words', async () => {
    const people = await Promise.all(
      Array.from({ length: 150 }, (_, n) => addPerson(site.broker.db, `crowd-${n}`, ['person'])),
    )
    const claims = await Promise.allSettled(
      people.map((person, n) => desktopClaimFor(n % 2 ? site.broker : second.broker, person, poolId)),
    )
    const given = claims.flatMap(claim => (claim.status === 'fulfilled' ? [claim.value.desktop.id] : []))
    const refused = claims.flatMap(claim => (claim.status === 'rejected' ? [claim.reason.code] : []))
    expect(given).toHaveLength(size)
    expect(new Set(given).size).toBe(size)
    expect(new Set(refused)).toEqual(new Set(['pool_exhausted']))
  })

  it('while desktops are given back, never give one before its disk was remade', async () => {
    const { items } = await import('../../broker/desktops.ts').then(({ desktopList }) =>
      desktopList(site.broker, admin, { limit: 500, poolId }),
    )
    const owners = new Map(items.map(desktop => [desktop.id, desktop.userId ?? '']))
    const principal = (userId: string): Principal => ({ ...admin, userId })
    // Everybody gives back and comes again at once, through both processes.
    const rounds = items.map(async ({ id }, n) => {
      const broker = n % 2 ? site.broker : second.broker
      const person = principal(owners.get(id) ?? '')
      await desktopAct(broker, person, id, 'release')
      return site.until('a desktop again', () => desktopClaimFor(broker, person, poolId).catch(notYet))
    })
    const again = await Promise.all(rounds)
    expect(new Set(again.map(({ desktop }) => desktop.id)).size).toBe(size)
    const lives = await site.broker.db
      .selectFrom('desktop')
      .select(['id', 'observed_incarnation', 'wished_incarnation'])
      .where('pool_id', '=', poolId)
      .execute()
    for (const { observed_incarnation, wished_incarnation } of lives) {
      expect(wished_incarnation).toBeGreaterThanOrEqual(2)
      expect(observed_incarnation).toBe(wished_incarnation)
    }
  }, 60_000)
})
