/**
 * The control plane's end of each agent's line: what the host shall hold goes out, what is there comes in. Which
 * process an agent is connected to does not matter: wishes stand in the database, and PostgreSQL's notifications
 * reach every process.
 */
import {
  desktopGenerations,
  desktopSpecs,
  desktopsObserve,
  desktopsObserveAbsent,
  straysToRemove,
} from '../db/agents.ts'
import { setupObserve } from '../db/customisation.ts'
import { donglesObserve } from '../db/dongles.ts'
import { nudge } from '../db/events.ts'
import { exportsObserve, exportsWished } from '../db/exports.ts'
import { foreignObserve } from '../db/foreign-machines.ts'
import { hostAddresses, hostByKey, hostKeyRemoved, hostLines, hostObserve } from '../db/hosts.ts'
import { migrationsObserve } from '../db/migrations.ts'
import { snapshotsObserve } from '../db/snapshots.ts'
import { storageObserve, storageWished } from '../db/storage-pools.ts'
import { operationDone, operationsOpen } from '../db/tasks.ts'
import { imagesObserve, versionsWished } from '../db/templates.ts'
import { again, transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import type { FromAgent, protocolVersion, removedFrom, ToAgent } from '../vmm/protocol.ts'
import type { ImageSpec } from '../vmm/spec.ts'
import type { Broker } from './broker.ts'
import { consolePlace } from './console-places.ts'
import { exportObserved } from './exports.ts'
import { copiesNote, historyNote, hostSaid } from './host-history.ts'
import { secretHash } from './hosts.ts'
import { donglesSaid, goneReport, imageObserved, moveObserved, observed, snapshotsSaid } from './machine-reports.ts'
import { exportSpec, imageSpec, machineSpec } from './machine-specs.ts'
import { trialAnswered, trialTold } from './script-trials.ts'
import { answersSpec, setupSaid, setupSpec } from './setup.ts'
import { storageSpec } from './storage-specs.ts'

/** Changes of one moment go out together. Longer: starts are late; shorter: a pool of 100 is 100 messages. */
const gatherMs = 10

/** Checked against the agent's own constant by the compiler. */
const spokenProtocol: typeof protocolVersion = 3

export interface AgentLine {
  send(message: ToAgent): void
  close(reason: string): void
}

interface Attached {
  hostId: string
  supernet: string
  subnet: string
  keyHash: string | undefined
  line: AgentLine
  /** What the agent was last told: id → generation (machines), id → its spec (images). */
  machines: Map<string, number>
  images: Map<string, string>
  /** And all of its storage, as text. */
  storage: string
  /** Told to destroy their disks too, and not yet gone. */
  removing: Set<string>
  /** Addresses of hosts that its desktops may not reach, as it was last told. */
  closed: string[]
  operations: Set<string>
  greeted: boolean
  /** The line is closed: what is still queued is dropped, the next line begins with everything. */
  ended: boolean
  /** Messages of one agent are worked off one after another: an older report never overwrites a newer one. */
  turn: Promise<void>
  due: NodeJS.Timeout | undefined
  /** What to look at when it is due. */
  stale: Set<Wished>
  /** Which machines of it; null: all. */
  staleIds: Set<string> | null
}

export interface AgentHost {
  id: string
  subnet: string
  supernet: string
  /** Of the key it came with. */
  keyHash?: string
}

/** What may have changed of a wish: only that is read. Storage pools and volumes are told with images. */
export type Wished = 'machines' | 'images' | 'operations'
const everyWish = ['machines', 'images', 'operations'] as const satisfies Wished[]

export interface AgentHub {
  /** An agent has connected and proven which host it is. Another connection of the same host is closed. */
  attach(host: AgentHost, line: AgentLine): { received(message: FromAgent): Promise<void>; closed(): void }
  /** Something a host shall hold has changed; no id means all hosts, no word that it may be anything. */
  wake(hostId?: string, what?: Wished): void
  /** The wish for one of a host's desktops changed, or for any of them: `hdcs_host` (db/notify.ts). */
  wakeMachines(payload: string): void
  /**
   * A host was removed, or has another key or subnet now: its agent's line is closed. It dials again and is told
   * everything anew, or is not let in. Or the addresses of hosts are others: it is told. No id means all hosts.
   */
  review(hostId?: string): Promise<void>
}

export function makeAgentHub(broker: Broker, installationId: string): AgentHub {
  const attached = new Map<string, Attached>()

  const inTurn = (agent: Attached, work: () => Promise<void>): Promise<void> => {
    const next = agent.turn.then(() => (agent.ended ? undefined : again(work)))
    // A failed turn must not stop the line: the agent is made to start over, which rereads everything.
    agent.turn = next.catch(error => {
      broker.log.error(
        { err: error, hostId: agent.hostId },
        'an agent’s message could not be worked off; it shall reconnect',
      )
      agent.line.close('internal')
    })
    return agent.turn
  }

  const wakeOne = (agent: Attached, what: Wished | undefined, desktopId?: string) => {
    for (const one of what ? [what] : everyWish) agent.stale.add(one)
    if (desktopId !== undefined) agent.staleIds?.add(desktopId)
    else if (what !== 'images' && what !== 'operations') agent.staleIds = null
    agent.due ??= setTimeout(() => {
      agent.due = undefined
      const { stale, staleIds } = agent
      agent.stale = new Set()
      agent.staleIds = new Set()
      // Asked in its turn: what changes while everything is being told is told after it, not forgotten.
      void inTurn(agent, async () => {
        if (agent.greeted) await tellChanges(broker, agent, stale, staleIds)
      })
    }, gatherMs)
  }

  return {
    attach(host, line) {
      const older = attached.get(host.id)
      if (older) {
        // What it still says is older than the new one's hello.
        older.ended = true
        older.line.close('replaced')
      }
      const agent: Attached = {
        hostId: host.id,
        supernet: host.supernet,
        subnet: host.subnet,
        keyHash: host.keyHash,
        line,
        machines: new Map(),
        images: new Map(),
        storage: '',
        removing: new Set(),
        closed: [],
        operations: new Set(),
        greeted: false,
        ended: false,
        turn: Promise.resolve(),
        due: undefined,
        stale: new Set(),
        staleIds: new Set(),
      }
      attached.set(host.id, agent)
      return {
        received: message => inTurn(agent, () => receive(broker, installationId, agent, message)),
        closed() {
          agent.ended = true
          clearTimeout(agent.due)
          if (attached.get(host.id) === agent) attached.delete(host.id)
        },
      }
    },
    wake(hostId, what) {
      for (const agent of attached.values()) if (hostId === undefined || agent.hostId === hostId) wakeOne(agent, what)
    },
    wakeMachines(payload) {
      const [hostId = '', desktopId] = payload.split(' ')
      const agent = attached.get(hostId)
      if (agent) wakeOne(agent, 'machines', desktopId)
    },
    async review(hostId) {
      const held = [...attached.values()].filter(agent => !hostId || agent.hostId === hostId)
      if (held.length === 0) return
      const ids = held.map(agent => agent.hostId)
      const closed = await hostAddresses(broker.db)
      const now = new Map((await hostLines(broker.db, ids)).map(host => [host.id, host]))
      for (const agent of held) {
        const host = now.get(agent.hostId)
        if (!host) agent.line.close('removed')
        else if (agent.keyHash !== undefined && host.key_hash !== agent.keyHash) agent.line.close('replaced')
        else if (host.subnet !== agent.subnet || host.supernet !== agent.supernet) agent.line.close('another network')
        else
          void inTurn(agent, async () => {
            if (agent.greeted && `${agent.closed}` !== `${closed}`) await tellEverything(broker, installationId, agent)
          })
      }
    },
  }
}

async function receive(broker: Broker, installationId: string, agent: Attached, message: FromAgent): Promise<void> {
  const at = broker.clock.now()
  const { db } = broker
  switch (message.type) {
    case 'hello': {
      if (message.protocol !== spokenProtocol)
        throw new HdcsError(
          'protocol',
          `The agent speaks protocol ${message.protocol}, this control plane ${spokenProtocol}: update it.`,
        )
      const { facts, usage, troubles } = message.host
      await transact(db, async tx => {
        await hostSaid(tx, agent.hostId, { troubles, startedAt: message.startedAt }, at)
        await hostObserve(tx, agent.hostId, { at, facts, usage, troubles })
      })
      await tellEverything(broker, installationId, agent)
      agent.greeted = true
      // Placement counts on hosts that are online: the hosts reconciler need not wait for its timer.
      return nudge(db, 'hosts')
    }
    case 'beat': {
      const { host } = message
      if (!host) return hostObserve(db, agent.hostId, { at })
      return transact(db, async tx => {
        await hostSaid(tx, agent.hostId, host, at)
        const { foreign, ...observed } = host
        if (foreign) await foreignObserve(tx, agent.hostId, foreign, at)
        await hostObserve(tx, agent.hostId, { at, ...observed })
      })
    }
    case 'report': {
      const gone = message.gone.map(goneReport)
      if (message.full) {
        await copiesNote(broker, agent.hostId, message.machines)
        await desktopsObserveAbsent(
          db,
          agent.hostId,
          message.machines.map(machine => machine.id),
        )
      }
      await desktopsObserve(db, agent.hostId, [...message.machines.map(observed), ...gone])
      await setupObserve(db, agent.hostId, message.machines.flatMap(setupSaid))
      await migrationsObserve(db, agent.hostId, message.machines.flatMap(moveObserved), at)
      await donglesObserve(db, agent.hostId, donglesSaid(message.machines))
      for (const said of snapshotsSaid(message.machines))
        await transact(db, tx => snapshotsObserve(tx, agent.hostId, said, at))
      if (message.full || message.images.length > 0)
        await imagesObserve(db, agent.hostId, message.images.map(imageObserved), message.full)
      await exportsObserve(
        db,
        agent.hostId,
        message.images.filter(({ state }) => state !== 'ready').map(exportObserved),
      )
      if (message.storage) await storageObserve(db, agent.hostId, message.storage)
      const remove = await straysToRemove(db, agent.hostId, message.strays)
      for (const { id, because } of remove)
        broker.log.info({ hostId: agent.hostId, desktopId: id, because }, 'a disk that is left over shall be removed')
      const ids = remove.map(({ id }) => id)
      if (ids.length === 0) return
      const amount = remove.filter(({ leftOver }) => leftOver).length
      if (amount > 0) await historyNote(broker, { hostId: agent.hostId, what: 'disksRemoved', amount })
      return agent.line.send({ type: 'change', machines: [], images: [], gone: [], remove: ids })
    }
    case 'operated':
      return operationDone(db, message.operationId, await trialAnswered(broker, agent.hostId, message), at)
  }
}

/** A row as its host is told of it, with what is still to be run in its guest. */
function specOf(broker: Broker, row: Awaited<ReturnType<typeof desktopSpecs>>[number], hostId: string) {
  const setup = setupSpec(row, broker.ticketKey)
  return { ...machineSpec(row, hostId), ...(setup && { setup }), ...answersSpec(row, broker.ticketKey) }
}

async function tellEverything(broker: Broker, installationId: string, agent: Attached) {
  const wished = await desktopGenerations(broker.db, agent.hostId)
  const remove = wished.filter(row => !row.wished_present).map(row => row.id)
  const machines = (await desktopSpecs(broker.db, agent.hostId)).map(row => specOf(broker, row, agent.hostId))
  const images = await imageSpecs(broker, agent.hostId)
  agent.machines = new Map(machines.map(machine => [machine.id, machine.generation]))
  agent.images = new Map(images.map(image => [image.id, JSON.stringify(image)]))
  const storage = storageSpec(await storageWished(broker.db, agent.hostId), broker.ticketKey)
  agent.storage = JSON.stringify(storage)
  agent.removing = new Set(remove)
  agent.operations.clear()
  agent.closed = await hostAddresses(broker.db)
  const { hostId, supernet, subnet, closed } = agent
  const spec = { installationId, hostId, network: { supernet, subnet, closed }, images, machines, remove, storage }
  agent.line.send({ type: 'wish', spec })
  await tellOperations(broker, agent)
}

async function tellChanges(
  broker: Broker,
  agent: Attached,
  stale: ReadonlySet<Wished>,
  staleIds: ReadonlySet<string> | null,
) {
  const machines = stale.has('machines') ? await machineChanges(broker, agent, staleIds) : nothingNew
  const images = stale.has('images') ? await imageChanges(broker, agent) : nothingNew
  const storage = stale.has('images') ? await storageChange(broker, agent) : {}
  const gone = [...machines.gone, ...images.gone]
  const { fresh, remove } = machines
  if (fresh.length + images.fresh.length + gone.length + remove.length > 0 || 'storage' in storage)
    agent.line.send({ type: 'change', machines: fresh, images: images.fresh, gone, remove, ...storage })
  if (stale.has('operations')) await tellOperations(broker, agent)
}

const nothingNew = { fresh: [], gone: [], remove: [] } satisfies Record<string, never[]>

async function machineChanges(broker: Broker, agent: Attached, staleIds: ReadonlySet<string> | null) {
  const ids = staleIds ? [...staleIds] : await machinesStale(broker, agent)
  if (ids.length === 0) return nothingNew
  const rows = new Map((await desktopSpecs(broker.db, agent.hostId, ids)).map(row => [row.id, row]))
  const present = [...rows.values()].filter(row => row.wished_present)
  const fresh = present
    .filter(row => agent.machines.get(row.id) !== row.generation)
    .map(row => specOf(broker, row, agent.hostId))
  // Also what this agent never heard of: its answer is what lets the row go.
  const remove = ids.filter(id => rows.get(id)?.wished_present === false && !agent.removing.has(id))
  const gone = ids.filter(id => !rows.has(id) && agent.machines.has(id))
  for (const id of ids) if (rows.get(id)?.wished_present !== false) agent.removing.delete(id)
  for (const id of remove) agent.removing.add(id)
  for (const machine of fresh) agent.machines.set(machine.id, machine.generation)
  for (const id of [...gone, ...remove]) agent.machines.delete(id)
  return { fresh, gone, remove }
}

/** Of all its machines those that it was told otherwise of. */
async function machinesStale(broker: Broker, agent: Attached): Promise<string[]> {
  const rows = await desktopGenerations(broker.db, agent.hostId)
  const there = new Set(rows.map(row => row.id))
  const told = [...agent.machines.keys(), ...agent.removing].filter(id => !there.has(id))
  const changed = rows.filter(({ id, generation, wished_present }) =>
    wished_present ? agent.machines.get(id) !== generation || agent.removing.has(id) : !agent.removing.has(id),
  )
  return [...new Set([...told, ...changed.map(row => row.id)])]
}

async function imageChanges(broker: Broker, agent: Attached) {
  const images = await imageSpecs(broker, agent.hostId)
  const fresh = images.filter(image => agent.images.get(image.id) !== JSON.stringify(image))
  const gone = [...agent.images.keys()].filter(id => !images.some(image => image.id === id))
  for (const image of fresh) agent.images.set(image.id, JSON.stringify(image))
  for (const id of gone) agent.images.delete(id)
  return { fresh, gone }
}

/** All of it when any of it changed: it is little, and changes seldom. */
async function storageChange(broker: Broker, agent: Attached) {
  const storage = storageSpec(await storageWished(broker.db, agent.hostId), broker.ticketKey)
  const text = JSON.stringify(storage)
  if (text === agent.storage) return {}
  agent.storage = text
  return { storage }
}

async function tellOperations(broker: Broker, agent: Attached) {
  for (const { id, desktop_id, name } of await operationsOpen(broker.db, agent.hostId)) {
    if (agent.operations.has(id)) continue
    agent.operations.add(id)
    const operation = { id, machineId: desktop_id, name }
    const place = name === 'console' && desktop_id !== null && (await consolePlace(broker, id, desktop_id))
    const script = name === 'script' && (await trialTold(broker, id))
    const more = { ...(place && { console: place }), ...(script && { script }) }
    agent.line.send({ type: 'operate', operation: { ...operation, ...more } })
  }
}

async function imageSpecs(broker: Broker, hostId: string): Promise<ImageSpec[]> {
  const rows = await versionsWished(broker.db, hostId)
  const exports = await exportsWished(broker.db, hostId)
  return [...rows.map(row => imageSpec(row, broker.maxVirtualBytes)), ...exports.map(exportSpec)]
}

export const removedHeader: typeof removedFrom = 'hdcs-removed-from'

/** Whether the host whose key this was has been removed since; what was never known here is no such key. */
export const hostRemoved = (broker: Broker, key: string | undefined) =>
  key === undefined ? false : hostKeyRemoved(broker.db, secretHash(key))

/** The host whose key this is; undefined for a key that is none. */
export async function hostOfKey(broker: Broker, key: string | undefined): Promise<AgentHost | undefined> {
  if (key === undefined) return undefined
  const keyHash = secretHash(key)
  const host = await hostByKey(broker.db, keyHash)
  return host && { ...host, keyHash }
}
