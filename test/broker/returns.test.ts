import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopGet, desktopHistory, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { hostFence } from '../../broker/fencing.ts'
import { hostHistory } from '../../broker/host-history.ts'
import { hostList } from '../../broker/hosts.ts'
import { poolCreate, poolGet, poolList } from '../../broker/pools.ts'
import { taskGet, taskList, taskLog } from '../../broker/tasks.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { startSite, type TestSite, until } from '../support/site.ts'

const forever = new AbortController().signal

/** Three hosts that share a storage, with a desktop of each kind. */
async function lostSite(silence?: { suspectMs: number; lostMs: number }, fenceCommand: string | null = null) {
  const storage = makeSimStorage()
  const site = await startSite({ sim: [{ storage }, { storage }, { storage }] })
  const admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  await site.broker.db
    .updateTable('cluster')
    .set({ ...(silence && { suspect_ms: silence.suspectMs, lost_ms: silence.lostMs }), fence_command: fenceCommand })
    .execute()
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  await site.until(
    'the demo pool is warm',
    async () => (await poolGet(site.broker, admin, demo?.id ?? '')).counts.ready === 2,
  )
  return { site, admin, storage, templateId: demo?.templateId ?? '' }
}

async function poolOf(site: TestSite, admin: Principal, templateId: string, kind: 'floating' | 'persistent') {
  const pool = await poolCreate(site.broker, admin, { name: kind, kind, templateId, warm: 0, maxSize: 20 })
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  return pool
}

async function claimed(site: TestSite, name: string, poolId: string) {
  const person = await site.person(name)
  const { desktop, task } = await desktopClaimFor(site.broker, person, poolId)
  await taskGet(site.broker, person, task.id, 15_000, forever)
  return desktop.id
}

const phaseOf = async (site: TestSite, admin: Principal, id: string) => {
  const { phase, hostName } = await desktopGet(site.broker, admin, id)
  return { phase, hostName }
}
const reasonsOf = async (site: TestSite, id: string) =>
  (await desktopHistory(site.broker, id, { limit: 50 })).items.map(({ reason }) => reason)
/** The hosts on which a machine runs. */
const runsOn = async (site: TestSite, id: string) => {
  const machines = await Promise.all(site.hosts.map(host => host.machines()))
  return machines.flatMap((list, index) => (list.some(machine => machine.id === id) ? [`sim-${index + 1}`] : []))
}

describe('a host that is not heard any more, with the usual times', () => {
  let given: Awaited<ReturnType<typeof lostSite>>
  beforeAll(async () => {
    given = await lostSite()
  }, 60_000)
  afterAll(() => given?.site[Symbol.asyncDispose]())

  it('is lost, and within 20 s what nobody keeps anything on is ready elsewhere; a person’s own disk waits for its lock', async () => {
    const { site, admin, storage, templateId } = given
    const floating = await poolOf(site, admin, templateId, 'floating')
    const persistent = await poolOf(site, admin, templateId, 'persistent')
    const mine = await Promise.all(['ana', 'ben', 'cas'].map(name => claimed(site, `f-${name}`, floating.id)))
    const kept = await Promise.all(['ana', 'ben', 'cas'].map(name => claimed(site, `p-${name}`, persistent.id)))
    const home = (await phaseOf(site, admin, kept[0] ?? '')).hostName
    const index = Number(home.slice(-1)) - 1
    const before = (await desktopList(site.broker, admin, { limit: 50 })).items.filter(row => row.hostName === home)
    const lost = (ids: string[]) => before.filter(({ id }) => ids.includes(id)).map(({ id }) => id)
    const [floatingLost, keptLost] = [lost(mine), lost(kept)]

    await site.agentStop(index)
    const began = Date.now()
    await until(
      'they are ready elsewhere',
      async () => {
        const now = await Promise.all(floatingLost.map(id => phaseOf(site, admin, id)))
        return now.every(({ phase, hostName }) => phase === 'ready' && hostName !== home)
      },
      25_000,
    )
    const tookMs = Date.now() - began
    expect(tookMs).toBeLessThan(20_000)
    console.log(`lost host to desktops started elsewhere: ${tookMs} ms, ${floatingLost.length} floating`)

    for (const id of keptLost) {
      await site.until('it says what it waits for', async () =>
        (await desktopGet(site.broker, admin, id)).reason.includes('waits for the old copy to end'),
      )
      // The old copy, and none besides.
      expect(await runsOn(site, id)).toEqual([home])
    }
    await site.agentStart(index)
    for (const id of [...floatingLost, ...keptLost]) {
      await site.until('it runs once, elsewhere', async () => {
        const where = await runsOn(site, id)
        const { phase, hostName } = await phaseOf(site, admin, id)
        return phase === 'ready' && where.length === 1 && where[0] === hostName && hostName !== home
      })
      expect((await reasonsOf(site, id)).some(reason => reason.includes(`${home} was lost`))).toBe(true)
    }
    expect([...storage.overlays.values()].filter(({ machineId }) => keptLost.includes(machineId))).toMatchObject(
      keptLost.map(() => ({ incarnation: 1 })),
    )
    const placed = await site.broker.db.selectFrom('placement').selectAll().where('cause', '=', 'return').execute()
    expect(new Set(placed.map(row => row.desktop_id)).size).toBeGreaterThanOrEqual(floatingLost.length)
  }, 120_000)
})

