import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HdcsError } from '../../lib/errors.ts'
import { makeLog } from '../../lib/log.ts'
import { type AgentNetwork, startAgentNetwork } from '../../vmm/agent-network.ts'
import { emptyWorld, machineOf, worldChange, worldWish } from '../../vmm/agent-world.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import type { MachineSpec, NetworkSpec, NicSpec } from '../../vmm/spec.ts'
import { hostSpec, installationId, machineSpec, nicSpec } from './wishes.ts'

const host = makeSimHost({ installationId, hostName: 'sim-1' })
const withNic = (number: number, facts: Partial<NicSpec> = {}): MachineSpec =>
  machineSpec(number, { generation: Date.now(), nic: nicSpec(`10.200.0.${number + 1}`, facts) })

let parts: ReturnType<typeof watched>
beforeEach(() => {
  vi.useFakeTimers()
  parts = watched()
})
afterEach(() => {
  parts.network[Symbol.dispose]()
  vi.useRealTimers()
})

/** The agent's network on a host that notes what it is told, and obeys when the test says so. */
function watched() {
  const world = emptyWorld('storage')
  const asked: (readonly NicSpec[])[] = []
  const networks: NetworkSpec[] = []
  let answers: PromiseWithResolvers<string[]>[] = []
  const work: Promise<unknown>[] = []
  const network: AgentNetwork = startAgentNetwork({
    host: {
      ...host,
      networkEnsure: async spec => void networks.push(spec),
      guestsEnsure: nics => {
        asked.push(nics)
        const answer = Promise.withResolvers<string[]>()
        answers.push(answer)
        return answer.promise
      },
    },
    world,
    log: makeLog('agent', 'silent'),
    track: promise => void work.push(promise),
    changed: () => network.ensure(),
  })
  const change = (machines: MachineSpec[], gone: string[] = []) => {
    worldChange(world, { type: 'change', machines, images: [], gone, remove: [] })
    network.ensure()
  }
  return {
    world,
    asked,
    networks,
    network,
    change,
    begin(machines: MachineSpec[]) {
      worldWish(world, hostSpec(machines))
      network.ensure()
      return vi.waitFor(() => expect(asked).toHaveLength(1))
    },
    async obey(wrong: string[] = []) {
      const [next] = answers
      answers = answers.slice(1)
      next?.resolve(wrong)
      await vi.advanceTimersByTimeAsync(0)
    },
    async refuse(error: HdcsError) {
      const [next] = answers
      answers = answers.slice(1)
      next?.reject(error)
      await vi.advanceTimersByTimeAsync(0)
    },
    ready: (number: number) => network.ready(machineOf(world, machineSpec(number).id)),
  }
}

describe('machines of a host', () => {
  it('start only once the rules for their own card are in force', async () => {
    await parts.begin([withNic(1)])
    expect(parts.ready(1)).toBe(false)
    await parts.obey()
    expect(parts.ready(1)).toBe(true)
    parts.change([withNic(2)])
    // The first waits for nobody else's rules.
    expect([parts.ready(1), parts.ready(2)]).toEqual([true, false])
    await parts.obey()
    expect(parts.ready(2)).toBe(true)
    expect(parts.asked[1]?.map(({ address }) => address)).toEqual(['10.200.0.2', '10.200.0.3'])
  })

  it('are put under new rules together when several change while rules are being put in force', async () => {
    await parts.begin([withNic(1)])
    for (const number of [2, 3, 4]) parts.change([withNic(number)])
    expect(parts.asked).toHaveLength(1)
    await parts.obey()
    expect([1, 2, 3, 4].map(parts.ready)).toEqual([true, false, false, false])
    expect(parts.asked[1]).toHaveLength(4)
    await parts.obey()
    expect([1, 2, 3, 4].map(parts.ready)).toEqual([true, true, true, true])
  })

  it('wait for the rules of a changed network mode, and for nothing when something else changed', async () => {
    await parts.begin([withNic(1)])
    await parts.obey()
    parts.change([{ ...withNic(1), generation: 2 }])
    expect([parts.ready(1), parts.asked.length]).toEqual([true, 1])
    parts.change([{ ...withNic(1, { mode: 'isolated' }), generation: 3 }])
    expect(parts.ready(1)).toBe(false)
    expect(parts.asked[1]?.[0]).toMatchObject({ mode: 'isolated' })
  })

  it('named for a move are under their rules before they come', async () => {
    await parts.begin([])
    await parts.obey()
    parts.change([
      { ...withNic(5), move: { id: 'm', role: 'arrive', kind: 'live', sourceStorageId: 's', imageSha256: null } },
    ])
    expect(parts.asked[1]?.map(({ address }) => address)).toEqual(['10.200.0.6'])
  })

  it('do not start where rules cannot be put in force, and the host says why until it can', async () => {
    await parts.begin([withNic(1)])
    await parts.refuse(new HdcsError('unsupported', 'nft is not installed'))
    expect(parts.ready(1)).toBe(false)
    expect(parts.network.trouble).toMatchObject({ code: 'unsupported', text: 'nft is not installed' })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(parts.asked).toHaveLength(2)
    await parts.obey()
    expect([parts.ready(1), parts.network.trouble]).toEqual([true, null])
  })
})

describe('the rules of a host', () => {
  it('are looked at now and then, in case somebody took them away', async () => {
    await parts.begin([withNic(1)])
    await parts.obey()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(parts.asked).toHaveLength(2)
    expect(parts.ready(1)).toBe(true)
    await parts.obey()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(parts.asked).toHaveLength(3)
  })

  it('follow the network when it is made anew', async () => {
    await parts.begin([withNic(1)])
    await parts.obey()
    parts.network.doubt()
    expect(parts.ready(1)).toBe(false)
    parts.network.ensure()
    await vi.advanceTimersByTimeAsync(0)
    expect([parts.networks.length, parts.asked.length]).toEqual([2, 2])
    await parts.obey()
    expect(parts.ready(1)).toBe(true)
  })

  it('say what was left out of them, and hold nobody up for it', async () => {
    await parts.begin([withNic(1)])
    await parts.obey(['“x” is no rule of a list'])
    expect(parts.ready(1)).toBe(true)
    expect(parts.network.trouble?.text).toContain('“x” is no rule of a list')
  })
})
