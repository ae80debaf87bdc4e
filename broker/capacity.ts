/** What hosts and clusters can carry: the one formula (lib/capacity.ts) under a cluster's rules. Pure. */
import {
  type Capacity,
  capacityOf,
  machineExtraBytes,
  type Profile,
  type ProfileName,
  profiles,
} from '../lib/capacity.ts'
import type { HostFacts } from '../vmm/report.ts'

export { machineExtraBytes }

/** A cluster's rules as its row has them. */
export interface ClusterRules {
  vcpus_per_core: number | null
  memory_reserve: number
}

const nothing: Capacity = { vcpus: 0, memoryBytes: 0, desktops: 0, limit: 'vcpus' }

/**
 * What a host carries in all, taken or not: vCPUs that may be promised, bytes for guests (each counted with
 * `machineExtraBytes`), desktops of the profile. Nothing for a host that has not told its facts yet.
 */
export function hostCapacity(facts: HostFacts | null, cluster: ClusterRules, profile?: Profile): Capacity {
  if (!facts) return nothing
  const rules = { vcpusPerCore: cluster.vcpus_per_core, memoryReserve: cluster.memory_reserve }
  return capacityOf(facts, rules, profile)
}

/** Desktops of each reference profile that hosts carry when they carry nothing else. */
export function capacitiesOf(
  hosts: readonly (ClusterRules & { observed_facts: HostFacts | null })[],
): Record<ProfileName, number> {
  const sum = (profile: Profile) =>
    hosts.reduce((all, host) => all + hostCapacity(host.observed_facts, host, profile).desktops, 0)
  return { light: sum(profiles.light), office: sum(profiles.office), power: sum(profiles.power) }
}
