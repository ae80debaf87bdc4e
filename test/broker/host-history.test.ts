import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostFence } from '../../broker/fencing.ts'
import { hostHistory, hostLossList, saidEvents, stateEvent } from '../../broker/host-history.ts'
import { hostGet } from '../../broker/hosts.ts'
import { maintenanceEnter, maintenanceLeave } from '../../broker/maintenance.ts'
import { poolCreate } from '../../broker/pools.ts'
import { hostSwitch } from '../../broker/power.ts'
import { taskGet } from '../../broker/tasks.ts'
import { hostHistoryAdd } from '../../db/host-history.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite, unlessGoing } from '../support/site.ts'

const forever = new AbortController().signal
const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms)

describe('a change of a host’s state', () => {
  it.each([
    ['joining', 'online', { what: 'heard' }],
    ['online', 'suspect', { what: 'suspect', amount: 8 }],
    ['suspect', 'lost', { what: 'lost', amount: 15 }],
    ['suspect', 'online', { what: 'heardAgain' }],
    ['lost', 'maintenance', { what: 'back' }],
    ['online', 'maintenance', undefined],
  ] as const)('from %s to %s is told once', (was, state, told) => {
    const event = stateEvent({ id: 'h', was, state, suspect_ms: 8_000, lost_ms: 15_000 })
    expect(event).toEqual(told && { hostId: 'h', ...told })
  })
})

describe('what a host says of itself', () => {
  const trouble = (text: string) => ({ code: 'unreachable' as const, text })
  it('is told when a trouble comes and when it goes, not while it stays', () => {
    const before = { troubles: [trouble('no libvirt'), trouble('no storage')], agentAt: null }
    const said = { troubles: [trouble('no storage'), trouble('no network')], agentAt: at(0) }
    expect(saidEvents('h', before, said)).toEqual([
      { hostId: 'h', what: 'troubleOver', reason: 'no libvirt' },
      { hostId: 'h', what: 'trouble', reason: 'no network' },
    ])
  })

  it('tells a new agent from a line that was cut', () => {
    const events = (before: Date | null, now: Date | undefined) =>
      saidEvents('h', { troubles: [], agentAt: before }, { troubles: [], agentAt: now }).map(({ what }) => what)
    expect(events(at(0), at(0))).toEqual([])
    expect(events(at(0), at(1))).toEqual(['agentStarted'])
    expect(events(null, at(1))).toEqual([])
    expect(events(at(0), undefined)).toEqual([])
  })
})

