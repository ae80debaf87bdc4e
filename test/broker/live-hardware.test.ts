/** vCPUs and memory of a desktop that runs: what it gets at once, what waits for its next start, and what its host has left. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopHardwareSet } from '../../broker/desktop-hardware.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { type GuestFacts, waitsForStart } from '../../broker/live-hardware.ts'
import { hostsToPlaceOn } from '../../broker/placing.ts'
import { poolCreate } from '../../broker/pools.ts'
import { taskGet } from '../../broker/tasks.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const GiB = 2 ** 30
const forever = new AbortController().signal

describe('what a guest that runs gets at once', () => {
  const has = { vcpus: 2, memoryBytes: 4 * GiB, maxVcpus: 8, maxMemoryBytes: 16 * GiB, text: '' }
  const guest: GuestFacts = {
    power: 'running',
    has,
    moving: false,
    counted: { vcpus: 2, memoryBytes: 4 * GiB },
    left: { vcpus: 4, memoryBytes: 8 * GiB },
  }
  it.each<[string, Parameters<typeof waitsForStart>[0], number, Partial<GuestFacts>, string | undefined]>([
    ['more vCPUs', 'vcpus', 6, {}, undefined],
    ['what it has already', 'vcpus', 2, { counted: { vcpus: 8, memoryBytes: 4 * GiB } }, undefined],
    ['more memory', 'memoryBytes', 12 * GiB, {}, undefined],
    ['not less', 'vcpus', 1, {}, 'a guest keeps what it has while it runs'],
    ['not more than it has room for', 'vcpus', 9, {}, 'it was started with room for 8 vCPU at most'],
    [
      'nothing without room',
      'memoryBytes',
      8 * GiB,
      { has: { ...has, maxMemoryBytes: 4 * GiB } },
      'it was started without room for more than 4096 MiB',
    ],
    [
      'nothing of an older agent',
      'vcpus',
      3,
      { has: null },
      'its host runs an older agent, which gives a guest that runs no more than it has',
    ],
    [
      'nothing while it is suspended',
      'vcpus',
      3,
      { power: 'paused' },
      'it is suspended, and a guest takes more only while it runs',
    ],
    ['nothing while it moves', 'vcpus', 3, { moving: true }, 'it is on its way to another host'],
    [
      'no part of a block',
      'memoryBytes',
      4 * GiB + 2 ** 20,
      {},
      'memory is added to a guest that runs in steps of 128 MiB',
    ],
    ['not more than its host has left', 'vcpus', 7, {}, 'its host has 4 vCPU left, 5 vCPU more wanted'],
    [
      'what was promised to it before counts once',
      'vcpus',
      6,
      { counted: { vcpus: 6, memoryBytes: 4 * GiB }, left: { vcpus: 0, memoryBytes: 0 } },
      undefined,
    ],
    [
      'nothing on a host that is full and over',
      'memoryBytes',
      8 * GiB,
      { left: { vcpus: -1, memoryBytes: -GiB } },
      'its host has 0 MiB left, 4096 MiB more wanted',
    ],
    ['nothing on a host that takes nothing', 'vcpus', 3, { left: 'the host is lost' }, 'the host is lost'],
  ])('%s', (_title, name, wished, facts, why) => {
    expect(waitsForStart(name, wished, { ...guest, ...facts })).toBe(why)
  })
})

describe('a desktop that runs', () => {
  let site: TestSite
  let admin: Principal
  let id: string
  beforeAll(async () => {
    site = await startSite({ sim: [{ cpus: 2, memoryBytes: 16 * GiB }] })
    const warm = await siteWarm(site)
    admin = warm.admin
    const hardware = { vcpus: 1, memoryBytes: 4 * GiB }
    const wish = { name: 'own', kind: 'persistent' as const, templateId: warm.templateId, warm: 0, hardware }
    const pool = await poolCreate(site.broker, admin, wish)
    await entitlementSet(site.broker, admin, pool.id, { everyone: true })
    const { desktop, task } = await desktopClaimFor(site.broker, admin, pool.id)
    id = desktop.id
    await taskGet(site.broker, admin, task.id, 15_000, forever)
  }, 60_000)
  afterAll(() => site?.[Symbol.asyncDispose]())

  const set = (hardware: Parameters<typeof desktopHardwareSet>[3], dryRun = false) =>
    desktopHardwareSet(site.broker, admin, id, hardware, {}, dryRun)
  const runsWith = (vcpus: number, memoryGib: number) =>
    site.until(`it runs with ${vcpus} vCPU and ${memoryGib} GiB`, async () => {
      const { runsWith: has } = await desktopGet(site.broker, admin, id)
      return has?.vcpus === vcpus && has.memoryBytes === memoryGib * GiB && has
    })
  const taken = async () => (await hostsToPlaceOn(site.broker.db, { poolIds: [] }))[0]?.taken
  const others = async () => {
    const { items } = await desktopList(site.broker, admin, { limit: 100 })
    const rest = items.filter(desktop => desktop.id !== id && desktop.power === 'running')
    return rest.reduce((sum, { hardware }) => sum + hardware.vcpus, 0)
  }

  it('gets more vCPUs and memory while it runs, and a dry run changes nothing of it', async () => {
    await runsWith(1, 4)
    const wish = { vcpus: 2, memoryBytes: 6 * GiB }
    const said = await set(wish, true)
    expect(said.applies).toEqual({ now: ['vcpus', 'memoryBytes'], nextStart: [], why: {} })
    expect(said.desktop.hardware).toMatchObject({ vcpus: 1, memoryBytes: 4 * GiB })
    expect((await set(wish)).applies).toEqual(said.applies)
    expect(await runsWith(2, 6)).toMatchObject({ maxVcpus: 4, maxMemoryBytes: 16 * GiB, text: '' })
    expect((await desktopGet(site.broker, admin, id)).phase).toBe('ready')
  })

  it('keeps what it has when less is wished, takes so much of its host until it starts, and has less then', async () => {
    const { applies } = await set({ vcpus: 1 })
    expect(applies).toEqual({
      now: [],
      nextStart: ['vcpus'],
      why: { vcpus: 'a guest keeps what it has while it runs' },
    })
    expect((await taken())?.vcpus).toBe((await others()) + 2)
    await runsWith(2, 6)
    await desktopAct(site.broker, admin, id, 'poweroff')
    await site.until('it stands', async () => (await desktopGet(site.broker, admin, id)).phase === 'stopped')
    await desktopAct(site.broker, admin, id, 'start')
    await runsWith(1, 6)
    expect((await taken())?.vcpus).toBe((await others()) + 1)
  })

  it('gets at its next start what its host has not left, and at once when that is wished again and there is room', async () => {
    const { applies } = await set({ vcpus: 2, memoryBytes: 14.25 * GiB })
    expect(applies).toMatchObject({ now: ['vcpus'], nextStart: ['memoryBytes'] })
    expect(applies.why.memoryBytes).toMatch(/^its host has \d+ MiB left, 8448 MiB more wanted$/)
    await runsWith(2, 6)
    // Nothing is promised twice: what waits counts already.
    expect((await taken())?.memoryBytes).toBeGreaterThan(14.25 * GiB)
    expect((await set({ memoryBytes: 8 * GiB })).applies).toMatchObject({ now: ['memoryBytes'] })
    await runsWith(2, 8)
  })
})
