/** Whether a desktop could be made by hand as it is wished: every check with its reason, and nothing is written. */
import type { Principal } from '../auth/principal.ts'
import type { Db, Tx } from '../db/connect.ts'
import { hardwareOf, type PoolRow, poolRows, subjectsUnknown } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { versionBytes, versionCurrent } from '../db/templates.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { sizeText } from '../lib/sizes.ts'
import type { Broker } from './broker.ts'
import { discAsked } from './desktop-changes.ts'
import { nameRefusal } from './desktop-names.ts'
import type { OwnWish } from './making.ts'
import { networkIn } from './nics.ts'
import {
  type Decision,
  type Demand,
  decisionText,
  type HostFacts,
  placeDesktop,
  placementFilters,
} from './placement.ts'
import { demandOf, hostsToPlaceOn } from './placing.ts'
import { defined, diskMissing, diskRange } from './pool-wish.ts'

export const makingChecks = [
  'rights',
  'pool',
  'person',
  'name',
  'image',
  'disk',
  'medium',
  'network',
  'capacity',
  'host',
] as const

export interface MakingCheck {
  name: (typeof makingChecks)[number]
  ok: boolean
  /** What was found, or why not and what to do. */
  text: string
}

export interface MakingPlan {
  /** All of the checks. */
  ok: boolean
  checks: MakingCheck[]
  /** Where it would go; null: nowhere. */
  host: { id: string; name: string; why: string } | null
}

const fine = (text: string) => ({ ok: true, text })
const refused = (text: string) => ({ ok: false, text })

/** @throws HdcsError `not_found` (pool). */
export async function makingPlan(
  broker: Broker,
  principal: Principal,
  poolId: string,
  { userId, cdrom, ...own }: OwnWish & { userId: string; cdrom?: string | null | undefined },
): Promise<MakingPlan> {
  const { db } = broker
  const [pool] = await poolRows(db, { ids: [poolId], userId })
  if (!pool) throw new HdcsError('not_found', 'There is no such pool.')
  const version = await versionCurrent(db, pool)
  const hardware = { ...hardwareOf(pool.template_hardware, pool.hardware), ...defined(own.hardware ?? {}) }
  const hosts = await hostsToPlaceOn(db, { poolIds: [poolId] })
  const demand = demandOf(pool, { hardware, versionId: version?.id ?? '' }, 'person')
  const decision = placeDesktop(hosts, demand)
  const chosen = hosts.find(({ id }) => id === decision.hostId)
  const taken = own.name === undefined ? undefined : await nameRefusal(db, own.name)
  const least = version ? await versionBytes(db, version.id) : 0
  const found = {
    rights: principal.permissions.has('desktop.write')
      ? fine(`${principal.name} may make desktops`)
      : refused('Only administrators of machines may make desktops.'),
    pool: poolCheck(pool, hosts),
    person: pool.usable ? fine('may use the pool') : refused(await personRefusal(db, principal, userId)),
    name: taken ? refused(taken) : fine(own.name === undefined ? 'the pool’s next' : `${own.name} is free`),
    image: version
      ? somewhere(['image'], hosts, demand, fine(`version ${version.number} of ${pool.template_name}`))
      : refused('The template has no version that is ready. Wait until it is built.'),
    disk: diskCheck(
      { least, most: broker.maxVirtualBytes, wished: hardware.diskBytes, blank: version?.blank === true },
      hosts,
      demand,
      chosen,
    ),
    medium: await mediumCheck(db, cdrom ?? null),
    network: somewhere(['network', 'addresses', 'ports'], hosts, demand, fine(networkText(pool, chosen))),
    capacity: somewhere(['hardware', 'size', 'vcpus', 'memory'], hosts, demand, fine(capacityText(hardware, chosen))),
    host: hostCheck(decision),
  } satisfies Record<MakingCheck['name'], Omit<MakingCheck, 'name'>>
  const checks = makingChecks.map(name => ({ name, ...found[name] }))
  return {
    ok: checks.every(({ ok }) => ok),
    checks,
    host: chosen ? { id: chosen.id, name: chosen.name, why: decision.why } : null,
  }
}

