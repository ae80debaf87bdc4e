/** A small site for tests: real PostgreSQL, one or more broker processes' worth of parts, simulated hosts. */

import { permissionsOf, type Role } from '../../auth/policy.ts'
import type { Principal } from '../../auth/principal.ts'
import { makeAgentHub } from '../../broker/agents.ts'
import type { Broker } from '../../broker/broker.ts'
import { eventsHeard } from '../../broker/events.ts'
import { firstStart, localHost } from '../../broker/first-start.ts'
import { poolGet, poolList } from '../../broker/pools.ts'
import { startReconcilers } from '../../broker/reconcile/all.ts'
import { connectDatabase, type Db } from '../../db/connect.ts'
import { listenDatabase } from '../../db/notify.ts'
import { settingInstallationId } from '../../db/settings.ts'
import { systemClock } from '../../lib/clock.ts'
import { asHdcsError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { makeLog } from '../../lib/log.ts'
import { type AgentConnect, startAgent } from '../../vmm/agent.ts'
import { consoleDialler } from '../../vmm/agent-console.ts'
import { makeSimHost, type SimHost, type SimHostOptions } from '../../vmm/sim-host.ts'
import { freshDatabase } from './database.ts'

const log = makeLog('test', process.env.HDCS_LOG_LEVEL ?? 'silent')

/**
 * One control process without its HTTP side.
 * @param db its connection, when a test has a hand on it.
 * @param own what else is other than usual.
 */
export async function startPart(
  url: string,
  lead: boolean,
  db: Db = connectDatabase(url, () => {}),
  own: Partial<Broker> = {},
): Promise<{ broker: Broker; hub: ReturnType<typeof makeAgentHub> } & AsyncDisposable> {
  await using undo = new AsyncDisposableStack()
  undo.defer(() => db.destroy())
  const broker: Broker = {
    db,
    clock: systemClock,
    log,
    ticketKey: new Uint8Array(32),
    gatewayUrl: null,
    viewerFile: ({ name }) => `[virt-viewer]\ntitle=${name}\n`,
    commandsFolder: '/nonexistent',
    uploadFolder: '/nonexistent',
    maxUploadBytes: 1e9,
    maxVirtualBytes: 1e12,
    ...own,
  }
  const installationId = await settingInstallationId(db)
  const hub = makeAgentHub(broker, installationId)
  const reconcilers = lead ? undo.use(startReconcilers(broker)) : undefined
  const heard = Promise.withResolvers<void>()
  undo.use(
    listenDatabase(url, ['hdcs_nudge', 'hdcs_host', 'hdcs_line', 'hdcs_images', 'hdcs_event', 'hdcs_operation'], {
      notified(channel, payload) {
        if (channel === 'hdcs_nudge') reconcilers?.nudge(payload)
        else if (channel === 'hdcs_event') eventsHeard(broker)
        else if (channel === 'hdcs_line') void hub.review(payload)
        else if (channel === 'hdcs_images') hub.wake(undefined, 'images')
        else if (channel === 'hdcs_operation') hub.wake(payload, 'operations')
        else hub.wakeMachines(payload)
      },
      missed() {
        heard.resolve()
        reconcilers?.nudge()
        hub.wake()
      },
      failed: error => log.warn({ err: error }, 'listening'),
    }),
  )
  await heard.promise
  const kept = undo.move()
  return { broker, hub, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

export interface TestSite extends AsyncDisposable {
  broker: Broker
  url: string
  hosts: SimHost[]
  /** Ends the agent of a host, whose machines run on; or starts a new one, which finds them. By its place in `hosts`. */
  agentStop(index: number): Promise<void>
  agentStart(index: number): Promise<void>
  person(name: string, roles?: Role[]): Promise<Principal>
  /** Resolves when `look` gives something; fails after 20 s with what it saw last. */
  until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T>
}

/**
 * @param options.sim per host; an empty list makes a site without hosts.
 * @param options.lead false: the reconcilers run in a part of the test's own.
 * @param options.own what of its broker is other than usual.
 */
export async function startSite(
  options: { sim?: Partial<SimHostOptions>[]; lead?: boolean; own?: Partial<Broker> } = {},
): Promise<TestSite> {
  await using undo = new AsyncDisposableStack()
  const { url, ...database } = await freshDatabase()
  undo.defer(() => database[Symbol.asyncDispose]())
  const part = undo.use(await startPart(url, options.lead ?? true, undefined, options.own))
  const { broker, hub } = part
  const installationId = await settingInstallationId(broker.db)
  const { clusterId } = await firstStart(broker)
  const hosts: SimHost[] = []
  const starts: (() => ReturnType<typeof startAgent>)[] = []
  const agents: (AsyncDisposable | undefined)[] = []
  const agentStop = async (index: number) => {
    await agents[index]?.[Symbol.asyncDispose]()
    agents[index] = undefined
  }
  const agentStart = async (index: number) => {
    await agentStop(index)
    agents[index] = await starts[index]?.()
  }
  for (const [index, sim] of (options.sim ?? [{}]).entries()) {
    const name = `sim-${index + 1}`
    const { hostId } = await localHost(broker, clusterId, name, [])
    const host = undo.use(makeSimHost({ installationId, hostName: name, ...sim }))
    const network = await networkOf(broker.db, hostId)
    starts.push(() => startAgent({ host, connect: inProcess(hub, { id: hostId, ...network }), dialConsole, log }))
    undo.defer(() => agentStop(index))
    await agentStart(index)
    hosts.push(host)
  }
  const kept = undo.move()
  return {
    broker,
    url,
    hosts,
    agentStop,
    agentStart,
    person: (name, roles = ['person']) => addPerson(broker.db, name, roles),
    until,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Once the demo pool is warm and every host has its image: an administrator, and the template to make pools of. */
export async function siteWarm(site: TestSite): Promise<{ admin: Principal; templateId: string }> {
  const admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  const { id = '', templateId = '' } = demo ?? {}
  await site.until('the demo pool is warm', async () => (await poolGet(site.broker, admin, id)).counts.ready === 2)
  await site.until('every host has the image', async () => {
    const rows = await site.broker.db.selectFrom('host_image').select('observed_state').execute()
    return rows.length === site.hosts.length && rows.every(row => row.observed_state === 'ready')
  })
  return { admin, templateId }
}

/** To the gateway that the broker names: this one is nobody’s address. */
const dialConsole = consoleDialler('http://127.0.0.1:1')

/** The line between agent and hub without a socket. */
const inProcess =
  (hub: ReturnType<typeof makeAgentHub>, host: { id: string; subnet: string; supernet: string }): AgentConnect =>
  connection => {
    let open = true
    const agent = hub.attach(host, {
      send: message => setImmediate(() => open && connection.heard(structuredClone(message))),
      close: () => {},
    })
    connection.opened({ send: message => void agent.received(structuredClone(message)) })
    return {
      async [Symbol.asyncDispose]() {
        open = false
        agent.closed()
      },
    }
  }

function networkOf(db: Db, hostId: string) {
  return db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.subnet', 'cluster.supernet'])
    .where('host.id', '=', hostId)
    .executeTakeFirstOrThrow()
}

/** For what its pool may be removing by itself in this moment. @throws anything but that refusal. */
export const unlessGoing = (error: unknown) => {
  if (asHdcsError(error).code !== 'not_found' && !asHdcsError(error).message.includes('already being removed'))
    throw error
}

export async function addPerson(db: Db, name: string, roles: Role[]): Promise<Principal> {
  const userId = newId()
  await db
    .insertInto('user_account')
    .values({ id: userId, name, display_name: name, email: null, password_hash: null, roles, last_seen_at: null })
    .execute()
  return { userId, name, displayName: name, roles, permissions: permissionsOf(roles), tokenId: newId() }
}

/** Facts are looked for, never slept for: each look follows the other after a moment. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (Date.now() > deadline) throw new Error(`did not come about: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
