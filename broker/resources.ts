/** How full hosts and clusters are: resource pools. Pure. */
import { referenceProfile, storageKeptBytes } from '../lib/capacity.ts'
import type { HostFacts, HostUsage } from '../vmm/report.ts'
import { hostCapacity, machineExtraBytes } from './capacity.ts'

/** `free` is what is neither reserved nor used; less, where desktops are larger than the profile they are counted in. */
export interface Amount {
  total: number
  /** Kept: for the host itself, and for desktops on their way to it. */
  reserved: number
  /** By desktops that run or are about to. */
  used: number
  free: number
}

export interface Resources {
  /** Promised ones: broker/capacity.ts. */
  vcpus: Amount
  memoryBytes: Amount
  storageBytes: Amount
  /** In desktops of the reference profile (lib/capacity.ts). */
  desktops: Amount
}

/** A host with what it says and what is wished of it, as db/hosts.ts reads it. */
export interface LoadedHost {
  id: string
  state: string
  observed_facts: HostFacts | null
  observed_usage: HostUsage | null
  vcpus_per_core: number | null
  memory_reserve: number
  running: number
  vcpus: number
  memory_bytes: number
  arriving: number
  arriving_vcpus: number
  arriving_memory_bytes: number
}

/** The largest machine that one of these hosts carries when it is empty; null while none has told its facts. */
export function largestMachine(hosts: readonly LoadedHost[]): { vcpus: number; memoryBytes: number } | null {
  const told = hosts.filter(({ observed_facts }) => observed_facts !== null)
  if (told.length === 0) return null
  const capacities = told.map(host => ({ host, capacity: hostCapacity(host.observed_facts, host) }))
  const vcpus = capacities.map(({ host, capacity }) => Math.min(capacity.vcpus, host.observed_facts?.maxVcpus ?? 0))
  const memory = capacities.map(({ capacity }) => Math.max(0, capacity.memoryBytes - machineExtraBytes))
  return { vcpus: Math.floor(Math.max(...vcpus)), memoryBytes: Math.max(...memory) }
}

const none: Amount = { total: 0, reserved: 0, used: 0, free: 0 }

const amount = (total: number, reserved: number, used: number): Amount => ({
  total,
  reserved,
  used,
  free: Math.max(0, total - reserved - used),
})

/** One host's, whatever its state. */
export function hostResources(host: LoadedHost): Resources {
  const facts = host.observed_facts
  const capacity = hostCapacity(facts, host)
  const withExtra = (bytes: number, desktops: number) => bytes + desktops * machineExtraBytes
  const kept = (facts?.memoryBytes ?? 0) - capacity.memoryBytes
  const vcpus = amount(capacity.vcpus, host.arriving_vcpus, host.vcpus)
  const memoryBytes = amount(
    facts?.memoryBytes ?? 0,
    kept + withExtra(host.arriving_memory_bytes, host.arriving),
    withExtra(host.memory_bytes, host.running),
  )
  const desktops = amount(capacity.desktops, host.arriving, host.running)
  // Desktops larger than the profile take more than one place.
  const fit = facts ? Math.min(vcpus.free, Math.floor(memoryBytes.free / profileBytes)) : 0
  return {
    vcpus,
    memoryBytes,
    storageBytes: storageOf(host.observed_usage),
    desktops: { ...desktops, free: Math.min(desktops.free, fit) },
  }
}

/** Of a host that cannot be reached. */
export function nothingFree({ vcpus, memoryBytes, storageBytes, desktops }: Resources): Resources {
  const full = (given: Amount) => ({ ...given, free: 0 })
  return {
    vcpus: full(vcpus),
    memoryBytes: full(memoryBytes),
    storageBytes: full(storageBytes),
    desktops: full(desktops),
  }
}

const profileBytes = referenceProfile.memoryBytes + machineExtraBytes

function storageOf(usage: HostUsage | null): Amount {
  if (!usage) return none
  const used = usage.storageTotalBytes - usage.storageFreeBytes
  return amount(
    usage.storageTotalBytes,
    Math.min(storageKeptBytes(usage.storageTotalBytes), usage.storageFreeBytes),
    used,
  )
}

/** The sum of hosts that are online; a storage that several share counts once. */
export function resourcesSum(hosts: readonly LoadedHost[]): Resources {
  const online = hosts.filter(({ state }) => state === 'online')
  const each = online.map(hostResources)
  const storages = new Map(online.map(host => [host.observed_facts?.storageId || host.id, host.observed_usage]))
  return {
    vcpus: sum(each.map(({ vcpus }) => vcpus)),
    memoryBytes: sum(each.map(({ memoryBytes }) => memoryBytes)),
    storageBytes: sum([...storages.values()].map(storageOf)),
    desktops: sum(each.map(({ desktops }) => desktops)),
  }
}

const sum = (amounts: readonly Amount[]): Amount =>
  amounts.reduce(
    (all, one) => ({
      total: all.total + one.total,
      reserved: all.reserved + one.reserved,
      used: all.used + one.used,
      free: all.free + one.free,
    }),
    none,
  )
