import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { arrivingXml } from '../../vmm/libvirt-moves.ts'
import { machineSpec, nicSpec } from '../vmm/wishes.ts'
import { guestCounter, guestRun } from './guest.ts'
import { type MoveLab, type Pair, type PairOptions, startMoveLab } from './move-lab.ts'

let site: MoveLab
const open: AsyncDisposable[] = []
beforeAll(async () => {
  site = await startMoveLab('moves')
}, 180_000)
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})
afterAll(() => site?.[Symbol.asyncDispose](), 60_000)

const one = { source: 'h1', target: 'h2' }
const two = { source: 'h1', target: 'h3' }
async function pairOf(options: Partial<PairOptions> = {}) {
  const machine = machineSpec(1, { id: crypto.randomUUID(), name: 'mover', nic: nicSpec('10.247.4.9') })
  const pair = await site.pair({ hosts: one, kind: 'live', machine, ...options })
  open.push(pair)
  return pair
}
const run = async (pair: Pair, script: string) => guestRun(await pair.daemon(pair.home), pair.base.id, script)
/** No copy of the disk stays on the storage that it left. */
const leavesNothing = (pair: Pair) =>
  vi.waitFor(async () => {
    expect(await pair.files('source')).toEqual([])
    expect(await pair.files('target')).toEqual(expect.arrayContaining([expect.stringMatching(/\.qcow2$/)]))
  }, 90_000)
const count = async (pair: Pair) => Number(await run(pair, 'cat /run/count'))
/** A guest on a busy machine, or at its disk, may take longer for a step than we for two looks. */
const countsOn = (pair: Pair, from: number) =>
  vi.waitFor(async () => expect(await count(pair)).toBeGreaterThan(from), { timeout: 10_000, interval: 100 })