describe('a lost host of a cluster with a fence command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-fence-'))
  const command = join(folder, 'fence')
  let given: Awaited<ReturnType<typeof lostSite>>
  beforeAll(async () => {
    writeFileSync(command, '#!/bin/sh\necho "power of $2 ($3) cut by $1"\n')
    chmodSync(command, 0o755)
    given = await lostSite({ suspectMs: 4_000, lostMs: 5_000 }, `${command} test`)
    // Nothing but the fence tells that the old copy cannot write.
    await given.site.broker.db.updateTable('pool').set({ warm: 0 }).execute()
  }, 60_000)
  afterAll(async () => {
    await given?.site[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is fenced once, with the words of the command in the task’s log, and not while it is heard', async () => {
    const { site, admin } = given
    const [first] = (await hostList(site.broker, admin, { limit: 3 })).items
    if (!first) throw new Error('no host')
    await expect(hostFence(site.broker, admin, first.id, { confirmed: true })).rejects.toMatchObject({
      code: 'conflict',
    })
    await site.agentStop(0)
    const task = await site.until('it is fenced', async () => {
      const { items } = await taskList(site.broker, admin, { limit: 10, subjectId: first.id })
      return items.find(({ kind, state }) => kind === 'host.fence' && state === 'succeeded')
    })
    const log = (await taskLog(site.broker, admin, task.id)).map(({ text }) => text)
    expect(log).toContain('power of sim-1 (127.0.0.1) cut by test')
    expect(log.at(-1)).toBe('sim-1 is off for certain')
    await expect(hostFence(site.broker, admin, first.id, {})).rejects.toMatchObject({ code: 'conflict' })
    const { items } = await taskList(site.broker, admin, { limit: 10, subjectId: first.id })
    expect(items.filter(({ kind }) => kind === 'host.fence')).toHaveLength(1)
    await site.agentStart(0)
    await site.until(
      'it is back',
      async () => (await hostList(site.broker, admin, { limit: 3 })).items[0]?.state === 'online',
    )
  }, 60_000)

  it('whose command fails says so, and a person’s word does instead; one that carries nothing may be booting', async () => {
    const { site, admin, templateId } = given
    writeFileSync(command, '#!/bin/sh\necho "no such outlet" >&2\nexit 3\n')
    const pool = await poolOf(site, admin, templateId, 'persistent')
    const desktop = await desktopGet(site.broker, admin, await claimed(site, 'ana', pool.id))
    await site.until('nobody else has one', async () => {
      const hosts = (await hostList(site.broker, admin, { limit: 3 })).items
      return hosts.reduce((sum, { used }) => sum + used.desktops, 0) === 1
    })
    const hosts = (await hostList(site.broker, admin, { limit: 3 })).items
    const at = hosts.findIndex(({ id }) => id === desktop.hostId)
    const [host, empty] = [hosts[at], hosts[(at + 1) % 3]]
    // Both fall silent at once: what is done about one is done about the other in the same look.
    await Promise.all([site.agentStop((at + 1) % 3), site.agentStop(at)])
    const failed = await site.until('the attempt failed', async () => {
      const { items } = await taskList(site.broker, admin, { limit: 10, subjectId: host?.id })
      return items.find(({ kind, state }) => kind === 'host.fence' && state === 'failed')
    })
    expect(failed.error?.text).toContain('confirm by hand')
    await site.until(
      'the empty one is lost too',
      async () =>
        (await hostList(site.broker, admin, { limit: 3 })).items.find(({ id }) => id === empty?.id)?.state === 'lost',
    )
    expect((await taskLog(site.broker, admin, failed.id)).map(({ text }) => text)).toContain('no such outlet')
    await hostFence(site.broker, admin, host?.id ?? '', {})
    const { items: none } = await taskList(site.broker, admin, { limit: 10, subjectId: empty?.id })
    expect(none.filter(({ kind }) => kind === 'host.fence')).toEqual([])
    const fences = await site.until('the one that was asked for failed too', async () => {
      const { items } = await hostHistory(site.broker, admin, host?.id ?? '', { limit: 10 })
      const failures = items.filter(({ what }) => what === 'fenceFailed')
      return failures.length > 1 && failures
    })
    expect(fences.map(({ userName, amount }) => [userName, amount])).toEqual([
      ['root', 1],
      [null, 1],
    ])
    const task = await hostFence(site.broker, admin, host?.id ?? '', { confirmed: true })
    expect(task.state).toBe('succeeded')
    expect((await taskLog(site.broker, admin, task.id)).map(({ text }) => text)).toEqual([
      `root confirmed that ${host?.name} is off`,
    ])
  }, 60_000)
})
