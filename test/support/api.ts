/** The whole API on a fresh database, called without a port: `client` speaks to it as any program does. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hono } from 'hono'
import { makeApp } from '../../api/app.ts'
import { type Client, makeClient } from '../../api/client.ts'
import type { AnyRoute } from '../../api/route.ts'
import { routes } from '../../api/routes.ts'
import { type Auth, makeAuth } from '../../auth/auth.ts'
import { passwordHash } from '../../auth/password.ts'
import type { Role } from '../../auth/policy.ts'
import { sessionOpen } from '../../auth/tokens.ts'
import type { Broker } from '../../broker/broker.ts'
import { databaseAnswers } from '../../db/health.ts'
import { userCreate } from '../../db/users.ts'
import type { Clock } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { makeLog } from '../../lib/log.ts'
import { freshDatabase } from './database.ts'

export interface TestApi extends AsyncDisposable {
  app: Hono
  auth: Auth
  broker: Broker
  /** Moves only when told. */
  clock: { now(): Date; forward(ms: number): void }
  /** Whether the test wants a leader to exist. */
  health: { leader: boolean; databaseAnswers(): Promise<void> }
  /** A person, signed in without the cost of a password. */
  person(name: string, held?: Role[]): Promise<{ id: string; name: string; token: string; client: Client }>
  client(token?: string): Client
  request(path: string, init?: RequestInit): Promise<Response>
}

export const origin = 'http://desk.test'

export interface TestApiSettings {
  routes?: readonly AnyRoute[]
  pagesFolder?: string
  /** On a site with hosts instead of an empty database; its clock is the machine's. */
  broker?: Broker
}

export async function startApi(settings: TestApiSettings = {}): Promise<TestApi> {
  await using undo = new AsyncDisposableStack()
  const clock = makeTestClock()
  const broker = settings.broker ?? (await emptyBroker(undo, clock))
  const { db, log } = broker
  const health = { leader: true, databaseAnswers: () => databaseAnswers(db) }
  const auth = makeAuth(db, broker.clock, log)
  const app = makeApp({
    broker,
    auth,
    routes: settings.routes ?? routes,
    pagesFolder: settings.pagesFolder ?? null,
    checkAnswers: true,
    health: {
      databaseAnswers: () => health.databaseAnswers(),
      leaderExists: async () => health.leader,
      desktopsByPhase: async () => ({ ready: 2 }),
    },
  })
  const request = async (path: string, init?: RequestInit) => app.request(`${origin}${path}`, init)
  const client = (token?: string) =>
    makeClient({
      baseUrl: origin,
      ...(token !== undefined && { token }),
      fetch: async (input, init) => app.request(input as string, init),
    })
  const kept = undo.move()
  return {
    app,
    auth,
    broker,
    clock,
    health,
    request,
    client,
    async person(name, held = ['person']) {
      const id = newId()
      await userCreate(db, {
        id,
        name,
        display_name: name,
        email: null,
        password_hash: await testHash,
        password_temporary: false,
        roles: held,
        disabled: false,
      })
      const { token } = await sessionOpen(db, id, 'test', broker.clock.now())
      return { id, name, token, client: client(token) }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

function makeTestClock() {
  let nowMs = Date.now()
  return {
    now: () => new Date(nowMs),
    forward: (ms: number) => {
      nowMs += ms
    },
  }
}

async function emptyBroker(undo: AsyncDisposableStack, clock: Clock): Promise<Broker> {
  const database = undo.use(await freshDatabase())
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-api-'))
  undo.defer(() => rmSync(folder, { recursive: true, force: true }))
  return {
    db: database.db,
    clock,
    log: makeLog('test', 'silent'),
    ticketKey: new Uint8Array(32),
    gatewayUrl: null,
    viewerFile: () => '[virt-viewer]\n',
    commandsFolder: folder,
    uploadFolder: join(folder, 'uploads'),
    maxUploadBytes: 10_000_000,
    maxVirtualBytes: 2 ** 40,
  }
}

export const testPassword = 'correct horse battery'
const testHash = passwordHash(testPassword)
