/**
 * What a copy of a version to another cluster would come to: where it would lie and whether there is room, where it would
 * come from and how long that takes, and which networks of its pools are there. Nothing is begun.
 */
import { type CopyPoolRow, type CopySourceRow, copyHosts, copyPace, copyPools, copySources } from '../db/copy-plans.ts'
import type { ClusterNetworkValue } from '../db/schema-hosts.ts'
import { storageHosts } from '../db/storages.ts'
import { counted } from '../lib/counted.ts'
import { sizeText } from '../lib/sizes.ts'
import type { Broker } from './broker.ts'
import { type CopyAsk, copyAsked } from './copies.ts'
import { cardName, networkIn } from './nics.ts'
import { rootStorages } from './storages.ts'

type HostRow = Awaited<ReturnType<typeof copyHosts>>[number]

export interface CopyFacts {
  clusterId: string
  clusterName: string
  networks: readonly ClusterNetworkValue[]
  sizeBytes: number
  /** At most; null: as fast as it goes. */
  limit: number | null
  /** Of the last copies there; null: none yet. */
  pace: number | null
  hosts: readonly HostRow[]
  storages: readonly Pick<
    ReturnType<typeof rootStorages>[number],
    'storageId' | 'hosts' | 'capacityBytes' | 'freeBytes' | 'keptBytes'
  >[]
  sources: readonly CopySourceRow[]
  pools: readonly CopyPoolRow[]
}

export type CopyPlan = ReturnType<typeof copyPlanned>

const isThere = ({ state }: { state: HostRow['state'] }) => state === 'online' || state === 'maintenance'

/** An agent tells 98 % when all bytes came: the rest is checking them (vmm/image-copy.ts). */
const percentSent = 98

/** Pure. */
export function copyPlanned(facts: CopyFacts) {
  const plan = planOf(facts)
  return { ...plan, checks: checksOf(plan, facts.hosts) }
}

type Planned = ReturnType<typeof planOf>

function planOf(facts: CopyFacts) {
  const storages = facts.storages.map(storage => storagePlanned(storage, facts))
  const told = new Set(facts.storages.flatMap(({ hosts }) => hosts.map(({ id }) => id)))
  const bytesToSend = storages.reduce((sum, storage) => sum + storage.bytesToSend, 0)
  const pace = paceOf(facts)
  // Each storage fetches for itself, all at once.
  const most = Math.max(0, ...storages.map(storage => storage.bytesToSend))
  const known = storages.length > 0
  const ms = !known ? null : most === 0 ? 0 : pace === null ? null : Math.ceil((most / pace.bytesPerSecond) * 1000)
  const sources = facts.sources
    .filter(({ id }) => facts.hosts.every(host => host.id !== id))
    .map(source => ({
      hostId: source.id,
      hostName: source.name,
      clusterName: source.cluster_name,
      up: isThere(source),
    }))
  const networks = facts.pools.flatMap(pool => networkPlanned(pool, facts))
  return {
    clusterId: facts.clusterId,
    clusterName: facts.clusterName,
    sizeBytes: facts.sizeBytes,
    bytesToSend,
    storages,
    /** It is not known yet what they keep images on. */
    hostsUnknown: facts.hosts.filter(({ id }) => !told.has(id)).map(({ name }) => name),
    sources,
    bytesPerSecond: pace?.bytesPerSecond ?? null,
    paceBy: pace?.by ?? null,
    ms,
    networks,
  }
}

function storagePlanned({ storageId, hosts, ...figures }: CopyFacts['storages'][number], facts: CopyFacts) {
  const { capacityBytes, freeBytes, keptBytes } = figures
  const own = facts.hosts.filter(host => hosts.some(({ id }) => id === host.id))
  const ready = own.some(({ observed_state }) => observed_state === 'ready')
  const percent = Math.max(0, ...own.map(({ observed_progress }) => observed_progress ?? 0))
  const came = ready ? 1 : Math.min(1, percent / percentSent)
  const bytesToSend = Math.round(facts.sizeBytes * (1 - came))
  const freeAfterBytes = Math.max(0, freeBytes - bytesToSend)
  return {
    storageId,
    hosts: own.map(({ id, name, state }) => ({ id, name, state })),
    capacityBytes,
    freeBytes,
    keptBytes,
    state: ready ? ('there' as const) : came > 0 ? ('partly' as const) : ('missing' as const),
    bytesToSend,
    freeAfterBytes,
    // What hosts themselves ask for (vmm/folders.ts): the reserve stays.
    fits: bytesToSend === 0 || freeBytes - bytesToSend >= keptBytes,
  }
}

function paceOf({ limit, pace }: CopyFacts): { bytesPerSecond: number; by: 'limit' | 'past' } | null {
  if (pace !== null && (limit === null || pace < limit)) return { bytesPerSecond: pace, by: 'past' }
  return limit === null ? null : { bytesPerSecond: limit, by: 'limit' }
}