function poolCheck(pool: PoolRow, hosts: readonly HostFacts[]): Omit<MakingCheck, 'name'> {
  const { name, max_size: most } = pool
  if (!pool.wished_present) return refused(`${name} is being removed.`)
  if (pool.kind !== 'persistent')
    return refused(`${name} is floating: its desktops are nobody’s for long. Use a persistent pool.`)
  const size = hosts.reduce((sum, host) => sum + (host.poolDesktops.get(pool.id) ?? 0), 0)
  return size < most
    ? fine(`${counted(size, 'place', 'places')} of its ${most} taken`)
    : refused(`All ${most} places of ${name} are taken: raise its largest size.`)
}

/** Why a person cannot have a desktop of a pool that they may not use. Who may not know of people is not told which. */
export async function personRefusal(db: Db | Tx, principal: Principal, userId: string): Promise<string> {
  if (!principal.permissions.has('user.read'))
    return 'There is no such person, or that person may not use this pool: entitle them first.'
  const [unknown] = await subjectsUnknown(db, [userId], [])
  return unknown === undefined
    ? 'That person may not use this pool: entitle them first.'
    : 'There is no such person: choose one of those there are.'
}

async function mediumCheck(db: Db, cdrom: string | null): Promise<Omit<MakingCheck, 'name'>> {
  if (cdrom === null) return fine('no disc in its drive')
  const { disc, refused: why } = await discAsked(db, cdrom)
  return disc ? fine(`${disc.name}, version ${disc.number}`) : refused(why)
}

function diskCheck(
  { least, most, wished, blank }: { least: number; most: number; wished: number | null; blank: boolean },
  hosts: readonly HostFacts[],
  demand: Demand,
  chosen: HostFacts | undefined,
): Omit<MakingCheck, 'name'> {
  if (wished && (wished < least || wished > most)) return refused(diskRange(least, most))
  if (wished === null && blank) return refused(diskMissing)
  const left = chosen?.storageLeftBytes ?? null
  const room = left === null ? '' : `; ${sizeText(left)} are left on ${chosen?.name} besides its reserve`
  return somewhere(['storage'], hosts, demand, fine(`grows to ${sizeText(wished ?? least)} at most${room}`))
}

/** Told by each of these filters alone: refused where no host passes all of them. */
function somewhere(
  names: readonly (keyof typeof placementFilters)[],
  hosts: readonly HostFacts[],
  demand: Demand,
  found: Omit<MakingCheck, 'name'>,
): Omit<MakingCheck, 'name'> {
  const against = hosts.map(host => names.map(name => placementFilters[name](host, demand)).find(text => text))
  if (against.some(text => text === undefined)) return found
  const told = hosts.slice(0, 3).map(({ name }, at) => `${name}: ${against[at]}`)
  return refused(told.length === 0 ? 'No host has joined.' : `On no host: ${told.join('; ')}.`)
}

const hostCheck = (decision: Decision) =>
  decision.hostName === undefined
    ? refused(`No host can take it now (${decisionText(decision)}).`)
    : fine(`${decision.hostName}: ${decision.why}`)

function networkText({ network }: PoolRow, chosen: HostFacts | undefined): string {
  if (network.mode === 'bridge') {
    const { interface: name = 'the site’s network' } = network
    const { interface: here = name } = networkIn(network, chosen?.networks ?? [])
    return `${name}${here === name ? '' : `, which is ${here} on ${chosen?.name},`} gives it its address`
  }
  return chosen ? `one of the ${chosen.addressesFree} free addresses of ${chosen.name}` : 'an address is free'
}

function capacityText({ vcpus, memoryBytes }: HardwareValue, chosen: HostFacts | undefined): string {
  const asked = `${vcpus} vCPU and ${sizeText(memoryBytes)} memory`
  if (!chosen) return asked
  const few =
    vcpus > chosen.cpus ? `, which has only ${counted(chosen.cpus, 'CPU', 'CPUs')}: fewer are faster there` : ''
  return `${asked} on ${chosen.name}${few}`
}
