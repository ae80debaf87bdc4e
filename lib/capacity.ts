/**
 * What a host can carry. Pure; the agent reports it and the control plane counts with it: one formula, one number.
 *
 *     byFrequency = MHz × sockets × cores × threads × over-commit ÷ profile's MHz       vCPUs
 *     byThreads   = threads × 16                                                        vCPUs
 *     vcpus       = the smaller of both, or threads × what the administrator said
 *     memory      = memory − the larger of 512 MiB and the reserve
 *     storage     = what is free − the larger of 1 GiB and a fiftieth of all
 *     desktops    = the smaller of vcpus ÷ profile's vCPUs and memory ÷ (profile's memory + 128 MiB), whole;
 *                   0 where one machine may not have so many vCPUs
 *
 * Where the figures come from: docs/capacity.md.
 */

/** Of a host's facts (vmm/report.ts) what counts. */
export interface CapacityFacts {
  cpus: number
  memoryBytes: number
  accelerator: 'kvm' | 'tcg'
  cpuMhz: number
  sockets: number
  coresPerSocket: number
  threadsPerCore: number
  maxVcpus: number
}

/** What an administrator says of a cluster. */
export interface CapacityRules {
  /** vCPUs promised per hardware thread, whatever its frequency; null: by frequency. */
  vcpusPerCore: number | null
  /** Part of the memory that is kept for the host: 0 to 1. */
  memoryReserve: number
}

/** A desktop to count in. */
export interface Profile {
  vcpus: number
  /** What one of its vCPUs is worth of a core. */
  mhz: number
  memoryBytes: number
}

export interface Capacity {
  /** vCPUs that may be promised. */
  vcpus: number
  /** Memory for desktops, each counted with `machineExtraBytes`. */
  memoryBytes: number
  /** Desktops of the profile at once. */
  desktops: number
  /** What there is too little of for one more. */
  limit: 'vcpus' | 'memory'
}

/**
 * Desktops to count in, on plain 2 GHz cores. `light` is the smallest that people work with: the 1 vCPU and 1 GB of the
 * field's planning guides; `office` runs a browser and an office suite, `power` what builds and draws.
 */
export const profiles = {
  light: { vcpus: 1, mhz: 2_000, memoryBytes: 2 ** 30 },
  office: { vcpus: 2, mhz: 2_000, memoryBytes: 4 * 2 ** 30 },
  power: { vcpus: 4, mhz: 2_000, memoryBytes: 8 * 2 ** 30 },
} as const satisfies Record<string, Profile>
export type ProfileName = keyof typeof profiles

/** What is meant where nobody names a profile. */
export const referenceProfile: Profile = profiles.light

/**
 * QEMU beside the guest's memory: itself, video, translation cache (measured 90 to 130 MiB). Lower: hosts that are
 * called free begin to swap; higher: memory lies idle.
 */
export const machineExtraBytes = 128 * 2 ** 20

export const usualRules: CapacityRules = { vcpusPerCore: null, memoryReserve: 0.1 }

/**
 * How often a core is promised: desktops idle most of the time. KVM: the field's usual 8 to 10. Emulated: one that idles
 * uses 2 to 6 % of a core, one that works uses it whole, so fewer. Higher: one class typing at once is felt by
 * everybody; lower: desktops are refused while cores idle.
 */
const overCommit = { kvm: 10, tcg: 8 } satisfies Record<CapacityFacts['accelerator'], number>

/** However fast a core is, every vCPU waits for its turn behind the others: the field's ceiling. */
const vcpusPerThreadMost = 16

/** Least that is kept for the host. Lower: the first burst of page cache swaps guests out. */
const memoryKeptLeast = 512 * 2 ** 20

/**
 * Storage that is never given to new disks: who asks for more is refused. Lower: running desktops hit the wall (they are
 * paused) before anybody is refused; higher: space lies idle.
 */
export const storageKeptBytes = (totalBytes: number) => Math.max(2 ** 30, Math.ceil(totalBytes / 50))

/** Linux takes memory that is plugged in into use in blocks of this size: what is no multiple would stay idle. */
export const memoryStepBytes = 128 * 2 ** 20

/** What a host carries, in vCPUs, bytes, and desktops of a profile. */
export function capacityOf(
  facts: CapacityFacts,
  rules: CapacityRules = usualRules,
  profile: Profile = referenceProfile,
): Capacity {
  const threads = threadsOf(facts)
  const byFrequency = (facts.cpuMhz * threads * overCommit[facts.accelerator]) / profile.mhz
  const vcpus = Math.floor(
    rules.vcpusPerCore === null
      ? Math.min(byFrequency || Number.POSITIVE_INFINITY, threads * vcpusPerThreadMost)
      : threads * rules.vcpusPerCore,
  )
  const kept = Math.max(memoryKeptLeast, facts.memoryBytes * rules.memoryReserve)
  const memoryBytes = Math.max(0, Math.floor(facts.memoryBytes - kept))
  const byVcpus = profile.vcpus > facts.maxVcpus ? 0 : Math.floor(vcpus / profile.vcpus)
  const byMemory = Math.floor(memoryBytes / (profile.memoryBytes + machineExtraBytes))
  return { vcpus, memoryBytes, desktops: Math.min(byVcpus, byMemory), limit: byVcpus <= byMemory ? 'vcpus' : 'memory' }
}

/** libvirt guesses at topologies it does not understand; more threads than the kernel runs on there are not. */
function threadsOf({ cpus, sockets, coresPerSocket, threadsPerCore }: CapacityFacts): number {
  const told = sockets * coresPerSocket * threadsPerCore
  return told > 0 ? Math.min(told, cpus) : cpus
}
