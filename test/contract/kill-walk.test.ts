/**
 * The control plane is killed before every statement that an operation makes it run, one after the other; a new one
 * takes over the same database and the same hosts. The list of fault points is what the operation really ran, read off
 * an undisturbed run. Agents' own fault points are walked in test/vmm/agent-move-faults.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import type { AgentHub } from '../../broker/agents.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import type { Broker } from '../../broker/broker.ts'
import { desktopAct, desktopGet } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { firstStart, localHost } from '../../broker/first-start.ts'
import { maintenanceEnter, maintenanceLeave } from '../../broker/maintenance.ts'
import { desktopMove } from '../../broker/migrations.ts'
import { poolCreate, poolDelete, poolGet, poolList } from '../../broker/pools.ts'
import { screenPortsReconciler } from '../../broker/reconcile/screen-ports.ts'
import { taskGet } from '../../broker/tasks.ts'
import { settingInstallationId } from '../../db/settings.ts'
import { makeLog } from '../../lib/log.ts'
import { type AgentConnection, startAgent } from '../../vmm/agent.ts'
import { makeSimHost, type SimHost } from '../../vmm/sim-host.ts'
import { makeSimStorage, overlayKey } from '../../vmm/sim-storage.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'
import { type MortalDatabase, mortalDatabase } from '../support/mortal-database.ts'
import { addPerson, startPart, until } from '../support/site.ts'

/** A statement that runs more often than this in one operation is no other fault point. Commits each make a new state. */
const timesWalked = (statement: string) => (statement.startsWith('commit') ? 8 : 1)

let database: TestDatabase
let control: Awaited<ReturnType<typeof startPart>> & { mortal: MortalDatabase }
let admin: Principal
let person: Principal
let demoId: string
let movingId: string
let hostIds: string[]
const hosts: SimHost[] = []
const undo = new AsyncDisposableStack()
const storage = makeSimStorage()
const log = makeLog('test', 'silent')

/** Lines of agents that dial again whenever a new control plane is there. */
const lines = new Set<(hub: AgentHub | undefined) => void>()

async function controlStart(): Promise<void> {
  const mortal = mortalDatabase(database.url)
  control = { ...(await startPart(database.url, true, mortal.db)), mortal }
  for (const line of lines) line(control.hub)
}
async function controlEnd(): Promise<void> {
  for (const line of lines) line(undefined)
  await control[Symbol.asyncDispose]()
}
const broker = (): Broker => control.broker

function lineOf(host: { id: string; subnet: string; supernet: string }) {
  return (connection: AgentConnection) => {
    let attached: ReturnType<AgentHub['attach']> | undefined
    let era = 0
    const line = (hub: AgentHub | undefined) => {
      const mine = ++era
      if (attached) {
        attached.closed()
        attached = undefined
        connection.closed()
      }
      if (!hub) return
      const agent = hub.attach(host, {
        send: message => setImmediate(() => mine === era && connection.heard(structuredClone(message))),
        close: () => setImmediate(() => mine === era && line(control.mortal.isDead() ? undefined : control.hub)),
      })
      attached = agent
      connection.opened({
        send: message => {
          if (mine === era) void agent.received(structuredClone(message))
        },
      })
    }
    lines.add(line)
    line(control.hub)
    return {
      async [Symbol.asyncDispose]() {
        lines.delete(line)
        line(undefined)
      },
    }
  }
}