describe('a guest on real hosts', () => {
  it('goes over live and back again: it counts on, keeps its address, and has its screen where the target was told', async () => {
    const pair = await pairOf({ targetPort: 16_042 })
    await run(pair, guestCounter)
    const before = await count(pair)
    pair.move()
    expect(await pair.end(60_000)).toBe('done')
    await vi.waitFor(async () => expect(await pair.runs()).toEqual(['target']), 5_000)
    await pair.controls.target.machine(pair.base.id, ({ ready, move }) => ready && move === null, 20_000)
    const after = await count(pair)
    expect(after).toBeGreaterThanOrEqual(before)
    await countsOn(pair, after)
    expect(await run(pair, 'ip -4 address show eth0')).toContain('10.247.4.9/')
    const graphics = { serial: 3, password: 'secret', validUntil: new Date(Date.now() + 60_000).toISOString() }
    pair.change({ graphics })
    const { graphics: screen } = await pair.controls.target.machine(
      pair.base.id,
      report => report.graphics?.serial === 3,
    )
    expect(screen).toEqual({ host: pair.host('target').address, port: 16_042, serial: 3 })
    pair.move()
    expect(await pair.end(60_000)).toBe('done')
    await vi.waitFor(async () => expect(await pair.runs()).toEqual(['source']), 5_000)
    await countsOn(pair, after)
  })

  it('goes to a host of another storage with its disk, and what it wrote is there', async () => {
    const pair = await pairOf({ hosts: two, kind: 'storage' })
    await run(pair, `head -c 3000000 /dev/urandom >/data/kept; sync; ${guestCounter}`)
    const sum = await run(pair, 'sha256sum /data/kept')
    pair.move()
    expect(await pair.end(90_000)).toBe('done')
    await vi.waitFor(async () => expect(await pair.runs()).toEqual(['target']), 5_000)
    expect(await run(pair, 'echo 3 >/proc/sys/vm/drop_caches; sha256sum /data/kept')).toBe(sum)
    await leavesNothing(pair)
  })

  it('stopped, goes to a host of another storage through the control plane, and starts there with what it wrote', async () => {
    const pair = await pairOf({ hosts: two, kind: 'offline' })
    await run(pair, 'echo something >/data/kept; sync')
    pair.change({ power: 'stopped', stopGraceMs: 20_000 })
    await pair.controls.source.machine(pair.base.id, ({ power }) => power === 'stopped', 30_000)
    pair.move()
    expect(await pair.end(60_000)).toBe('done')
    pair.change({ power: 'running' })
    await pair.controls.target.machine(pair.base.id, ({ ready }) => ready, 120_000)
    expect(await run(pair, 'cat /data/kept')).toBe('something')
    await leavesNothing(pair)
  })

  it('is cancelled on the way and stays', async () => {
    const pair = await pairOf()
    await slow(pair, 2)
    pair.move()
    await pair.controls.source.machine(pair.base.id, ({ move }) => (move?.progress ?? 0) > 0, 30_000)
    pair.cancel()
    expect(await pair.end(30_000)).toBe('cancelled')
    // libvirt takes down there what had been prepared.
    await vi.waitFor(async () => expect(await pair.runs()).toEqual(['source']), 5_000)
    await pair.controls.source.machine(pair.base.id, ({ ready, power }) => ready && power === 'running')
  })

  it('goes on there before all of its memory came, where that is allowed, though its source’s agent is killed', async () => {
    const pair = await pairOf({ postCopy: true })
    await run(pair, guestCounter)
    const before = await count(pair)
    await slow(pair, 2)
    pair.move()
    await pair.controls.source.machine(pair.base.id, ({ move }) => (move?.progress ?? 0) > 0, 30_000)
    await slow(pair, 8, postCopyToo)
    const { actions } = await pair.daemon('source')
    await actions.domainMigrateStartPostCopy({ domain: { name: pair.base.id, uuid: pair.base.id, id: -1 } })
    expect(await pair.end(30_000)).toBe('done')
    expect(await pair.runs()).toEqual(['source', 'target'])
    await pair.kill('source')
    pair.start('source')
    await vi.waitFor(async () => expect(await pair.runs()).toEqual(['target']), 60_000)
    await pair.controls.target.machine(pair.base.id, ({ ready, move }) => ready && move === null, 30_000)
    await countsOn(pair, before)
  })

  it('goes on while both agents are killed, and is found by the next ones', async () => {
    const pair = await pairOf()
    await slow(pair, 8)
    pair.move()
    await pair.controls.source.machine(pair.base.id, ({ move }) => (move?.progress ?? 0) > 0, 30_000)
    await pair.kill('source')
    await pair.kill('target')
    pair.start('source')
    pair.start('target')
    expect(await pair.end(90_000)).toBe('done')
    await vi.waitFor(async () => expect(await pair.runs()).toEqual(['target']), 5_000)
    await pair.controls.target.machine(pair.base.id, ({ ready, move }) => ready && move === null, 30_000)
  })

  it('never runs twice on one disk', async () => {
    const pair = await pairOf()
    const [source, target] = [await pair.daemon('source'), await pair.daemon('target')]
    const domain = { name: pair.base.id, uuid: pair.base.id, id: -1 }
    const xml = await source.actions.domainGetXmlDesc({ domain, flags: 1 | 8 })
    const there = arrivingXml(xml, { address: pair.host('target').address, port: null })
    await expect(target.actions.domainCreateXml({ xml: there })).rejects.toThrow(/Failed to get "write" lock|is locked/)
  })
})

/** VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY */
const postCopyToo = 1
/** MiB a second at most, from now on. */
async function slow(pair: Pair, mibPerSecond: number, flags = 0): Promise<void> {
  const { actions } = await pair.daemon(pair.home)
  const domain = { name: pair.base.id, uuid: pair.base.id, id: -1 }
  await actions.domainMigrateSetMaxSpeed({ domain, mibPerSecond: BigInt(mibPerSecond), flags })
}
