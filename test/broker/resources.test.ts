import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { type AgentHub, hostOfKey, makeAgentHub } from '../../broker/agents.ts'
import { firstStart, localHost } from '../../broker/first-start.ts'
import { hostJoin } from '../../broker/hosts.ts'
import { hostsToPlaceOn } from '../../broker/placing.ts'
import { hostsReconciler } from '../../broker/reconcile/hosts.ts'
import { hostResources, type LoadedHost, largestMachine, resourcesSum } from '../../broker/resources.ts'
import { protocolVersion } from '../../vmm/protocol.ts'
import type { HostFacts, HostReport } from '../../vmm/report.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'
import { startPart, startSite, until } from '../support/site.ts'

const GiB = 2 ** 30
const facts: HostFacts = {
  hostName: 'box',
  kernel: '6.1',
  libvirtVersion: '9.0.0',
  qemuVersion: '7.2.0',
  cpuModel: 'CPU',
  cpus: 8,
  memoryBytes: 32 * GiB,
  accelerator: 'kvm',
  acceleratorReason: null,
  simulated: true,
  cpuMhz: 2_000,
  sockets: 1,
  coresPerSocket: 8,
  threadsPerCore: 1,
  maxVcpus: 255,
  address: '192.0.2.7',
  storageId: 'shared',
  diskLocks: false,
  migrationUri: null,
  bridges: [],
}
const usage = { cpu: 0, memoryUsedBytes: 0, storageTotalBytes: 100 * GiB, storageFreeBytes: 60 * GiB }
const report: HostReport = { facts, capacity: 0, usage, troubles: [] }
const loaded = (over: Partial<LoadedHost> = {}): LoadedHost => ({
  id: 'a',
  state: 'online',
  observed_facts: facts,
  observed_usage: usage,
  vcpus_per_core: 4,
  memory_reserve: 0.25,
  running: 0,
  vcpus: 0,
  memory_bytes: 0,
  arriving: 0,
  arriving_vcpus: 0,
  arriving_memory_bytes: 0,
  ...over,
})

describe('a resource pool', () => {
  it('counts what is promised, kept for the host, on its way, and free', () => {
    const busy = loaded({ running: 2, vcpus: 6, memory_bytes: 4 * GiB, arriving: 1, arriving_vcpus: 2 })
    expect(hostResources(busy)).toEqual({
      vcpus: { total: 32, reserved: 2, used: 6, free: 24 },
      memoryBytes: {
        total: 32 * GiB,
        reserved: 8 * GiB + 2 ** 27,
        used: 4 * GiB + 2 * 2 ** 27,
        free: 20 * GiB - 3 * 2 ** 27,
      },
      storageBytes: { total: 100 * GiB, reserved: 2 * GiB, used: 40 * GiB, free: 58 * GiB },
      desktops: { total: 21, reserved: 1, used: 2, free: 17 },
    })
  })

  it('says how large a machine its largest hosts carry, whatever they carry now', () => {
    const small = loaded({ id: 'b', observed_facts: { ...facts, cpus: 2, coresPerSocket: 2, memoryBytes: 64 * GiB } })
    const full = loaded({ running: 20, vcpus: 32, memory_bytes: 24 * GiB })
    expect(largestMachine([small, full, loaded({ observed_facts: null })])).toEqual({
      vcpus: 32,
      memoryBytes: 48 * GiB - 2 ** 27,
    })
    const few = loaded({ observed_facts: { ...facts, maxVcpus: 4 } })
    expect(largestMachine([few])?.vcpus).toBe(4)
    expect(largestMachine([])).toBeNull()
  })

  it('has nothing free, and never less, where more was promised than there is', () => {
    const full = hostResources(loaded({ running: 40, vcpus: 80, memory_bytes: 80 * GiB }))
    expect([full.vcpus.free, full.memoryBytes.free, full.desktops.free]).toEqual([0, 0, 0])
  })

  it('is the sum of hosts that are online, each storage once', () => {
    const hosts = [loaded(), loaded({ id: 'b' }), loaded({ id: 'c', state: 'suspect' })]
    const own = loaded({ id: 'd', observed_facts: { ...facts, storageId: 'own' } })
    expect(resourcesSum(hosts)).toMatchObject({ vcpus: { total: 64 }, storageBytes: { total: 100 * GiB } })
    expect(resourcesSum([...hosts, own]).storageBytes.total).toBe(200 * GiB)
    expect(resourcesSum([]).desktops.total).toBe(0)
  })
})

