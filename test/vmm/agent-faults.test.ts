/**
 * An agent, killed at every call it makes of its host while that is told to hold something else: before the call reached
 * the host, and before it was answered. The list is read off an undisturbed run; moves: agent-move-faults.test.ts.
 */
import { expect, it, vi } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { type AgentConnect, startAgent } from '../../vmm/agent.ts'
import { simForeign } from '../../vmm/sim-foreign.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import { makeSimStorage, overlayKey } from '../../vmm/sim-storage.ts'
import type { HostSpec, MachineSpec } from '../../vmm/spec.ts'
import { makeControl } from './control.ts'
import { type Moment, moments, mortalHost } from './mortal-host.ts'
import { hostSpec, imageSpec, installationId, machineSpec, nicSpec } from './wishes.ts'

const log = makeLog('agent', 'silent')
const delays = { imageMs: 2, overlayMs: 1, startMs: 1, bootMs: 2, shutdownMs: 1 }
/** What failed in the way of a killed agent's last call is tried again after 1 s, 2 s. */
const patienceMs = 10_000

const base = machineSpec(1, { nic: nicSpec('10.200.0.2') })
const stranger = simForeign('sim', 'stranger')
const newer = imageSpec({ id: '018f0000-0000-7000-8000-0000000000f2', name: 'tiny-2' })

/** Wishes, one after the other: what a machine shall be, null when there shall be none; and what else its host shall hold. */
interface Wish {
  machine: Partial<MachineSpec> | null
  host?: Partial<HostSpec>
}
type Life = readonly [first: Wish | null, ...then: Wish[]]

const runs: Wish = { machine: {} }
const lives: Record<string, Life> = {
  'an image, a network, a disk and a start': [null, runs],
  'a disk that is made anew': [runs, { machine: { incarnation: 2 } }],
  'a disk that is made anew on another image, and the first image’s end': [
    runs,
    { machine: { incarnation: 2, imageId: newer.id }, host: { images: [newer] } },
  ],
  'a suspension and its end': [runs, { machine: { power: 'paused' } }, runs],
  'a shutdown and a start': [runs, { machine: { power: 'stopped', stopGraceMs: 5_000 } }, runs],
  'a power cut and a start': [runs, { machine: { power: 'stopped' } }, runs],
  'another network, and a desktop’s other address': [
    { machine: { power: 'stopped' } },
    {
      machine: { nic: nicSpec('10.201.0.2') },
      host: { network: { supernet: '10.201.0.0/16', subnet: '10.201.0.0/24' } },
    },
  ],
  'a password for its screen': [
    runs,
    { machine: { graphics: { serial: 1, password: 'secret', validUntil: '2100-01-01T00:00:00.000Z' } } },
  ],
  'the taking over of a machine that is not ours': [
    null,
    { machine: { power: 'stopped', adopt: { foreignId: stranger.id } } },
  ],
  'its removal, and that of its image': [runs, { machine: null, host: { images: [], remove: [base.id] } }],
}

/** Lives it, with an agent that is killed at one call of those after the first wish. @returns how many there were. */
async function lived([first, ...then]: Life, fault: { call: number; when: Moment } | null): Promise<number> {
  const storage = makeSimStorage()
  await using host = makeSimHost({ installationId, hostName: 'sim', cpus: 2, storage, delays, foreign: [stranger] })
  const control = makeControl()
  let generation = 1
  let wished = hostSpec([])
  let life = 0
  let calls = 0
  let counting = first === null
  let killed = false
  let agent: AsyncDisposable | undefined
  let reborn: Promise<void> | undefined

  async function start(): Promise<void> {
    const mine = ++life
    const death = Promise.withResolvers<null>()
    const between = killed
      ? host
      : mortalHost(host, {
          isLast: when => counting && !killed && fault?.call === calls && fault.when === when,
          called: () => void (counting && calls++),
          died() {
            killed = true
            // Of the dead one nothing is heard any more; the next is there at once.
            void agent?.[Symbol.asyncDispose]()
            reborn = start()
            death.resolve(null)
          },
        })
    const connect: AgentConnect = connection => {
      if (mine !== life) return { async [Symbol.asyncDispose]() {} }
      return control.connect({
        ...connection,
        opened: ({ send }) => connection.opened({ send: message => void (mine === life && send(message)) }),
      })
    }
    const made = await Promise.race([startAgent({ host: between, connect, log }), death.promise])
    if (!made) return reborn
    agent = made
    control.tell({ type: 'wish', spec: wished })
  }
  /** Wishes it, and waits until the host holds that and nothing besides. */
  async function fulfil({ machine, host: rest }: Wish): Promise<void> {
    const spec = machine && { ...base, ...machine, generation: ++generation }
    wished = hostSpec(spec ? [spec] : [], rest)
    control.tell({ type: 'wish', spec: wished })
    const running = spec && spec.power !== 'stopped' ? [`${spec.id} ${spec.incarnation} ${spec.power}`] : []
    const disks = spec ? [overlayKey({ machineId: spec.id, incarnation: spec.incarnation })] : []
    await vi.waitFor(
      async () => {
        const machines = await host.machines()
        expect(machines.map(({ id, incarnation, power }) => `${id} ${incarnation} ${power}`)).toEqual(running)
        expect([...storage.overlays.keys()]).toEqual(disks)
        expect([...storage.locks.keys()]).toEqual(spec?.power === 'running' ? disks : [])
        expect([...storage.images.keys()]).toEqual(wished.images.map(({ id }) => id))
        expect(host.network()).toEqual(wished.network)
        expect(host.nics()).toEqual(spec ? [spec.nic] : [])
        const report = control.machines.get(base.id)
        if (spec) expect(report).toMatchObject({ generation, power: spec.power, step: null, trouble: null })
        else expect(report).toBeUndefined()
        if (spec?.power === 'running') expect(report?.ready).toBe(true)
        if (spec?.graphics) expect(report?.graphics).not.toBeNull()
      },
      { timeout: patienceMs, interval: 5 },
    )
  }

  await start()
  if (first) await fulfil(first)
  counting = true
  for (const wish of then) await fulfil(wish)
  counting = false
  await reborn
  await agent?.[Symbol.asyncDispose]()
  return calls
}

it.concurrent.each(Object.entries(lives))(
  'killed at any call of %s, an agent leaves a host with what is wished and nothing besides',
  async (_title, life) => {
    const calls = await lived(life, null)
    expect(calls).toBeGreaterThan(0)
    for (let call = 1; call <= calls; call++)
      for (const when of moments)
        await lived(life, { call, when }).catch(error => {
          throw new Error(`killed ${when} call ${call}: ${error.message}`, { cause: error })
        })
  },
  120_000,
)
