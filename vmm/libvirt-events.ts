/** libvirt's events as the host contract tells them, for domains of this installation alone. */
import { makeEventQueue } from './event-queue.ts'
import type { HostEvent } from './host.ts'
import type { ConnectionEvent, LibvirtConnection } from './libvirt/connection.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import type { DomainEvent } from './libvirt/events.ts'

type Lifecycle = Extract<DomainEvent, { type: 'lifecycle' }>['change']
type Meaning =
  | { type: 'started' | 'resumed' }
  | { type: 'paused'; full?: boolean }
  | { type: 'stopped'; because: 'wished' | 'guest' | 'crashed' }

/** Why a domain ended; whatever is not named here was somebody's wish. A killed QEMU is `failed`. */
const endings: Partial<Record<Lifecycle['why'], 'guest' | 'crashed'>> = {
  shutdown: 'guest',
  crashed: 'crashed',
  failed: 'crashed',
}
const passings: Partial<Record<Lifecycle['what'], (change: Lifecycle) => Meaning | null>> = {
  started: () => ({ type: 'started' }),
  suspended: ({ why }) => (why === 'migrated' ? null : { type: 'paused', ...(why === 'io error' && { full: true }) }),
  resumed: () => ({ type: 'resumed' }),
  stopped: ({ why }) => ({ type: 'stopped', because: endings[why] ?? 'wished' }),
}
export const lifecycleMeaning = (change: Lifecycle): Meaning | null => passings[change.what]?.(change) ?? null

/** Names the domain of an event; libvirt finds it by its uuid alone. */
export const refOf = (id: string) => ({ name: id, uuid: id, id: -1 })

/** Asking QEMU who is connected: only for machines that were running before us. */
const askMs = 1_000

export interface MachineEvents extends AsyncDisposable {
  events(): AsyncIterableIterator<HostEvent>
  /** From now on events of this domain are told. */
  own(id: string): void
  /** Its clients; QEMU is asked when it was running before us. @param fresh it does not run yet: nobody looks at it. */
  clients(id: string, fresh: boolean): Promise<number>
}

/**
 * A SPICE server has one client at a time (a second throws the first out), which opens several connections. libvirt
 * tells of each after its password was accepted; which of them is the main channel it does not tell. So: connections
 * open means one client.
 *
 * @param isOurs reads a domain that nobody told us of.
 */
export async function startMachineEvents(
  daemon: Pick<LibvirtDaemon, 'events' | 'statistics'>,
  isOurs: (id: string) => Promise<boolean>,
): Promise<MachineEvents> {
  const queue = makeEventQueue<HostEvent>()
  /** The open connections of each machine of ours; null: not asked yet. */
  const screens = new Map<string, Set<string> | null>()
  const subscription = await daemon.events.eventsSubscribe(['lifecycle', 'graphics', 'agentLifecycle'])

  function tellClients(id: string, change: (connections: Set<string>) => void): void {
    const connections = screens.get(id)
    if (!connections) return
    const before = Math.min(1, connections.size)
    change(connections)
    const clients = Math.min(1, connections.size)
    if (clients !== before) queue.push({ type: 'clients', machineId: id, clients })
  }

  async function hear(event: ConnectionEvent): Promise<void> {
    if (event.type === 'lost') return
    if (event.type === 'renewed' || event.type === 'overflow') {
      // Who came and went meanwhile is asked anew when the machines are listed.
      for (const id of screens.keys()) screens.set(id, null)
      return queue.push({ type: 'reread' })
    }
    const id = event.domain.uuid
    if (event.type === 'lifecycle') {
      const meaning = lifecycleMeaning(event.change)
      if (!meaning) return
      // Only a start brings news of a domain we do not know: somebody started it in our name, or we did before a crash.
      if (!screens.has(id) && (meaning.type !== 'started' || !(await isOurs(id)))) return
      if (meaning.type === 'started') screens.set(id, screens.get(id) ?? new Set())
      if (meaning.type === 'stopped') screens.delete(id)
      return queue.push({ ...meaning, machineId: id })
    }
    if (!screens.has(id)) return
    if (event.type === 'agentLifecycle')
      queue.push({ type: 'agent', machineId: id, connected: event.state === 'connected' })
    if (event.type === 'graphics') {
      const connection = `${event.remote.node} ${event.remote.service}`
      if (event.phase === 'initialize') tellClients(id, connections => connections.add(connection))
      if (event.phase === 'disconnect') tellClients(id, connections => connections.delete(connection))
    }
  }

  async function clients(id: string, fresh: boolean): Promise<number> {
    const known = screens.get(id)
    if (known) return Math.min(1, known.size)
    const connections = new Set<string>()
    screens.set(id, connections)
    // A QEMU whose guest is still coming answers only when it has come.
    if (fresh) return 0
    try {
      for (const connection of await spiceConnections(daemon.statistics, id)) connections.add(connection)
    } catch {
      // It ended meanwhile, or its QEMU hangs: the next connection or end is told as an event.
    }
    return Math.min(1, connections.size)
  }

  const hearing = (async () => {
    for await (const event of subscription) await hear(event)
  })()

  return {
    events: () => queue.consume(),
    own: id => void (screens.has(id) || screens.set(id, new Set())),
    clients,
    async [Symbol.asyncDispose]() {
      await subscription[Symbol.asyncDispose]()
      await hearing
      queue.end()
    },
  }
}

/** QMP `query-spice`: the connections past their password, as `host port`. */
async function spiceConnections(statistics: LibvirtConnection, id: string): Promise<string[]> {
  const command = JSON.stringify({ execute: 'query-spice' })
  const text = await statistics.domainQemuMonitorCommand({ domain: refOf(id), command }, { timeoutMs: askMs, lane: id })
  const answer = JSON.parse(text) as { return?: { channels?: { host: string; port: string }[] } }
  return (answer.return?.channels ?? []).map(({ host, port }) => `${host} ${port}`)
}