describe('the history of a host', () => {
  let site: TestSite
  let admin: Principal
  let templateId: string
  beforeAll(async () => {
    const storage = makeSimStorage()
    site = await startSite({ sim: [{ storage }, { storage }] })
    await site.broker.db.updateTable('cluster').set({ suspect_ms: 4_000, lost_ms: 5_000 }).execute()
    ;({ admin, templateId } = await siteWarm(site))
    // What is warm comes and goes by itself.
    await site.broker.db.updateTable('pool').set({ warm: 0 }).execute()
  }, 60_000)
  afterAll(() => site?.[Symbol.asyncDispose]())

  const idOf = async (name: string) => {
    const host = await site.broker.db.selectFrom('host').select('id').where('name', '=', name).executeTakeFirstOrThrow()
    return host.id
  }
  const told = async (name: string) => (await hostHistory(site.broker, admin, await idOf(name), { limit: 100 })).items
  const words = async (name: string) => (await told(name)).map(({ what }) => what).reverse()
  const claimed = async (name: string, kind: 'floating' | 'persistent') => {
    const pool = await poolCreate(site.broker, admin, {
      name,
      kind,
      templateId,
      warm: 0,
      maxSize: 9,
      placement: 'pack',
    })
    await entitlementSet(site.broker, admin, pool.id, { everyone: true })
    const person = await site.person(name)
    const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
    await taskGet(site.broker, person, task.id, 15_000, forever)
    return desktopGet(site.broker, admin, desktop.id)
  }

  it('begins when it joins and is heard', async () => {
    expect(await words('sim-1')).toEqual(['joined', 'heard'])
  })

  it('says who put it into maintenance, and who ended that', async () => {
    const id = await idOf('sim-2')
    const { task } = await maintenanceEnter(site.broker, admin, id, { evacuate: true, dryRun: false })
    await taskGet(site.broker, admin, task?.id ?? '', 15_000, forever)
    await maintenanceLeave(site.broker, admin, id, { bringBack: false, dryRun: false })
    const [ended, begun] = await told('sim-2')
    expect([begun?.what, ended?.what]).toEqual(['evacuation', 'maintenanceEnded'])
    expect([begun?.userName, ended?.userName]).toEqual(['root', 'root'])
    await site.until('it serves again', async () => (await hostGet(site.broker, admin, id)).state === 'online')
  })

  it('tells of a loss, of what became of its desktops, and of their copies when it is back', async () => {
    const floating = await claimed('floating', 'floating')
    const home = floating.hostName
    const other = home === 'sim-1' ? 'sim-2' : 'sim-1'
    const index = Number(home.slice(-1)) - 1
    await site.agentStop(index)
    await site.until('it returned', async () => (await told(home)).some(({ what }) => what === 'returned'))
    expect(await told(other)).toContainEqual(expect.objectContaining({ what: 'took', reason: home, userName: null }))

    const id = await idOf(home)
    await hostFence(site.broker, admin, id, { confirmed: true })
    const loss = (await hostLossList(site.broker, admin)).items
    expect(loss).toMatchObject([{ hostId: id, hostName: home, backAt: null, waiting: 0 }])
    expect(loss[0]?.returned).toBeGreaterThanOrEqual(1)

    await site.agentStart(index)
    await site.until('its copies ended', async () => (await words(home)).includes('copiesEnded'))
    await site.until('it is back', async () => (await words(home)).includes('back'))
    const story = (await told(home)).toReversed()
    const since = story.slice(story.findIndex(({ what }) => what === 'suspect'))
    expect(since.map(({ what }) => what).slice(0, 4)).toEqual(['suspect', 'lost', 'returned', 'fenced'])
    expect(since.slice(4).map(({ what }) => what)).toEqual(
      expect.arrayContaining(['agentStarted', 'copiesEnded', 'back']),
    )
    expect(since.find(({ what }) => what === 'fenced')?.userName).toBe('root')
    expect((await hostLossList(site.broker, admin)).items[0]?.backAt).not.toBeNull()
  }, 60_000)

  it('counts what waits for its old copy’s lock elsewhere as waiting, not as returned', async () => {
    const kept = await claimed('locked', 'persistent')
    const home = kept.hostName
    const [index, id] = [Number(home.slice(-1)) - 1, await idOf(home)]
    await site.agentStop(index)
    await site.until('it waits for its old copy', async () => {
      const { hostName, trouble } = await desktopGet(site.broker, admin, kept.id)
      return hostName !== home && trouble?.code === 'disk_in_use'
    })
    const others = async () => {
      const events = (await told(home)).toReversed()
      const since = events.slice(events.findLastIndex(({ what }) => what === 'lost'))
      expect(since).toContainEqual(
        expect.objectContaining({ what: 'returned', amount: 1, reason: expect.stringContaining('old copy') }),
      )
      return since.reduce(
        (sum, { what, reason, amount }) => sum + (what === 'returned' && !reason ? (amount ?? 0) : 0),
        0,
      )
    }
    const loss = async () => (await hostLossList(site.broker, admin)).items[0]
    expect(await loss()).toMatchObject({ hostId: id, returned: await others(), waiting: 1 })
    await site.agentStart(index)
    await site.until('it is back', async () => (await hostGet(site.broker, admin, id)).state === 'online')
    expect(await loss()).toMatchObject({ hostId: id, returned: (await others()) + 1, waiting: 0 })
    await site.until('it runs there', async () => (await desktopGet(site.broker, admin, kept.id)).phase === 'ready')
  }, 60_000)

  it('says how many wait, and for what, anew each time it is lost', async () => {
    // What others left may live on the same host, and would wait there for the lock of its old copy.
    const left = async () => (await desktopList(site.broker, admin, { limit: 100 })).items
    for (const { id } of await left()) await desktopAct(site.broker, admin, id, 'delete').catch(unlessGoing)
    await site.until('nothing else is there', async () => (await left()).length === 0)
    const kept = await claimed('kept', 'persistent')
    await site.broker.db.updateTable('pool').set({ ha: 'wait' }).where('id', '=', kept.poolId).execute()
    const index = Number(kept.hostName.slice(-1)) - 1
    const id = await idOf(kept.hostName)
    for (const time of [1, 2]) {
      await site.agentStop(index)
      const waits = await site.until('it waits', async () => {
        const found = (await told(kept.hostName)).filter(({ what }) => what === 'waiting')
        return found.length === time && found
      })
      expect(waits[0]).toMatchObject({ amount: 1, reason: `${kept.hostName} to return: its pool wishes so` })
      const [loss] = (await hostLossList(site.broker, admin)).items
      expect(loss).toMatchObject({ hostName: kept.hostName, waiting: 1 })
      const waitsForHost = { id, name: kept.hostName, fence: false }
      const shown = await site.until('nobody knows of it', async () => {
        const desktop = await desktopGet(site.broker, admin, kept.id)
        return desktop.phase === 'unknown' && desktop
      })
      expect(shown).toMatchObject({ waitsForHost })
      await site.agentStart(index)
      await site.until('it is back', async () => (await hostGet(site.broker, admin, id)).state === 'online')
    }
  }, 60_000)

  it('counts what is tried again as one, and is read page by page', async () => {
    const [id, host] = [await idOf('sim-1'), { name: 'sim-1', address: '', mac: null, command: '/bin/false' }]
    for (let times = 0; times < 3; times++)
      expect(await hostSwitch(site.broker, { id, ...host }, 'off', 'idle')).toBe(false)
    await hostSwitch(site.broker, { id, ...host, command: '/bin/true' }, 'on', 'it is needed')
    const page = await hostHistory(site.broker, admin, id, { limit: 1 })
    expect(page.items).toMatchObject([{ what: 'poweredOn', reason: 'it is needed' }])
    const next = await hostHistory(site.broker, admin, id, { limit: 1, cursor: page.nextCursor ?? '' })
    expect(next.items).toMatchObject([{ what: 'powerOffFailed', amount: 3 }])
  })

  it('keeps the newest thousand of a year', async () => {
    const { db } = site.broker
    const id = await idOf('sim-2')
    const add = (when: Date) =>
      db.transaction().execute(tx => hostHistoryAdd(tx, { hostId: id, what: 'heardAgain' }, when))
    const count = async () => {
      const rows = db
        .selectFrom('host_history')
        .select(eb => eb.fn.countAll().as('n'))
        .where('host_id', '=', id)
      return Number((await rows.executeTakeFirstOrThrow()).n)
    }
    const filled = Array.from({ length: 1_100 }, () => ({
      host_id: id,
      at: at(0),
      what: 'suspect' as const,
      reason: '',
    }))
    await db.insertInto('host_history').values(filled).execute()
    await add(at(1_000))
    expect(await count()).toBe(1_001)
    await add(at(400 * 24 * 3_600_000))
    // Only what was young a year ago, and what just came.
    expect(await count()).toBe(1)
  })
})
