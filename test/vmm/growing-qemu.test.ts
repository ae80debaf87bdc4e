/** Memory and vCPUs plugged into a real guest that runs: it uses them, and they outlive its agent, a save and a restore. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Host } from '../../vmm/host.ts'
import { type RealPlace, realPlace } from '../contract/real.ts'
import { until } from '../support/site.ts'
import { imageSpec, machineSpec } from './wishes.ts'

const GiB = 2 ** 30
const hardware = { ...machineSpec(1).hardware, memoryBytes: 3 * GiB }
const spec = machineSpec(1, { id: crypto.randomUUID(), name: 'growing', hardware })
const disk = { machineId: spec.id, incarnation: spec.incarnation }
const more = { vcpus: 2, memoryBytes: 4 * GiB }
const { signal } = new AbortController()

let place: RealPlace
let host: Host
beforeAll(async () => {
  place = await realPlace('growing')
  host = await place.open()
  await host.imageMake(imageSpec(), () => {}, signal)
  await host.overlayMake(spec)
  await host.machineStart(spec)
  await answers()
})
afterAll(async () => {
  await host?.[Symbol.asyncDispose]()
  await place?.[Symbol.asyncDispose]()
})

const answers = () => until('its guest answers', () => host.agentPing(spec.id, 5_000))
const has = async () => (await host.machines()).find(({ id }) => id === spec.id)?.hardware
/** Processors and MiB, as the guest sees them. */
async function seen(id: string) {
  const text = `nproc; awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo`
  const script = { id, shell: 'sh' as const, text, input: '', environment: {}, timeoutSeconds: 20 }
  const said = await until('it says so', async () => {
    const answer = await host.guestScript(spec.id, script)
    return answer.state === 'ended' && answer
  })
  return said.output.trim().split('\n').map(Number)
}

it('has room for both, and uses what it is given while it runs', async () => {
  expect(await has()).toEqual({ vcpus: 1, memoryBytes: 3 * GiB, maxVcpus: 4, maxMemoryBytes: 12 * GiB })
  const [, before = 0] = await seen('before')
  expect(before).toBeLessThan(3 * 1024)
  expect(await host.machineGrow(spec.id, more)).toMatchObject(more)
  expect(await host.guestUseAll(spec.id)).toEqual({ vcpus: 0, memoryBytes: 0 })
  const [processors, after = 0] = await seen('after')
  expect(processors).toBe(2)
  expect(after - before).toBeGreaterThan(900)
})

it('is given nothing twice by an agent that was killed, and goes on from its saved memory with all of it', async () => {
  await using again = await place.open()
  expect(await again.machineGrow(spec.id, more)).toMatchObject(more)
  await host.machineSave(spec.id, disk, () => {}, signal)
  await host.machineRestore(spec)
  await answers()
  expect(await has()).toMatchObject(more)
  expect((await seen('restored'))[0]).toBe(2)
  expect(await host.guestUseAll(spec.id)).toEqual({ vcpus: 0, memoryBytes: 0 })
})
