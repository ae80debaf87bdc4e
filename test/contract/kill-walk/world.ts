/**
 * A site whose control plane can be killed before any of its statements: real PostgreSQL, simulated hosts with agents
 * that dial again, and the API as programs ask it. h1, h2 and h3 of the cluster `main` share a storage; h4, alone in
 * `second`, has its own.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportTake } from '../../../api/agent-exports.ts'
import { mountAgents } from '../../../api/agents.ts'
import { makeApp } from '../../../api/app.ts'
import { type Client, makeClient } from '../../../api/client.ts'
import { operations } from '../../../api/operations.gen.ts'
import { routes } from '../../../api/routes.ts'
import { uploadsSweep } from '../../../api/uploads.ts'
import type { Role } from '../../../auth/policy.ts'
import { sessionOpen } from '../../../auth/tokens.ts'
import type { AgentHub } from '../../../broker/agents.ts'
import { exportsFolder } from '../../../broker/exports.ts'
import { firstStart, localHost } from '../../../broker/first-start.ts'
import type { Db } from '../../../db/connect.ts'
import { nudge } from '../../../db/events.ts'
import { settingInstallationId } from '../../../db/settings.ts'
import { HdcsError } from '../../../lib/errors.ts'
import { makeLog } from '../../../lib/log.ts'
import { type AgentConnection, startAgent } from '../../../vmm/agent.ts'
import type { HostOptions } from '../../../vmm/host.ts'
import { simForeign } from '../../../vmm/sim-foreign.ts'
import { makeSimHost, type SimHost } from '../../../vmm/sim-host.ts'
import { makeSimStorage, type SimStorage } from '../../../vmm/sim-storage.ts'
import { freshDatabase } from '../../support/database.ts'
import { type MortalDatabase, mortalDatabase } from '../../support/mortal-database.ts'
import { addPerson, startPart, until } from '../../support/site.ts'
import { restless, strangers } from './orphans.ts'

const log = makeLog('test', 'silent')
const origin = 'http://desk.test'
/**
 * Since when a new control plane takes itself to have listened: longer than makes a host lost (15 s), so that no test
 * waits for it; not so long that it takes itself to have slept (20 s).
 */
const listenedMs = 16_000

/** A host reads anew what it holds, and tells it, every 45 s, but a new agent of it at once: the one reconcile that is waited for. */
const rereadMs = 500

/** A host with its agent, which outlive every control plane. */
export interface Member {
  id: string
  name: string
  host: SimHost
  storage: SimStorage
  agent: AsyncDisposable | null
  /** Its line is cut: it works on, and nobody hears it. */
  cut: boolean
  dial(hub: AgentHub | undefined): void
}

type Control = Awaited<ReturnType<typeof startPart>> & { mortal: MortalDatabase; fetch: typeof fetch }
type Who = 'root' | 'ana'
export type Clients = Record<Who, Client>
export type KillWorld = Awaited<ReturnType<typeof makeKillWorld>>

