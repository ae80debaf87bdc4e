/** Our machines as libvirt's domains: which there are, and in which state. */
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { type ReadDomain, readDomain } from './domain-xml.ts'
import type { FoundMachine } from './host.ts'
import type { LibvirtConnection } from './libvirt/connection.ts'
import { isLibvirt } from './libvirt/errors.ts'
import { statsFlags, statsGroups } from './libvirt/flags.ts'
import { type MachineEvents, refOf } from './libvirt-events.ts'

/** libvirt answers such questions in milliseconds. */
const askMs = 10_000
/** A start that another agent began is waited for so long, and looked at so often. */
const settledMs = 60_000
const settleMs = 100

/** virDomainState, as far as a domain that is listed can have it. */
const states = { nostate: 0, paused: 3, shutoff: 5, pmsuspended: 7 } as const
/** VIR_DOMAIN_PAUSED_STARTING_UP */
const startingUp = 11
/** VIR_DOMAIN_PAUSED_IOERROR: a write found no room (domain-xml.ts: `enospace`). */
const writeFailed = 5
/** VIR_DOMAIN_PAUSED_MIGRATION */
const migrating = 2
/** VIR_DOMAIN_PAUSED_POSTCOPY: its guest runs on another host by now, which still fetches memory from here. */
const fetchedFrom = 12
/** libvirt asks QEMU for 10 s before it kills it; reaping may take seconds more. */
const destroyMs = 60_000

interface DomainState {
  paused: boolean
  /** While libvirt starts a domain it says nothing, then paused; that is no pause anybody wished. */
  starting: boolean
  /** Its memory still comes from another host. */
  arriving: boolean
  /** QEMU paused it by itself: a write found no room. */
  full: boolean
}

function stateOf(state: number, reason: number): DomainState {
  const starting =
    state === states.nostate || state === states.shutoff || (state === states.paused && reason === startingUp)
  return {
    starting,
    full: state === states.paused && reason === writeFailed,
    paused: !starting && (state === states.paused || state === states.pmsuspended),
    // libvirt says it is starting before it says that it comes from elsewhere.
    arriving: starting || (state === states.paused && reason === migrating),
  }
}

export type LibvirtMachine = FoundMachine & Pick<ReadDomain, 'screenFixed' | 'disks'> & { full: boolean }

export interface LibvirtDomains {
  list(): Promise<LibvirtMachine[]>
  /** Whether it is ours; its QEMU is not asked, which may be busy with its start. */
  owns(id: string): Promise<boolean>
  /** Null when it does not run or is not ours. */
  find(id: string): Promise<LibvirtMachine | null>
  /** @throws HdcsError `not_found`. */
  get(id: string): Promise<LibvirtMachine>
  /** Waits for a start that is under way. Null: it did not come about. @throws HdcsError `timeout`. */
  settled(id: string): Promise<LibvirtMachine | null>
}

/** Cuts its power; returns when it is gone. */
export async function domainEnd(actions: LibvirtConnection, id: string): Promise<void> {
  try {
    await actions.domainDestroyFlags({ domain: refOf(id) }, { timeoutMs: destroyMs, lane: 'destroy' })
  } catch (error) {
    // Gone in this moment: as wished.
    if (!isLibvirt(error, 'noDomain', 'operationInvalid')) throw error
  }
}

export function libvirtDomains(
  actions: LibvirtConnection,
  installationId: string,
  clients: MachineEvents['clients'],
): LibvirtDomains {
  /** What each domain's XML said last: most say the same for hours, and reading one takes a millisecond. */
  const readings = new Map<string, { xml: string; domain: ReadDomain | null }>()

  async function read(id: string): Promise<ReadDomain | null> {
    try {
      const xml = await actions.domainGetXmlDesc({ domain: refOf(id) }, { timeoutMs: askMs })
      const last = readings.get(id)
      if (last?.xml === xml) return last.domain
      const seen = readDomain(xml)
      const domain = seen?.installationId === installationId ? seen : null
      readings.set(id, { xml, domain })
      return domain
    } catch (error) {
      readings.delete(id)
      if (isLibvirt(error, 'noDomain')) return null
      throw error
    }
  }

  async function found(
    { installationId: _, ...domain }: ReadDomain,
    { paused, arriving, full }: DomainState,
  ): Promise<LibvirtMachine> {
    // What still comes does not run yet: its guest runs where it comes from.
    const power = paused || arriving ? 'paused' : 'running'
    return { ...domain, clients: await clients(domain.id, arriving), power, arriving, full }
  }

  /** One call for all: the state group is answered without asking QEMU, so one that hangs holds nothing up. */
  async function statesOf(ids: readonly string[]): Promise<Map<string, DomainState>> {
    const domains = ids.map(refOf)
    const given = { domains, stats: statsGroups.state, flags: ids.length === 0 ? statsFlags.active : 0 }
    const stats = await actions.connectGetAllDomainStats(given, { timeoutMs: askMs })
    const read = stats.map(({ domain, params }) => ({
      id: domain.uuid,
      state: Number(params['state.state']),
      reason: Number(params['state.reason']),
    }))
    // What a guest leaves behind until all of its memory came is no machine; whoever ends it ends the guest.
    const here = read.filter(({ state, reason }) => state !== states.paused || reason !== fetchedFrom)
    return new Map(here.map(({ id, state, reason }) => [id, stateOf(state, reason)]))
  }

  async function look(id: string): Promise<{ machine: LibvirtMachine; starting: boolean } | null> {
    const domain = await read(id)
    const state = domain && (await statesOf([id])).get(id)
    return state ? { machine: await found(domain, state), starting: state.starting } : null
  }
  const find = async (id: string) => (await look(id))?.machine ?? null

  return {
    async list() {
      const running = await statesOf([])
      for (const id of readings.keys()) if (!running.has(id)) readings.delete(id)
      const states = [...running]
      const machines = await Promise.all(
        states.map(async ([id, state]) => {
          const domain = await read(id)
          return domain && found(domain, state)
        }),
      )
      return machines.filter(machine => machine !== null)
    },
    owns: async id => (await read(id)) !== null,
    find,
    async get(id) {
      const machine = await find(id)
      if (!machine) throw new HdcsError('not_found', 'The machine does not run.')
      return machine
    },
    async settled(id) {
      for (let waitedMs = 0; waitedMs < settledMs; waitedMs += settleMs) {
        const seen = await look(id)
        if (!seen) return null
        if (seen.machine.graphics && !seen.starting) return seen.machine
        await pause(settleMs)
      }
      throw new HdcsError('timeout', 'The machine has been starting for too long.')
    },
  }
}
