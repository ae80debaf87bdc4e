import type { Tx } from '../db/connect.ts'
import { desktopInsert } from '../db/desktops.ts'
import { addressesFree, addressLock, hostRows, hostsWithImage } from '../db/hosts.ts'
import { hardwareOf, poolLock, poolNumbers, poolSize } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { versionCurrent } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { type Demand, decisionText, type HostFacts, placeDesktop, withDesktop } from './placement.ts'

/** QEMU beside the guest's memory (measured: 90 to 130 MiB). Lower: a host full of small desktops swaps. */
const machineExtraBytes = 128 * 2 ** 20

export interface PoolToGrow {
  id: string
  name: string
  template_id: string
  template_version: number | null
  template_hardware: HardwareValue
  hardware: Partial<HardwareValue>
  max_size: number
}

/**
 * Adds desktops to a pool: places, names and addresses them in one transaction. Nothing runs yet: the hosts' agents
 * are told by the trigger when this commits.
 *
 * @returns ids of those that were made, and why the rest was not (undefined when all were).
 * @throws HdcsError `template_unavailable` while no version is sealed.
 */
export async function desktopsMake(
  tx: Tx,
  pool: PoolToGrow,
  ask: { count: number; power: 'running' | 'stopped'; reason: string; now: Date },
): Promise<{ ids: string[]; short: HdcsError | undefined }> {
  await poolLock(tx, pool.id)
  const version = await versionCurrent(tx, pool)
  if (!version)
    throw new HdcsError(
      'template_unavailable',
      'The template has no version that is ready. Wait until it is built, or ask an administrator.',
    )
  const room = pool.max_size - (await poolSize(tx, pool.id))
  if (room <= 0) return { ids: [], short: new HdcsError('pool_exhausted', poolFull(pool)) }

  const hardware = hardwareOf(pool.template_hardware, pool.hardware)
  const demand: Demand = {
    vcpus: hardware.vcpus,
    memoryBytes: hardware.memoryBytes + machineExtraBytes,
    imageId: version.id,
  }
  await addressLock(tx)
  let hosts = await hostFacts(tx, version.id)
  const placed: string[] = []
  let short: HdcsError | undefined
  while (placed.length < Math.min(ask.count, room)) {
    const decision = placeDesktop(hosts, demand)
    if (decision.hostId === undefined) {
      short = new HdcsError('no_host', `No host can take this desktop now (${decisionText(decision)}).`)
      break
    }
    placed.push(decision.hostId)
    hosts = hosts.map(host => (host.id === decision.hostId ? withDesktop(host, demand) : host))
  }

  const numbers = await poolNumbers(tx, pool.id, placed.length)
  const ids: string[] = []
  for (const hostId of new Set(placed)) {
    const count = placed.filter(id => id === hostId).length
    const addresses = await addressesFree(tx, hostId, count)
    if (addresses.length < count) short = new HdcsError('no_host', 'The host’s subnet has no address left.')
    for (const address of addresses) {
      const id = newId(ask.now.getTime())
      const name = `${pool.name}-${String(numbers.shift()).padStart(3, '0')}`
      const row = {
        id,
        name,
        pool_id: pool.id,
        host_id: hostId,
        version_id: version.id,
        hardware,
        address,
        wished_power: ask.power,
      }
      if (await desktopInsert(tx, row, ask.now, ask.reason)) ids.push(id)
    }
  }
  return { ids, short }
}

export const poolFull = (pool: { name: string; max_size: number }) =>
  `All ${pool.max_size} desktops of ${pool.name} are in use. Try again later, or ask an administrator for more.`

/** What placement looks at, read now. */
export async function hostFacts(tx: Tx, versionId: string): Promise<HostFacts[]> {
  const withImage = await hostsWithImage(tx, versionId)
  const rows = await hostRows(tx, {})
  return rows.map(row => ({
    id: row.id,
    name: row.name,
    state: row.state,
    total: { vcpus: row.observed_facts?.cpus ?? 0, memoryBytes: row.observed_facts?.memoryBytes ?? 0 },
    taken: { vcpus: row.vcpus, memoryBytes: row.memory_bytes + row.running * machineExtraBytes },
    images: withImage.has(row.id) ? new Set([versionId]) : new Set(),
    storageFreeBytes: row.observed_usage?.storageFreeBytes ?? null,
    trouble: row.observed_troubles[0]?.text ?? null,
  }))
}
