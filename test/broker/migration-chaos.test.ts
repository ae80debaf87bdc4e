/**
 * Moves and an evacuation while agents and the leading control process end at random moments and persons do what they
 * like. Seeded: a failure is the same one again (HDCS_SEED).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopHistory } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostList } from '../../broker/hosts.ts'
import { maintenanceEnter, maintenanceLeave } from '../../broker/maintenance.ts'
import { desktopMove, migrationList } from '../../broker/migrations.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskCancel, taskGet, taskList } from '../../broker/tasks.ts'
import { HdcsError } from '../../lib/errors.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startPart, startSite, type TestSite } from '../support/site.ts'

const seed = Number(process.env.HDCS_SEED ?? 20261121)
/** More find more; fewer keep the gate quick. */
const happenings = Number(process.env.HDCS_HAPPENINGS ?? 40)
let site: TestSite
let leader: AsyncDisposable | undefined
let admin: Principal
let templateId: string
const forever = new AbortController().signal

beforeAll(async () => {
  const storage = makeSimStorage()
  const delays = { moveMs: 120, startMs: 10, bootMs: 30 }
  const shared = { storage, cpus: 64, delays }
  site = await startSite({ sim: [shared, shared, { cpus: 64, delays }], lead: false })
  leader = await startPart(site.url, true)
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(async () => {
  await leader?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})

/** mulberry32: the same seed, the same story. */
function dice(state: number) {
  let a = state
  const next = () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { next, below: (count: number) => Math.floor(next() * count) }
}

/** What is refused is part of the story; anything else is an error. */
const refused = (error: unknown) => {
  if (!(error instanceof HdcsError) || !['conflict', 'no_host', 'not_found'].includes(error.code)) throw error
}

/** Looks without pause: every machine that ran on two hosts at one moment. */
function watchTwins() {
  const twins: string[] = []
  let watching = true
  const watched = (async () => {
    while (watching) {
      const found = await Promise.all(site.hosts.map(host => host.machines()))
      const running = found.map(machines => machines.filter(machine => !machine.arriving))
      for (const { id, name, incarnation } of running.flat()) {
        const where = running.flatMap((machines, n) => (machines.some(machine => machine.id === id) ? [n + 1] : []))
        if (where.length > 1) twins.push(`${name}, life ${incarnation}, on ${where}`)
      }
      await new Promise(resolve => setImmediate(resolve))
    }
  })()
  return {
    async end() {
      watching = false
      await watched
      return twins
    },
  }
}

describe(`moves amid failures (HDCS_SEED=${seed})`, () => {
  it('never let a desktop run on two hosts, and all end; everything is where it is said to be', async () => {
    const { next, below } = dice(seed)
    const pool = await poolCreate(site.broker, admin, {
      name: 'class',
      kind: 'persistent',
      templateId,
      warm: 0,
      maxSize: 6,
    })
    await entitlementSet(site.broker, admin, pool.id, { everyone: true })
    const desktops: { id: string; person: Principal }[] = []
    for (let n = 0; n < 5; n++) {
      const person = await site.person(`class-${n}`)
      const { desktop, task } = await desktopClaimFor(site.broker, person, pool.id)
      expect((await taskGet(site.broker, person, task.id, 20_000, forever)).state).toBe('succeeded')
      desktops.push({ id: desktop.id, person })
    }
    const hosts = (await hostList(site.broker, admin, { limit: 10 })).items.map(({ id }) => id)
    const anyDesktop = () => desktops[below(desktops.length)]?.id ?? ''
    const twins = watchTwins()

    const story: (() => Promise<unknown>)[] = [
      () => desktopMove(site.broker, admin, anyDesktop(), { hostId: hosts[below(3)] ?? '', restart: next() < 0.3 }),
      () => desktopMove(site.broker, admin, anyDesktop(), { hostId: hosts[below(3)] ?? '', restart: next() < 0.3 }),
      () => desktopMove(site.broker, admin, anyDesktop(), { hostId: null, restart: true }),
      () => site.agentStart(below(3)),
      async () => {
        const index = below(3)
        await site.agentStop(index)
        await pauseMs(below(150))
        await site.agentStart(index)
      },
      async () => {
        await leader?.[Symbol.asyncDispose]()
        leader = await startPart(site.url, true)
      },
      () => desktopAct(site.broker, admin, anyDesktop(), 'poweroff'),
      () => desktopAct(site.broker, admin, anyDesktop(), 'start'),
      async () => {
        const [task] = (await taskList(site.broker, admin, { limit: 1, state: 'running' })).items
        if (task?.kind === 'desktop.migrate') await taskCancel(site.broker, admin, task.id)
      },
      () => maintenanceEnter(site.broker, admin, hosts[below(3)] ?? '', { evacuate: true, dryRun: false }),
      async () => {
        for (const host of hosts)
          await maintenanceLeave(site.broker, admin, host, { bringBack: next() < 0.5, dryRun: false }).catch(refused)
      },
    ]
    for (let n = 0; n < happenings; n++) {
      await story[below(story.length)]?.().catch(refused)
      await pauseMs(below(120))
    }

    for (const host of hosts)
      await maintenanceLeave(site.broker, admin, host, { bringBack: false, dryRun: false }).catch(refused)
    for (const index of hosts.keys()) await site.agentStart(index)
    await site.until('every move has ended', async () => {
      const { items } = await migrationList(site.broker, { limit: 100, open: true })
      return items.length === 0
    })
    for (const { id } of desktops) {
      const ready = async () => {
        const now = await desktopGet(site.broker, admin, id)
        // One that was just being shut down is not started by the first try.
        if (now.phase === 'stopped') await desktopAct(site.broker, admin, id, 'start').catch(refused)
        return now.phase === 'ready' && now
      }
      const desktop = await site.until('it is ready', ready).catch(async error => {
        const { items } = await desktopHistory(site.broker, id, { limit: 12 })
        const { phase, reason, power, hostName, step, trouble, move } = await desktopGet(site.broker, admin, id)
        const seen = { phase, reason, power, hostName, step, trouble, move, items }
        throw new Error(`${error.message} ${JSON.stringify(seen, null, 1)}`)
      })
      await site.until('it runs where it is said to be, and nowhere else', async () => {
        const found = await Promise.all(site.hosts.map(host => host.machines()))
        const where = hosts.filter((_, index) => found[index]?.some(machine => machine.id === id))
        return where.join() === desktop.hostId
      })
    }
    expect([...new Set(await twins.end())]).toEqual([])
    await site.until('no port is kept where nothing is', async () => {
      const rows = await site.broker.db
        .selectFrom('screen_port')
        .innerJoin('desktop', 'desktop.id', 'screen_port.desktop_id')
        .select(['desktop.host_id', 'screen_port.host_id as port_host_id'])
        .execute()
      return rows.every(row => row.host_id === row.port_host_id)
    })
    const { items } = await migrationList(site.broker, { limit: 500 })
    expect(items.length).toBeGreaterThan(0)
  }, 120_000)
})

/** The story's own pace: moments between happenings, so that they meet moves at different steps. */
const pauseMs = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
