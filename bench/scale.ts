/**
 * Many desktops on simulated hosts; the control plane in this thread, the hosts and the reader of lists in others.
 *   1. fill: pools of 1,000 until there are DESKTOPS; the time for each thousand (no knee: the last at most 2 × the first).
 *   2. lists: every list page an administrator opens, p99 over HTTP (promise: 20 ms, and 1.5 × its own SQL and an answer
 *      of as many bytes from a server that does nothing, both replayed bare in the same run).
 *   3. asked: 100 desktops asked 100 ms apart while none is warm, from request to ready (promise: P95 250 ms; 12 SQL
 *      statements and 6 calls of the host each).
 * Run: bash scripts/run.sh bench/scale.ts [DESKTOPS]
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Worker } from 'node:worker_threads'
import pg from 'pg'
import { nameCursor } from '../lib/cursors.ts'
import { addPeople, makeAsker } from './people.ts'
import type { ListsAsk, ListsGiven, ListsTold } from './scale-lists.ts'
import { adminPassword, pause, quietStatements, startBenchSite, until } from './site.ts'
import { type Statement, statementsHeard } from './statements.ts'

const desktops = Number(process.argv[2] ?? 20_000)
const poolSize = 1_000
const perHost = 900
const rounds = 400
const asks = 100
const askEveryMs = 100
const promised = { listMs: 20, ratio: 1.5, knee: 2, askMs: 250, statements: 12, calls: 6 }

await using site = await startBenchSite()
const { control, databaseUrl, numberOf, promise } = site
const { db } = control.broker
const ways = []
for (let n = 1; n <= Math.ceil((desktops + asks) / perHost) + 1; n++)
  ways.push(await site.hostJoin(`sim-${String(n).padStart(2, '0')}`))
await using hosts = beside('./scale-hosts.ts', ways)

using asker = makeAsker(control.url, 16)
const { ask } = asker

const admin = (await ask('POST', '/api/v1/login', '', { name: 'admin', password: adminPassword })).body.token ?? ''
const { template_id: templateId } = await db.selectFrom('pool').select('template_id').executeTakeFirstOrThrow()
await until(async () => (await numberOf(`select count(*) n from template_version where state = 'sealed'`)) === 1)
await db.updateTable('cluster').set({ person_reserve: 0.01 }).execute()

await fill()
await lists()
await asked()
site.verdict()

async function fill() {
  const seconds: number[] = []
  for (let n = 1; n <= desktops / poolSize; n++) {
    const began = performance.now()
    const id = await poolMake({ name: `class-${String(n).padStart(2, '0')}`, warm: poolSize, maxSize: poolSize })
    await until(async () => (await readyIn(id)) === poolSize)
    seconds.push((performance.now() - began) / 1000)
    console.log(`pool ${n}: ${poolSize} desktops ready after ${seconds.at(-1)?.toFixed(1)} s`)
  }
  const [first = 0] = seconds
  const last = seconds.at(-1) ?? 0
  promise(
    last <= promised.knee * first,
    `the last ${poolSize} take ${(last / first).toFixed(2)} × the first (≤ ${promised.knee})`,
  )
}

async function lists() {
  const one = await db.selectFrom('desktop').select(['pool_id', 'host_id', 'name']).limit(1).executeTakeFirstOrThrow()
  const middle = await db
    .selectFrom('desktop')
    .select('name')
    .orderBy('name')
    .offset(desktops / 2)
    .limit(1)
    .executeTakeFirstOrThrow()
  const paths = [
    '/desktops?limit=100',
    `/desktops?limit=100&cursor=${nameCursor(middle.name)}`,
    `/desktops?limit=100&poolId=${one.pool_id}`,
    `/desktops?limit=100&hostId=${one.host_id}`,
    '/desktops?limit=100&phase=failed',
    '/desktops?limit=100&search=class-07-05',
    '/desktops?limit=100&search=10.2',
    '/pools',
    '/hosts',
    '/clusters',
    '/sites',
    '/templates',
    '/tasks',
    '/users',
    '/groups',
    '/audit',
    '/migrations',
  ]
  const bare = createServer((asked, answer) => answer.end(Buffer.alloc(Number(asked.url?.slice(1)), 'x')))
  await once(bare.listen(0, '127.0.0.1'), 'listening')
  using _bare = { [Symbol.dispose]: () => bare.close() }
  const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`
  const given: ListsGiven = { url: `${control.url}/api/v1`, token: admin, databaseUrl, bareUrl }
  await using reader = beside('./scale-lists.ts', given)
  for (const path of paths) {
    const statements: Statement[] = []
    await ask('GET', `/api/v1${path}`, admin)
    const hearing = statementsHeard(statement => statements.push(statement))
    const { status, body } = await ask('GET', `/api/v1${path}`, admin)
    hearing[Symbol.dispose]()
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
    const own = statements.filter(({ text }) => /^\s*(select|with)/i.test(text))
    const { api, sql, http } = await reader.ask<ListsTold>({ path, statements: own, rounds } satisfies ListsAsk)
    const least = sql.map((ms, round) => ms + (http[round] ?? 0))
    const [p99, raw, both] = [p(api, 0.99), p(sql, 0.99), p(least, 0.99)]
    const items = (body.items as unknown as unknown[] | undefined)?.length ?? 0
    const figures = [
      `${path}: ${items} items`,
      `p50 ${p(api, 0.5).toFixed(1)} ms (SQL ${p(sql, 0.5).toFixed(1)} in ${own.length}, bare HTTP ${p(http, 0.5).toFixed(1)})`,
      `p99 ${p99.toFixed(1)} ms = ${(p99 / raw).toFixed(2)} × its SQL, ${(p99 / both).toFixed(2)} × SQL and bare HTTP`,
    ].join(', ')
    promise(p99 <= promised.listMs && p99 <= promised.ratio * both, figures)
  }
}

async function asked() {
  const poolId = await poolMake({ name: 'asked', warm: 0, maxSize: asks })
  await db.insertInto('entitlement').values({ pool_id: poolId, subject: 'everyone' }).execute()
  const people = await addPeople(db, asks)
  await until(async () => (await numberOf('select count(*) n from desktop where dirty')) === 0)
  let statements = 0
  const kinds = new Map<string, number>()
  const quiet = await quietStatements()
  const hearing = statementsHeard(({ text }) => {
    statements++
    const kind = text.replace(/\s+/g, ' ').slice(0, 110)
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  })
  const callsBefore = await hosts.ask<number>('calls')
  const readyAt = new Map<string, number>()
  await using _watching = await watch(poolId, readyAt)
  const began = performance.now()
  const times = await Promise.all(
    people.map(async ({ token }, n) => {
      await pause(n * askEveryMs)
      const asked = performance.now()
      const { status, body } = await ask('POST', `/api/v1/pools/${poolId}/claim`, token)
      if (status !== 200 && status !== 202) throw new Error(JSON.stringify(body))
      const { id } = body.desktop as unknown as { id: string }
      await until(async () => readyAt.has(id), 2)
      return (readyAt.get(id) ?? 0) - asked
    }),
  )
  const seconds = (performance.now() - began) / 1000
  hearing[Symbol.dispose]()
  const each = (statements - quiet * seconds) / asks
  promise(
    p(times, 0.95) <= promised.askMs,
    `asked to ready: p50 ${p(times, 0.5).toFixed(0)} ms, P95 ${p(times, 0.95).toFixed(0)} ms (≤ ${promised.askMs})`,
  )
  promise(
    each <= promised.statements,
    `SQL statements each: ${each.toFixed(1)} (≤ ${promised.statements}), besides ${quiet.toFixed(1)} a second of an idle site`,
  )
  const hostCalls = (await hosts.ask<number>('calls')) - callsBefore
  promise(
    hostCalls / asks <= promised.calls,
    `calls of the host each: ${(hostCalls / asks).toFixed(1)} (≤ ${promised.calls})`,
  )
  for (const [kind, count] of [...kinds].toSorted((a, b) => b[1] - a[1]).slice(0, 40))
    console.log(`          ${(count / asks).toFixed(2)}  ${kind}`)
}

/** When each desktop of a pool was first seen ready, to 3 ms, over a connection of its own. */
async function watch(poolId: string, readyAt: Map<string, number>): Promise<AsyncDisposable> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  let ended = false
  const looking = (async () => {
    while (!ended) {
      const { rows } = await client.query(`/* bench */ select id from desktop where pool_id = $1 and phase = 'ready'`, [
        poolId,
      ])
      for (const { id } of rows) if (!readyAt.has(id)) readyAt.set(id, performance.now())
      await pause(3)
    }
  })()
  return {
    async [Symbol.asyncDispose]() {
      ended = true
      await looking
      await client.end()
    },
  }
}

async function poolMake(wish: { name: string; warm: number; maxSize: number }): Promise<string> {
  const made = await ask('POST', '/api/v1/pools', admin, { kind: 'floating', templateId, minSize: 0, ...wish })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  return made.body.id ?? ''
}

async function readyIn(poolId: string) {
  return numberOf(`select count(*) n from desktop where phase = 'ready' and pool_id = '${poolId}'`)
}

/** The smallest that so large a share of them does not exceed. */
function p(values: number[], share: number) {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN
}

/** A thread of ours and a question to it at a time; it ends when told. */
function beside(file: string, workerData: unknown) {
  const worker = new Worker(new URL(file, import.meta.url), { workerData })
  return {
    async ask<Told>(question: unknown): Promise<Told> {
      worker.postMessage(question)
      return (await once(worker, 'message'))[0] as Told
    },
    async [Symbol.asyncDispose]() {
      const ended = once(worker, 'exit')
      worker.postMessage('end')
      await ended
    },
  }
}