beforeAll(async () => {
  database = undo.use(await freshDatabase())
  await controlStart()
  const { clusterId } = await firstStart(broker())
  const installationId = await settingInstallationId(broker().db)
  for (const name of ['h1', 'h2', 'h3']) {
    const { hostId } = await localHost(broker(), clusterId, name, [])
    const host = undo.use(makeSimHost({ installationId, hostName: name, storage, cpus: 64 }))
    const network = await broker()
      .db.selectFrom('host')
      .innerJoin('cluster', 'cluster.id', 'host.cluster_id')
      .select(['host.subnet', 'cluster.supernet'])
      .where('host.id', '=', hostId)
      .executeTakeFirstOrThrow()
    hosts.push(host)
    undo.use(await startAgent({ host, connect: lineOf({ id: hostId, ...network }), log }))
  }
  hostIds = (await broker().db.selectFrom('host').select('id').orderBy('name').execute()).map(({ id }) => id)
  admin = await addPerson(broker().db, 'root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  person = await addPerson(broker().db, 'ana', ['person'])
  const [demo] = (await poolList(broker(), admin, { limit: 1 })).items
  demoId = demo?.id ?? ''
  const pool = await poolCreate(broker(), admin, {
    name: 'lasting',
    kind: 'persistent',
    templateId: demo?.templateId ?? '',
    warm: 0,
    maxSize: 3,
  })
  await entitlementSet(broker(), admin, pool.id, { everyone: true })
  await until('the image is there', async () => (await poolGet(broker(), admin, demoId)).counts.ready === 2)
  movingId = (await desktopClaimFor(broker(), person, pool.id)).desktop.id
  await settled()
})
afterAll(async () => {
  await undo.disposeAsync()
  if (control) await controlEnd()
})

/** Nothing is on its way any more. @throws what still is, after a time that a loaded machine needs. */
async function settled(): Promise<void> {
  let still: unknown
  await until(
    'rest',
    async () => {
      const { db } = broker()
      const moves = await db.selectFrom('migration').selectAll().where('ended_at', 'is', null).execute()
      const tasks = await db.selectFrom('task').selectAll().where('finished_at', 'is', null).execute()
      const desktops = await db.selectFrom('desktop').selectAll().execute()
      const restless = desktops.filter(({ phase, dirty }) => dirty || !['ready', 'stopped'].includes(phase))
      const warm = desktops.filter(row => row.pool_id === demoId && row.phase === 'ready' && row.user_id === null)
      const pools = await db.selectFrom('pool').select(['name', 'status', 'status_text']).execute()
      still = { moves, tasks, restless, warm: warm.length, pools }
      return moves.length === 0 && tasks.length === 0 && restless.length === 0 && warm.length === 2
    },
    60_000,
  ).catch(error => {
    throw new Error(`still on its way: ${JSON.stringify(still, null, 1)}`, { cause: error })
  })
}

/** What is on the hosts is what the database says, and nothing more. */
async function expectNoOrphans(): Promise<void> {
  const { db } = broker()
  // It takes its time by itself; one look of it is enough.
  await screenPortsReconciler(broker()).step(forever)
  await until('no domain, disk or port is an orphan', async () => {
    const desktops = await db.selectFrom('desktop').selectAll().execute()
    const running = (await Promise.all(hosts.map(host => host.machines()))).flatMap((machines, index) =>
      machines.map(({ id, incarnation }) => `${id}.${incarnation} on ${hostIds[index]}`),
    )
    const wished = desktops
      .filter(({ wished_power }) => wished_power === 'running')
      .map(({ id, wished_incarnation, host_id }) => `${id}.${wished_incarnation} on ${host_id}`)
    const disks = [...storage.overlays.values()].map(overlayKey)
    const owned = desktops.map(row => overlayKey({ machineId: row.id, incarnation: row.wished_incarnation }))
    const ports = await db.selectFrom('screen_port').selectAll().execute()
    const same = (one: string[], other: string[]) => one.toSorted().join() === other.toSorted().join()
    return (
      same(running, wished) &&
      same(disks, owned) &&
      same(
        ports.map(port => `${port.desktop_id} on ${port.host_id}`),
        desktops.map(row => `${row.id} on ${row.host_id}`),
      )
    )
  })
}

const forever = new AbortController().signal
const ended = (own: Broker, id: string) => taskGet(own, admin, id, 20_000, forever)
const hostOf = async (own: Broker, id: string) => (await desktopGet(own, admin, id)).hostId

interface Operation {
  /** Runs it to its end, all of it on one control plane. */
  run(own: Broker): Promise<unknown>
  /** After a kill, whatever it came to: back to where the next run begins. */
  restore(): Promise<unknown>
}

const operations: Record<string, Operation> = {
  'a claim and its giving back': {
    async run(own) {
      const { desktop, task } = await desktopClaimFor(own, person, demoId)
      await ended(own, task.id)
      await ended(own, (await desktopAct(own, person, desktop.id, 'release')).task.id)
    },
    async restore() {
      const mine = await broker()
        .db.selectFrom('desktop')
        .select('id')
        .where('pool_id', '=', demoId)
        .where('user_id', 'is not', null)
        .execute()
      for (const { id } of mine) await desktopAct(broker(), person, id, 'release')
    },
  },
  'a live move': {
    async run(own) {
      const from = await hostOf(own, movingId)
      const hostId = hostIds.find(id => id !== from) ?? ''
      await ended(own, (await desktopMove(own, admin, movingId, { hostId, restart: false })).task.id)
    },
    restore: async () => undefined,
  },
  'a maintenance with evacuation, and its end': {
    async run(own) {
      const id = await hostOf(own, movingId)
      await ended(own, (await maintenanceEnter(own, admin, id, { evacuate: true, dryRun: false })).task?.id ?? '')
      await ended(own, (await maintenanceLeave(own, admin, id, { bringBack: true, dryRun: false })).task?.id ?? '')
    },
    async restore() {
      const { db } = broker()
      const closed = await db.selectFrom('host').select('id').where('wished_state', '=', 'maintenance').execute()
      for (const { id } of closed) await maintenanceLeave(broker(), admin, id, { bringBack: false, dryRun: false })
    },
  },
  'a pool that is made, filled and removed': {
    async run(own) {
      const { templateId } = await poolGet(own, admin, demoId)
      const wish = { name: 'brief', kind: 'floating' as const, templateId, warm: 2, maxSize: 2 }
      const { id } = await poolCreate(own, admin, wish)
      await until('it is filled', async () => (await poolGet(own, admin, id)).counts.ready === 2)
      await poolDelete(own, admin, id, true)
      await until(
        'it is gone',
        async () => (await poolList(own, admin, { limit: 9, name: 'brief' })).items.length === 0,
      )
    },
    async restore() {
      const [left] = (await poolList(broker(), admin, { limit: 1, name: 'brief' })).items
      // Refused: it is being removed already, or gone in this moment, which is what is wanted.
      const refused = (error: { code?: string }) => void expect(['conflict', 'not_found']).toContain(error.code)
      if (left) await poolDelete(broker(), admin, left.id, true).catch(refused)
      await until(
        'it is gone',
        async () => (await poolList(broker(), admin, { limit: 9, name: 'brief' })).items.length === 0,
      )
    },
  },
}

describe('a control plane that is killed before any statement of', () => {
  it.each(Object.entries(operations))(
    '%s leaves no orphan domain, disk, port or address, and ends what was begun',
    async (_name, operation) => {
      const points: string[] = []
      control.mortal.arm(statement => {
        const [, count = '1'] = /#(\d+)$/.exec(statement) ?? []
        if (!statement.startsWith('begin') && Number(count) <= timesWalked(statement)) points.push(statement)
        return false
      })
      await operation.run(broker())
      await settled()
      control.mortal.arm(() => false)
      let reached = 0
      for (const point of points) {
        control.mortal.arm(statement => statement === point)
        // Refused or cut off in the middle: whoever asked sees an error, and asks again.
        await Promise.race([operation.run(broker()).catch(() => undefined), control.mortal.dead])
        if (control.mortal.isDead()) {
          reached++
          await controlEnd()
          await controlStart()
        }
        control.mortal.arm(() => false)
        await operation.restore()
        await settled().catch(error => {
          throw new Error(`killed before ${point}`, { cause: error })
        })
        await expectNoOrphans().catch(error => {
          throw new Error(`killed before ${point}`, { cause: error })
        })
      }
      // Some belong to beats and timers and come or do not come; the walk is worth nothing without most of them.
      expect(reached).toBeGreaterThan(points.length * 0.6)
      console.info(`${reached} of ${points.length} fault points`)
    },
    600_000,
  )
})
