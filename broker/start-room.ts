/**
 * Whether hosts have the memory for desktops that stand still. Who asks holds `addressLock` and writes the starts in the
 * same transaction: hosts promise no byte twice. Pure.
 */
import { machineExtraBytes } from './capacity.ts'
import { type Demand, type HostFacts, memoryRefusal, resourcesLeft } from './placement.ts'

/** One that has not told its facts yet offers nothing, and has room all the same. */
export const offersUntold = ({ cpus }: HostFacts) => cpus === 0

/** What a desktop that a person waits for may take of each host, in bytes, `machineExtraBytes` with it. */
export const memoryLeft = (hosts: readonly HostFacts[]): Map<string, number> =>
  new Map(hosts.map(host => [host.id, offersUntold(host) ? Number.MAX_SAFE_INTEGER : resourcesLeft(host).memoryBytes]))

export interface Resting {
  id: string
  name: string
  host_id: string
  memory_bytes: number
}

/**
 * Of desktops that would start in this order, those whose host has no memory for them once the others before them run,
 * each with the reason as a sentence.
 */
export function withoutRoom(
  hosts: readonly HostFacts[],
  resting: readonly Resting[],
  priority: Demand['priority'],
): Map<string, string> {
  const now = new Map(hosts.map(host => [host.id, host]))
  const refused = new Map<string, string>()
  for (const { id, name, host_id: hostId, memory_bytes: bytes } of resting) {
    const host = now.get(hostId)
    if (!host || offersUntold(host)) continue
    const memoryBytes = bytes + machineExtraBytes
    const refusal = memoryRefusal(host, { memoryBytes, priority })
    if (refusal !== undefined) refused.set(id, `No memory left on ${host.name} to start ${name}: ${refusal}.`)
    else now.set(hostId, { ...host, taken: { ...host.taken, memoryBytes: host.taken.memoryBytes + memoryBytes } })
  }
  return refused
}
