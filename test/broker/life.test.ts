import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopHistory, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolDelete, poolGet, poolList, poolUpdate } from '../../broker/pools.ts'
import { sessionConnect } from '../../broker/sessions.ts'
import { taskGet } from '../../broker/tasks.ts'
import { templateDelete, templateList, versionDelete } from '../../broker/templates.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
const forever = new AbortController().signal

beforeAll(async () => {
  site = await startSite()
  admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  await site.until('the demo pool has its two warm desktops', async () => (await demo()).counts.ready === 2)
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const demo = async () => {
  const { items } = await poolList(site.broker, admin, { limit: 10, name: 'demo' })
  if (!items[0]) throw new Error('no demo pool')
  return items[0]
}
const claim = async (principal: Principal, poolId: string) => desktopClaimFor(site.broker, principal, poolId)
const stillExhausted = (error: { code?: string }) => {
  if (error.code === 'pool_exhausted') return undefined
  throw error
}
/** The host has heard of everything that is wished of this desktop. */
const heard = (id: string) =>
  site.until('its host knows', async () => {
    const row = await site.broker.db
      .selectFrom('desktop')
      .select(['generation', 'observed_generation'])
      .where('id', '=', id)
      .executeTakeFirst()
    return row?.generation === row?.observed_generation
  })
const poolOf = async (name: string, wish: Partial<Parameters<typeof poolCreate>[2]> = {}) => {
  const { templateId } = await demo()
  const pool = await poolCreate(site.broker, admin, {
    name,
    kind: 'floating',
    templateId,
    warm: 1,
    maxSize: 3,
    ...wish,
  })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  return pool
}

describe('the first start', () => {
  it('makes the site, the sealed template and a pool with warm desktops that have addresses', async () => {
    const { items } = await desktopList(site.broker, admin, { limit: 10 })
    expect(items.map(({ phase, power }) => ({ phase, power }))).toEqual([
      { phase: 'ready', power: 'running' },
      { phase: 'ready', power: 'running' },
    ])
    expect(new Set(items.map(({ address }) => address)).size).toBe(2)
    const templates = await templateList(site.broker, admin, { limit: 10 })
    expect(templates.items[0]).toMatchObject({ name: 'tiny', versions: [{ number: 1, state: 'sealed' }] })
  })
})

describe('a claim', () => {
  it('gives a warm desktop at once, refills behind it, and gives the same person the same desktop again', async () => {
    const ana = await site.person('ana')
    const first = await claim(ana, (await demo()).id)
    expect(first.task.state).toBe('succeeded')
    expect(first.desktop).toMatchObject({ phase: 'ready', userName: 'ana' })
    const second = await claim(ana, (await demo()).id)
    expect(second.desktop.id).toBe(first.desktop.id)
    await site.until('two are warm again', async () => (await demo()).counts.ready === 2)
  })

  it('gives two people two desktops', async () => {
    const pool = await demo()
    const [ben, cas] = [await site.person('ben'), await site.person('cas')]
    const [one, other] = await Promise.all([claim(ben, pool.id), claim(cas, pool.id)])
    expect(one.desktop.id).not.toBe(other.desktop.id)
  })

  it('by two clicks at once gives one person one desktop', async () => {
    const dot = await site.person('dot')
    const pool = await demo()
    const claims = await Promise.all(Array.from({ length: 5 }, () => claim(dot, pool.id)))
    expect(new Set(claims.map(({ desktop }) => desktop.id)).size).toBe(1)
  })

  it('makes a desktop when none is free, and follows it until it is ready', async () => {
    const pool = await poolOf('cold-pool', { warm: 0 })
    const eve = await site.person('eve')
    const { task, desktop } = await claim(eve, pool.id)
    expect(task.state).toBe('running')
    const ended = await taskGet(site.broker, eve, task.id, 15_000, forever)
    expect(ended).toMatchObject({ state: 'succeeded', progress: 100 })
    expect((await desktopGet(site.broker, eve, desktop.id)).phase).toBe('ready')
  })

  it('is refused in plain words when the pool is exhausted, switched off, or not for this person', async () => {
    const pool = await poolOf('small-pool', { warm: 0, maxSize: 1 })
    const [fay, gus] = [await site.person('fay'), await site.person('gus')]
    await claim(fay, pool.id)
    await expect(claim(gus, pool.id)).rejects.toMatchObject({
      code: 'pool_exhausted',
      message: expect.stringContaining('All 1 desktops'),
    })
    await expect(desktopClaimFor(site.broker, fay, pool.id, true)).rejects.toMatchObject({ code: 'user_limit' })
    await poolUpdate(site.broker, admin, pool.id, { enabled: false })
    await expect(claim(gus, pool.id)).rejects.toMatchObject({ code: 'conflict' })
    await entitlementSet(site.broker, admin, pool.id, { userIds: [fay.userId] })
    await expect(claim(gus, pool.id)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('whose start fails is undone, says why, and leaves the person without a desktop', async () => {
    const pool = await poolOf('fail-start', { warm: 0 })
    const hal = await site.person('hal')
    const { task } = await claim(hal, pool.id)
    const ended = await taskGet(site.broker, hal, task.id, 15_000, forever)
    expect(ended).toMatchObject({ state: 'failed', error: { code: 'start_failed' } })
    expect((await desktopList(site.broker, hal, { limit: 10, mine: true })).items).toEqual([])
  })
})

describe('a desktop given back', () => {
  it('is nobody’s until its overlay was destroyed and made anew', async () => {
    const pool = await poolOf('recycled', { warm: 1, maxSize: 1 })
    const [ida, jon] = [await site.person('ida'), await site.person('jon')]
    await site.until('one is warm', async () => (await poolGet(site.broker, admin, pool.id)).counts.ready === 1)
    const { desktop } = await claim(ida, pool.id)
    const overlays = async () => (await site.hosts[0]?.overlays())?.filter(({ machineId }) => machineId === desktop.id)
    expect(await overlays()).toMatchObject([{ incarnation: 1 }])
    const { task } = await desktopAct(site.broker, ida, desktop.id, 'release')
    await expect(claim(jon, pool.id)).rejects.toMatchObject({ code: 'pool_exhausted' })
    await expect(desktopGet(site.broker, ida, desktop.id)).rejects.toMatchObject({ code: 'not_found' })
    expect((await taskGet(site.broker, ida, task.id, 15_000, forever)).state).toBe('succeeded')
    expect(await overlays()).toMatchObject([{ incarnation: 2 }])
    const next = await site.until('jon gets it', () => claim(jon, pool.id).catch(stillExhausted))
    expect(next.desktop.id).toBe(desktop.id)
  })

  it('by shutting it down inside is recycled as well', async () => {
    const pool = await poolOf('shut-inside', { warm: 1, maxSize: 1 })
    const kim = await site.person('kim')
    await site.until('one is warm', async () => (await poolGet(site.broker, admin, pool.id)).counts.ready === 1)
    const { desktop } = await claim(kim, pool.id)
    await heard(desktop.id)
    site.hosts[0]?.guestShutdown(desktop.id)
    await site.until('it is warm again and nobody’s', async () => {
      const now = await desktopGet(site.broker, admin, desktop.id)
      return now.phase === 'ready' && now.userId === null
    })
    const history = await desktopHistory(site.broker, desktop.id, { limit: 50 })
    expect(history.items.map(({ reason }) => reason)).toContain('its person shut it down: given back')
  })

  it('of a persistent pool stays its person’s with its disk', async () => {
    const pool = await poolOf('persistent', { kind: 'persistent', warm: 0 })
    const lea = await site.person('lea')
    const { desktop, task } = await claim(lea, pool.id)
    await taskGet(site.broker, lea, task.id, 15_000, forever)
    const { task: released } = await desktopAct(site.broker, lea, desktop.id, 'release')
    expect((await taskGet(site.broker, lea, released.id, 15_000, forever)).state).toBe('succeeded')
    const rested = await desktopGet(site.broker, lea, desktop.id)
    expect(rested).toMatchObject({ phase: 'stopped', userName: 'lea' })
    const again = await claim(lea, pool.id)
    expect(again.desktop.id).toBe(desktop.id)
    await taskGet(site.broker, lea, again.task.id, 15_000, forever)
    expect(await site.hosts[0]?.overlays()).toContainEqual({ machineId: desktop.id, incarnation: 1 })
  })

  it('crashed meanwhile, is started again for its person', async () => {
    const pool = await poolOf('returning', { warm: 0 })
    const max = await site.person('max')
    const { desktop, task } = await claim(max, pool.id)
    await taskGet(site.broker, max, task.id, 15_000, forever)
    await heard(desktop.id)
    site.hosts[0]?.guestCrash(desktop.id)
    const reasons = async () => (await desktopHistory(site.broker, desktop.id, { limit: 50 })).items.map(({ to }) => to)
    await site.until('it was ready twice', async () => (await reasons()).filter(to => to === 'ready').length === 2)
    expect((await desktopGet(site.broker, max, desktop.id)).userName).toBe('max')
  })
})

describe('a pool', () => {
  it('whose desktops fail stops refilling after three failures and says so', async () => {
    const pool = await poolOf('fail-start-all', { warm: 2, maxSize: 5 })
    const restrained = await site.until('it is restrained', async () => {
      const now = await poolGet(site.broker, admin, pool.id)
      return now.status === 'restrained' && now
    })
    expect(restrained.restrainedUntil).not.toBeNull()
    expect(restrained.statusText).toContain('pauses')
    await poolDelete(site.broker, admin, pool.id, true)
  })

  it('that is removed leaves no desktop, overlay or row behind', async () => {
    const pool = await poolOf('to-remove', { warm: 2 })
    await site.until('two are warm', async () => (await poolGet(site.broker, admin, pool.id)).counts.ready === 2)
    const { items } = await desktopList(site.broker, admin, { limit: 10, poolId: pool.id })
    const task = await poolDelete(site.broker, admin, pool.id, false)
    expect((await taskGet(site.broker, admin, task.id, 15_000, forever)).state).toBe('succeeded')
    await expect(poolGet(site.broker, admin, pool.id)).rejects.toMatchObject({ code: 'not_found' })
    const left = (await site.hosts[0]?.overlays())?.filter(({ machineId }) => items.some(({ id }) => id === machineId))
    expect(left).toEqual([])
  })

  it('is not removed unasked while people have desktops in it', async () => {
    await expect(poolDelete(site.broker, admin, (await demo()).id, false)).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('a template', () => {
  it('cannot be deleted, nor its version, while desktops stand on it', async () => {
    const { templateId } = await demo()
    await expect(templateDelete(site.broker, admin, templateId)).rejects.toMatchObject({ code: 'conflict' })
    await expect(versionDelete(site.broker, admin, templateId, 1)).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('connecting', () => {
  it('seals a ticket to one’s own ready desktop and to nobody else’s', async () => {
    const [nia, oli] = [await site.person('nia'), await site.person('oli')]
    const pool = await poolOf('screens', { warm: 1 })
    await site.until('one is warm', async () => (await poolGet(site.broker, admin, pool.id)).counts.ready === 1)
    const { desktop } = await claim(nia, pool.id)
    const connection = await sessionConnect(site.broker, nia, desktop.id, 'http://desk.example')
    expect(connection.webSocketUrl).toMatch(/^ws:\/\/desk\.example\/spice\?ticket=/)
    await expect(sessionConnect(site.broker, oli, desktop.id, 'http://x')).rejects.toMatchObject({ code: 'not_found' })
    await expect(sessionConnect(site.broker, admin, desktop.id, 'http://x')).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
