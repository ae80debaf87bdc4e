/** Clusters: hosts that share a network, rules and a resource pool. */

import type { Principal } from '../auth/principal.ts'
import {
  type ClusterRow,
  type ClusterSet,
  clusterDeleteRow,
  clusterHasDesktops,
  clusterInsert,
  clusterRows,
  clusterSet,
} from '../db/clusters.ts'
import type { Tx } from '../db/connect.ts'
import { addressLock, hostRows } from '../db/hosts.ts'
import type { PlacementPolicy } from '../db/schema-hosts.ts'
import { siteRows } from '../db/sites.ts'
import { nameAfter, nameCursor } from '../lib/cursors.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { type BalanceSettings, balanceSettings } from './balance-settings.ts'
import type { Broker } from './broker.ts'
import { capacitiesOf } from './capacity.ts'
import { type ClusterNetworkAsked, clusterNetworksChecked } from './cluster-networks.ts'
import { commandCheck } from './commands.ts'
import { pageOf } from './pages.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { type LoadedHost, largestMachine, resourcesSum } from './resources.ts'
import { screenPortsNarrow } from './screen-ports.ts'
import { allHosts, countedIn } from './sites.ts'
import { supernetChosen, supernetMove, supernetNew, supernetRefused } from './subnets.ts'

function clusterView(row: ClusterRow, hosts: readonly (LoadedHost & { cluster_id: string })[], principal: Principal) {
  const administrator = principal.permissions.has('host.write')
  const refused = administrator ? undefined : 'only administrators may do this'
  const own = hosts.filter(host => host.cluster_id === row.id)
  return {
    id: row.id,
    name: row.name,
    siteId: row.site_id,
    siteName: row.site_name,
    supernet: row.supernet,
    portFrom: row.port_from,
    portTo: row.port_to,
    placement: row.placement,
    vcpusPerCore: row.vcpus_per_core,
    memoryReserve: row.memory_reserve,
    personReserve: row.person_reserve,
    suspectMs: row.suspect_ms,
    lostMs: row.lost_ms,
    balance: balanceSettings(row.balance),
    networks: row.networks,
    binDays: row.bin_days,
    imageBytesPerSecond: row.image_bytes_per_second,
    // They hold passwords of power switches: not for those who only read.
    fenceCommand: administrator ? row.fence_command : null,
    powerCommand: administrator ? row.power_command : null,
    hosts: row.hosts,
    capacities: capacitiesOf(own.filter(({ state }) => state === 'online')),
    resources: resourcesSum(own),
    largest: largestMachine(own),
    actions: actionsFrom({ update: refused, join: refused, delete: refused ?? deleteRefused(row) }),
    createdAt: row.created_at.toISOString(),
  }
}

function deleteRefused(row: ClusterRow): string | undefined {
  const pools = row.pools === 1 ? 'a pool is to use it' : `${row.pools} pools are to use it`
  return countedIn(row.hosts, 'host') ?? (row.pools > 0 ? pools : undefined)
}

export async function clusterList(
  broker: Broker,
  principal: Principal,
  query: { limit: number; cursor?: string | undefined; name?: string | undefined; siteId?: string | undefined },
) {
  const { name, siteId, cursor } = query
  const rows = await clusterRows(broker.db, { name, siteId, after: nameAfter(cursor), limit: query.limit + 1 })
  const hosts = await hostRows(broker.db, { limit: allHosts })
  return pageOf(
    rows,
    query.limit,
    row => nameCursor(row.name),
    row => clusterView(row, hosts, principal),
  )
}

export async function clusterGet(broker: Broker, principal: Principal, id: string) {
  const [row] = await clusterRows(broker.db, { ids: [id] })
  if (!row) throw new HdcsError('not_found', 'There is no such cluster.')
  return clusterView(row, await hostRows(broker.db, { clusterId: id, limit: allHosts }), principal)
}

type Some<T> = { [K in keyof T]?: T[K] | undefined }
export type BalanceGiven = { [K in keyof BalanceSettings]?: Some<BalanceSettings[K]> | undefined }

export interface ClusterWish {
  name: string
  siteId: string
  supernet: string
  portFrom: number
  portTo: number
  placement: PlacementPolicy
  vcpusPerCore: number | null
  memoryReserve: number
  personReserve: number
  suspectMs: number
  lostMs: number
  /** What is given of it; the rest stays. */
  balance: BalanceGiven
  /** The whole list; each network once. */
  networks: ClusterNetworkAsked[]
  binDays: number
  imageBytesPerSecond: number | null
  fenceCommand: string | null
  powerCommand: string | null
}
type Given = Some<ClusterWish>

/** @throws HdcsError `invalid` with what does not fit together, `conflict` for a name or a network that is taken. */
export async function clusterCreate(broker: Broker, principal: Principal, body: Given & { name: string }) {
  const id = newId(broker.clock.now().getTime())
  await broker.db.transaction().execute(async tx => {
    await addressLock(tx)
    const site_id = body.siteId ?? (await siteUsual(tx))
    await checkWish(tx, { ...usual, ...defined(body) })
    await checkCommands(broker, body)
    const supernet = body.supernet === undefined ? await supernetNew(tx) : await supernetChosen(tx, body.supernet, null)
    await clusterInsert(tx, { ...columnsOf(body, {}), id, name: body.name, site_id, supernet }).catch(
      nameTaken(body.name),
    )
  })
  return clusterGet(broker, principal, id)
}

/**
 * Writes what was given and nothing else. Another network also gives its hosts other subnets, of which they are told
 * at once.
 * @throws HdcsError `not_found`, `invalid`, `conflict` (a name or network that is taken; a network with desktops in it;
 * fewer screen ports than are in use).
 */