/** Of pools on a network of the site: what that is there. */
function networkPlanned({ id, name, network, cluster_ids }: CopyPoolRow, facts: CopyFacts) {
  if (network.mode !== 'bridge') return []
  const here = networkIn(network, facts.networks)
  const [having, lacking] = [true, false].map(has =>
    facts.hosts.filter(({ bridges }) => bridges.includes(here.interface ?? '') === has).map(host => host.name),
  )
  return [
    {
      poolId: id,
      poolName: name,
      /** The pool may have desktops there, as it stands. */
      usesCluster: cluster_ids.length === 0 || cluster_ids.includes(facts.clusterId),
      network: cardName(network) ?? '',
      here: cardName(here) ?? '',
      /** The cluster says so; false: looked for under its own name. */
      mapped: facts.networks.some(known => known.name === network.interface),
      hosts: having ?? [],
      hostsWithout: lacking ?? [],
    },
  ]
}

function checksOf(plan: Planned, hosts: readonly HostRow[]) {
  const check = <N extends string>(name: N, wrong: string | undefined, well: string) => ({
    name,
    ok: wrong === undefined,
    text: wrong ?? well,
  })
  const up = hosts.filter(isThere)
  return [
    check(
      'hosts' as const,
      up.length === 0 ? `No host of ${plan.clusterName} is there: the copy waits for one.` : undefined,
      `Every host of ${plan.clusterName} gets it: ${hosts.map(({ name }) => name).join(', ')}.`,
    ),
    check(
      'room' as const,
      roomWrong(plan),
      plan.storages.length > 0
        ? 'There is room for it besides the reserve.'
        : 'How much room there is, is not known yet.',
    ),
    check('source' as const, sourceWrong(plan), sourceText(plan)),
    check('networks' as const, networksWrong(plan), networksText(plan)),
  ]
}

const namesOf = (hosts: readonly { name: string }[]) => hosts.map(({ name }) => name).join(', ')

function roomWrong({ storages }: Planned): string | undefined {
  const [small] = storages.filter(({ fits }) => !fits)
  if (!small) return
  const lacks = small.keptBytes + small.bytesToSend - small.freeBytes
  return `It does not fit on the storage of ${namesOf(small.hosts)}: ${sizeText(lacks)} are missing beside its reserve. It waits there until they are free.`
}

/** Where no storage is known yet, that is no word of it. */
const isEverywhere = ({ storages, bytesToSend }: Planned) => storages.length > 0 && bytesToSend === 0

const sourceWrong = ({ sources, ...plan }: Planned): string | undefined =>
  isEverywhere({ sources, ...plan }) || sources.some(({ up }) => up)
    ? undefined
    : sources.length === 0
      ? 'No host that has it is known: the copy waits for one.'
      : `No host that has it is there (${sources.map(({ hostName }) => hostName).join(', ')}): the copy waits for one.`

const sourceText = ({ sources, ...plan }: Planned): string =>
  isEverywhere({ sources, ...plan })
    ? 'It is there already: nothing is sent.'
    : `It comes from ${sources
        .filter(({ up }) => up)
        .map(({ hostName, clusterName }) => `${hostName} (${clusterName})`)
        .join(', ')}.`

function networksWrong({ networks, clusterName }: Planned): string | undefined {
  const lacking = networks.filter(({ hosts }) => hosts.length === 0)
  if (lacking.length === 0) return
  const told = lacking.map(({ poolName, network, here }) =>
    here === network ? `${poolName} (${network})` : `${poolName} (${network}, there ${here})`,
  )
  return `No host of ${clusterName} has the network of ${told.join(', ')}: say where it is by the cluster’s networks.`
}

const slower = (one: number | null, other: number | null) =>
  one === null ? other : other === null ? one : Math.min(one, other)

const networksText = ({ networks }: Planned): string =>
  networks.length === 0
    ? 'No pool of it names a network of the site.'
    : `The ${counted(networks.length, 'network of its pools is', 'networks of its pools are')} there.`

/** @throws HdcsError as `copyMake` does. */
export async function copyPlan(broker: Broker, templateId: string, number: number, ask: CopyAsk): Promise<CopyPlan> {
  const { db } = broker
  const { version, cluster } = await copyAsked(db, templateId, number, ask.clusterId)
  return copyPlanned({
    clusterId: cluster.id,
    clusterName: cluster.name,
    networks: cluster.networks,
    sizeBytes: version.stored_bytes ?? 0,
    limit: slower(ask.bytesPerSecond, cluster.image_bytes_per_second),
    pace: await copyPace(db, cluster.id),
    hosts: await copyHosts(db, version.id, cluster.id),
    storages: rootStorages(await storageHosts(db, cluster.id), []), // how full they are; not what is promised
    sources: await copySources(db, version.id),
    pools: await copyPools(db, templateId),
  })
}