export async function makeKillWorld() {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await freshDatabase())
  const { db } = database
  const uploadFolder = mkdtempSync(join(tmpdir(), 'hdcs-kill-'))
  undo.defer(() => rmSync(uploadFolder, { recursive: true, force: true }))
  const members: Member[] = []
  const tokens = {} as Record<Who, string>
  /** What was asked of the API, writing, since it was last cleared. */
  const asked = new Set<string>()
  let control: Control | undefined

  const now = () => {
    if (!control) throw new Error('no control plane runs')
    return control
  }

  async function controlStart(): Promise<void> {
    await uploadsSweep(uploadFolder)
    await uploadsSweep(exportsFolder(uploadFolder))
    let behindMs = listenedMs
    const clock = {
      now() {
        // Only for what asks while it is made: what is written later is dated as it happens.
        queueMicrotask(() => (behindMs = 0))
        return new Date(Date.now() - behindMs)
      },
    }
    const mortal = mortalDatabase(database.url)
    const part = await startPart(database.url, true, mortal.db, { clock, uploadFolder })
    const health = {
      databaseAnswers: async () => {},
      leaderExists: async () => true,
      desktopsByPhase: async () => ({}),
    }
    const app = makeApp({ broker: part.broker, routes, pagesFolder: null, health })
    mountAgents(app, part.broker, await settingInstallationId(db), null)
    const ask: typeof fetch = async (input, init) => app.request(input as string, init)
    control = { ...part, mortal, fetch: ask }
    for (const { dial } of members) dial(control.hub)
  }
  async function controlEnd(): Promise<void> {
    for (const { dial } of members) dial(undefined)
    await control?.[Symbol.asyncDispose]()
    control = undefined
  }

  /** A client of the control plane that runs now, and of no later one. */
  function clientOf(token: string): Client {
    const { fetch } = now()
    return new Proxy(makeClient({ baseUrl: origin, token, fetch }), {
      get(target, name) {
        const call = Reflect.get(target, name) as (ask?: { params?: { name?: string } }) => unknown
        const id = name === 'upload' ? 'versionUpload' : String(name)
        const [method] = operations[id as keyof typeof operations] ?? []
        if (method === undefined || method === 'get') return call
        return (ask?: { params?: { name?: string } }) => {
          asked.add(id === 'desktopAct' ? `${id} ${ask?.params?.name}` : id)
          return call(ask)
        }
      },
    })
  }
  const clients = (): Clients => ({ root: clientOf(tokens.root), ana: clientOf(tokens.ana) })
  /** Somebody new, signed in without the cost of a password. */
  async function personMade(name: string, roles: Role[]) {
    const { userId } = await addPerson(db, name, roles)
    return { userId, token: (await sessionOpen(db, userId, 'test', new Date())).token }
  }

  const lineOf = (member: Member) => (connection: AgentConnection) => {
    let attached: ReturnType<AgentHub['attach']> | undefined
    let era = 0
    const dial = async (hub: AgentHub | undefined) => {
      const mine = ++era
      if (attached) {
        attached.closed()
        attached = undefined
        connection.closed()
      }
      const host = hub && !member.cut ? await networkOf(db, member.id) : undefined
      if (!hub || !host || mine !== era) return
      const again = () => mine === era && !control?.mortal.isDead() && void dial(control?.hub)
      const agent = hub.attach(
        { id: member.id, ...host },
        {
          send: message => setImmediate(() => mine === era && connection.heard(structuredClone(message))),
          close: () => setImmediate(again),
        },
      )
      attached = agent
      connection.opened({
        send: message => {
          if (mine === era) void agent.received(structuredClone(message))
        },
      })
    }
    member.dial = hub => void dial(hub)
    member.dial(control?.hub)
    return {
      async [Symbol.asyncDispose]() {
        member.dial(undefined)
        member.dial = () => {}
      },
    }
  }

  const agentStart = async (member: Member) => {
    member.agent = await startAgent({ host: member.host, connect: lineOf(member), log })
  }
  const agentEnd = async (member: Member) => {
    await member.agent?.[Symbol.asyncDispose]()
    member.agent = null
  }

  /** Its host is read anew at once. */
  const agentAgain = (member: Member) => agentEnd(member).then(() => agentStart(member))

  /** What a machine asks that wants to be a host. @returns its id as one. */
  async function joinAsked(ask: { token: string; hostName: string; key: string }): Promise<string> {
    const headers = { 'content-type': 'application/json' }
    const request = { method: 'POST', headers, body: JSON.stringify({ ...ask, networks: [] }) }
    const response = await now().fetch(`${origin}/api/v1/agents/join`, request)
    if (!response.ok) throw new Error(`joining was answered ${response.status}`)
    return ((await response.json()) as { hostId: string }).hostId
  }
  /** To the control plane that runs then, which may be dying. */
  const sendTo =
    (hostId: string): NonNullable<HostOptions['sendExport']> =>
    async (id, { sizeBytes, sha256, open }, signal) => {
      if (!control || control.mortal.isDead()) throw new HdcsError('unreachable', 'No control plane runs.')
      const { broker, mortal } = control
      await exportTake(broker, hostId, { id, sizeBytes, sha256, body: open(), signal }).catch(thrown => {
        throw mortal.isDead() ? new HdcsError('unreachable', 'It was killed.', { cause: thrown }) : thrown
      })
    }
  /** A host of that id takes part from now on. */
  async function enter(id: string, name: string, storage: SimStorage): Promise<Member> {
    const installationId = await settingInstallationId(db)
    const foreign = [simForeign(name, 'by-hand')]
    const sendExport = sendTo(id)
    const host = makeSimHost({ installationId, hostName: name, storage, cpus: 64, sendExport, foreign })
    const member: Member = { id, name, host, storage, agent: null, cut: false, dial: () => {} }
    members.push(member)
    await agentStart(member)
    return member
  }
  /** Its agent ends, and it with all that runs on it. */
  async function leave(member: Member): Promise<void> {
    await agentEnd(member)
    await member.host[Symbol.asyncDispose]()
    members.splice(members.indexOf(member), 1)
  }

  /** Nobody has heard it for longer than makes it lost. */
  async function unheard({ id }: { id: string }): Promise<void> {
    const long = new Date(Date.now() - 3_600_000)
    await db.updateTable('host').set({ observed_beat_at: long }).where('id', '=', id).execute()
    await nudge(db, 'hosts')
  }
  const cut = async (member: Member) => {
    member.cut = true
    member.dial(control?.hub)
    await unheard(member)
  }
  const powerLost = async (member: Member) => {
    await agentEnd(member)
    for (const { id } of await member.host.machines()) member.host.guestCrash(id)
    await unheard(member)
  }
  /** Whatever befell it, it is heard again. */
  const heal = async (member: Member) => {
    const wasCut = member.cut
    member.cut = false
    if (!member.agent) await agentStart(member)
    else if (wasCut) member.dial(control?.hub)
  }

  /** Nothing is on its way any more. @throws what still is, after a time that a loaded machine needs. */
  async function settled(): Promise<void> {
    let still: string[] = []
    const look = async () => {
      still = await restless(db, demoId)
      return still.length === 0
    }
    await until('rest', look, 60_000).catch(cause => {
      throw new Error(`still on its way: ${still.join('\n')}`, { cause })
    })
  }
  /** What is on the hosts is what the database says, and nothing more. */
  async function expectNoOrphans(): Promise<void> {
    let found: string[] = []
    let readMs = Date.now()
    const look = async () => {
      found = await strangers(now().broker, members, uploadFolder)
      if (found.length > 0 && Date.now() - readMs > rereadMs) {
        await Promise.all(members.map(agentAgain))
        readMs = Date.now()
      }
      return found.length === 0
    }
    await until('no orphan', look, 30_000).catch(cause => {
      throw new Error(`not as the database says:\n${found.join('\n')}`, { cause })
    })
  }

  undo.defer(async () => {
    await controlEnd()
    for (const member of [...members]) await leave(member)
  })
  await controlStart()
  const { clusterId } = await firstStart(now().broker)
  tokens.root = (await personMade('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])).token
  tokens.ana = (await personMade('ana', ['person'])).token
  const { root } = clients()
  const second = await root.clusterCreate({ body: { name: 'second' } })
  const common = makeSimStorage()
  for (const [name, cluster, storage] of [
    ['h1', clusterId, common],
    ['h2', clusterId, common],
    ['h3', clusterId, common],
    ['h4', second.id, makeSimStorage()],
  ] as const)
    await enter((await localHost(now().broker, cluster, name, [])).hostId, name, storage)
  const [demo] = (await root.poolList({ query: { limit: 1 } })).items
  const demoId = demo?.id ?? ''
  const templateId = demo?.templateId ?? ''
  await root.poolUpdate({ params: { id: demoId }, body: { clusterIds: [clusterId] } })
  await settled()

  const kept = undo.move()
  return {
    db,
    members,
    asked,
    demoId,
    templateId,
    clusterId,
    broker: () => now().broker,
    mortal: () => now().mortal,
    clients,
    clientOf,
    personMade,
    joinAsked,
    enter,
    leave,
    unheard,
    cut,
    powerLost,
    agentAgain,
    heal,
    settled,
    restless: () => restless(db, demoId),
    expectNoOrphans,
    memberOf: (hostId: string): Member => {
      const member = members.find(({ id }) => id === hostId)
      if (!member) throw new Error(`no such host: ${hostId}`)
      return member
    },
    /** A killed control plane is followed by another on the same database and the same hosts. */
    async controlAgain() {
      await controlEnd()
      await controlStart()
    },
    /** A pool that everybody may use, with nothing in it. */
    async poolMade(name: string, body: { kind?: 'floating' | 'persistent'; clusterIds?: string[]; needs?: string[] }) {
      const wish = { name, kind: 'persistent' as const, templateId, warm: 0, maxSize: 5, ...body }
      const { id } = await clients().root.poolCreate({ body: wish })
      await clients().root.entitlementSet({ params: { id }, body: { everyone: true } })
      return id
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

const networkOf = (db: Db, hostId: string) =>
  db
    .selectFrom('host')
    .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
    .select(['host.subnet', 'cluster.supernet'])
    .where('host.id', '=', hostId)
    .executeTakeFirst()