export async function clusterUpdate(broker: Broker, principal: Principal, id: string, body: Given) {
  await broker.db.transaction().execute(async tx => {
    await addressLock(tx)
    const [before] = await clusterRows(tx, { ids: [id] })
    if (!before) throw new HdcsError('not_found', 'There is no such cluster.')
    const { port_from: portFrom, port_to: portTo, suspect_ms: suspectMs, lost_ms: lostMs } = before
    await checkWish(tx, { portFrom, portTo, suspectMs, lostMs, ...defined(body) })
    await checkCommands(broker, body, before)
    const ports = { from: body.portFrom ?? portFrom, to: body.portTo ?? portTo }
    if (ports.to - ports.from < portTo - portFrom) await screenPortsNarrow(tx, id, ports)
    if (body.supernet !== undefined && body.supernet !== before.supernet) {
      const supernet = await supernetChosen(tx, body.supernet, id)
      if (supernet !== before.supernet && (await clusterHasDesktops(tx, id)))
        throw supernetRefused(
          `Desktops of ${before.name} have addresses of ${before.supernet}: remove them before it gets another network.`,
          'conflict',
        )
      if (supernet !== before.supernet) await supernetMove(tx, id, supernet)
    }
    await clusterSet(tx, id, columnsOf(body, before.balance)).catch(nameTaken(body.name ?? before.name))
  })
  return clusterGet(broker, principal, id)
}

/** @throws HdcsError `not_found`, `conflict` while hosts are in it or pools are to use it. */
export async function clusterDelete(broker: Broker, _principal: Principal, id: string): Promise<void> {
  await broker.db.transaction().execute(async tx => {
    await addressLock(tx)
    const [row] = await clusterRows(tx, { ids: [id] })
    if (!row) throw new HdcsError('not_found', 'There is no such cluster.')
    const refused = deleteRefused(row)
    if (refused !== undefined) throw new HdcsError('conflict', `${row.name} stays: ${refused}.`)
    // Hosts join under the same lock: none can have come since.
    await clusterDeleteRow(tx, id)
  })
}

const usual = { portFrom: 16_000, portTo: 31_999, suspectMs: 8_000, lostMs: 15_000 }

/** Where libvirt itself takes ports for guests that arrive. */
const migrationPorts = { from: 49_152, to: 49_215 }

async function checkWish(
  tx: Tx,
  wish: Pick<ClusterWish, 'portFrom' | 'portTo' | 'suspectMs' | 'lostMs'> & { siteId?: string },
) {
  if (wish.portFrom > wish.portTo)
    throw new HdcsError('invalid', `The first port (${wish.portFrom}) is above the last (${wish.portTo}).`)
  if (wish.portFrom <= migrationPorts.to && wish.portTo >= migrationPorts.from)
    throw new HdcsError(
      'invalid',
      `Ports ${migrationPorts.from} to ${migrationPorts.to} are libvirt’s own for guests that move: leave them out.`,
    )
  if (wish.lostMs <= wish.suspectMs)
    throw new HdcsError(
      'invalid',
      `A host should be suspect (${wish.suspectMs} ms of silence) before it is lost (${wish.lostMs} ms).`,
    )
  if (wish.siteId !== undefined && (await siteRows(tx, { ids: [wish.siteId] })).length === 0)
    throw new HdcsError('invalid', 'There is no such site.')
}

/** What stands already is not looked at again: else nothing else could be changed while a program is away. */
async function checkCommands(
  broker: Broker,
  { fenceCommand, powerCommand }: Given,
  before?: Pick<ClusterRow, 'fence_command' | 'power_command'>,
) {
  if (fenceCommand && fenceCommand !== before?.fence_command)
    await commandCheck(broker, 'The fence command', fenceCommand)
  if (powerCommand && powerCommand !== before?.power_command)
    await commandCheck(broker, 'The power command', powerCommand)
}

/** Where a cluster belongs when nobody says: the site `main`, or the only one. */
async function siteUsual(tx: Tx): Promise<string> {
  const sites = await siteRows(tx)
  const site = sites.length === 1 ? sites[0] : sites.find(({ name }) => name === 'main')
  if (!site) throw new HdcsError('invalid', 'Which site? Give its siteId.')
  return site.id
}

const columnsOf = ({ balance, networks, ...body }: Given, before: Record<string, unknown>): ClusterSet => ({
  ...defined({
    name: body.name,
    site_id: body.siteId,
    port_from: body.portFrom,
    port_to: body.portTo,
    placement: body.placement,
    vcpus_per_core: body.vcpusPerCore,
    memory_reserve: body.memoryReserve,
    person_reserve: body.personReserve,
    suspect_ms: body.suspectMs,
    lost_ms: body.lostMs,
    bin_days: body.binDays,
    image_bytes_per_second: body.imageBytesPerSecond,
    fence_command: body.fenceCommand,
    power_command: body.powerCommand,
  }),
  ...(networks && { networks: JSON.stringify(clusterNetworksChecked(networks)) }),
  ...(balance && { balance: JSON.stringify(balanceChanged(before, balance)) }),
})

/** @throws HdcsError `invalid` for what is out of its limits. */
function balanceChanged(before: Record<string, unknown>, given: BalanceGiven): BalanceSettings {
  const { rebalance, consolidate } = balanceSettings(before)
  return balanceSettings({
    rebalance: { ...rebalance, ...defined(given.rebalance ?? {}) },
    consolidate: { ...consolidate, ...defined(given.consolidate ?? {}) },
  })
}

const nameTaken = (name: string) =>
  conflictWhen('taken', `A cluster named ${name} already exists: choose another name.`)

/** What was given; fields that are absent or undefined keep what stands. */
const defined = <T extends object>(body: T) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