describe('a cluster’s pool', () => {
  let api: TestApi
  let root: Client
  let hub: AgentHub
  let clusterId: string
  beforeAll(async () => {
    api = await startApi()
    root = (await api.person('root', ['infrastructureAdministrator'])).client
    clusterId = (await firstStart(api.broker)).clusterId
    hub = makeAgentHub(api.broker, 'installation')
  })
  afterAll(() => api[Symbol.asyncDispose]())

  const vcpus = async () => (await root.clusterGet({ params: { id: clusterId } })).resources.vcpus.total
  async function join(hostName: string) {
    const { token } = await root.joinTokenMake({ body: { clusterId } })
    const { hostId, key } = await hostJoin(api.broker, { token, hostName, networks: [] })
    const host = await hostOfKey(api.broker, key)
    if (!host) throw new Error('its key is none')
    const closed: string[] = []
    const line = hub.attach(host, { send: () => {}, close: reason => closed.push(reason) })
    await line.received({ type: 'hello', protocol: protocolVersion, host: report })
    return { hostId, key, line, closed }
  }

  it('grows when a host joins, shrinks when it is silent, and goes with the cluster’s own times', async () => {
    await root.clusterUpdate({ params: { id: clusterId }, body: { suspectMs: 5_000, lostMs: 7_000, vcpusPerCore: 2 } })
    const hosts = hostsReconciler(api.broker)
    const look = async (hostId: string) => {
      await hosts.step(new AbortController().signal)
      return (await root.hostGet({ params: { id: hostId } })).state
    }
    expect(await vcpus()).toBe(0)
    const [one, two] = [await join('one'), await join('two')]
    expect(await look(one.hostId)).toBe('online')
    expect(await vcpus()).toBe(32)
    api.clock.forward(5_000)
    await two.line.received({ type: 'beat', host: null })
    expect(await look(one.hostId)).toBe('suspect')
    expect(await vcpus()).toBe(16)
    api.clock.forward(2_000)
    expect(await look(one.hostId)).toBe('lost')
    await one.line.received({ type: 'beat', host: null })
    expect(await look(one.hostId)).toBe('online')
    expect(await vcpus()).toBe(32)
  })

  it('gives back a host’s part, its subnet and its key when it leaves', async () => {
    const leaving = await join('leaving')
    await hostsReconciler(api.broker).step(new AbortController().signal)
    const before = await vcpus()
    const { subnet } = await root.hostGet({ params: { id: leaving.hostId } })
    await root.hostRemove({ params: { id: leaving.hostId } })
    expect(await vcpus()).toBe(before - 16)
    expect(await hostOfKey(api.broker, leaving.key)).toBeUndefined()
    await hub.review(leaving.hostId)
    expect(leaving.closed).toEqual(['removed'])
    const next = await join('next')
    expect((await root.hostGet({ params: { id: next.hostId } })).subnet).toBe(subnet)
  })

  it('tells what a host has, and lets administrators name it and say more', async () => {
    const { hostId } = await join('told')
    const params = { id: hostId }
    expect(await root.hostGet({ params })).toMatchObject({
      address: '192.0.2.7',
      storageId: 'shared',
      tags: [],
      capacity: 16,
      capacityLimit: 'vcpus',
      capacities: { light: 16, office: 6, power: 3 },
      resources: { vcpus: { total: 16 }, memoryBytes: { total: 32 * GiB } },
    })
    const changed = await root.hostUpdate({ params, body: { name: 'Bay-7', tags: ['gpu', 'dongle', 'gpu'] } })
    expect(changed).toMatchObject({ name: 'Bay-7', tags: ['dongle', 'gpu'] })
    expect(await refusal(root.hostUpdate({ params, body: { name: 'two' } }))).toMatchObject({ code: 'conflict' })
    expect(await refusal(root.hostUpdate({ params, body: { tags: ['a b'] } }))).toMatchObject({ code: 'invalid' })
  })

  it('tells and fills the same storage as its agents: a fiftieth is kept', async () => {
    const { hostId, line } = await join('nearly-full')
    const storageOf = async (storageFreeBytes: number) => {
      await line.received({ type: 'beat', host: { ...report, usage: { ...usage, storageFreeBytes } } })
      const [{ storageLeftBytes } = { storageLeftBytes: null }] = (
        await hostsToPlaceOn(api.broker.db, { poolIds: [] })
      ).filter(({ id }) => id === hostId)
      const { resources } = await root.hostGet({ params: { id: hostId } })
      return [storageLeftBytes, resources.storageBytes.free]
    }
    expect(await storageOf(1.5 * GiB)).toEqual([-0.5 * GiB, 0])
    expect(await storageOf(3 * GiB)).toEqual([GiB, GiB])
  })

  it('keeps the machine’s own host under another name', async () => {
    const made = await localHost(api.broker, clusterId, 'machine', [])
    await root.hostUpdate({ params: { id: made.hostId }, body: { name: 'renamed' } })
    const again = await localHost(api.broker, clusterId, 'machine', [])
    expect(again.hostId).toBe(made.hostId)
    expect(again.key).not.toBe(made.key)
  })
})

describe('an agent’s line', () => {
  it('is closed by every process the moment its host is removed or gets another network', async () => {
    await using site = await startSite({ sim: [] })
    await using part = await startPart(site.url, false)
    const { clusterId } = await firstStart(site.broker)
    await using root = await startApi({ broker: site.broker })
    const { client } = await root.person('root', ['infrastructureAdministrator'])
    const { hostId } = await localHost(site.broker, clusterId, 'box', [])
    const { subnet } = await client.hostGet({ params: { id: hostId } })
    const { supernet } = await client.clusterGet({ params: { id: clusterId } })
    const closed: string[] = []
    part.hub.attach({ id: hostId, subnet, supernet }, { send: () => {}, close: reason => closed.push(reason) })
    await client.clusterUpdate({ params: { id: clusterId }, body: { supernet: '172.30.0.0/16' } })
    await until('another network', async () => closed.at(-1) === 'another network')
    await client.hostRemove({ params: { id: hostId } })
    await until('removed', async () => closed.at(-1) === 'removed')
  })
})
