/**
 * A morning: everybody starts their own desktop within a few seconds. PEOPLE desktops of persons stand still on 24
 * simulated hosts (in a thread of their own) and are claimed again over HTTP; the same persons claimed the same desktops
 * just before, while those ran.
 *   waiting for the locks that guard what hosts have left: ≤ a quarter of the time of all statements
 * Told beside it, without a bound: p95 from asked to answered ÷ that of one's own warm desktop at the same pace. A start
 * asks the database for three times as much; how long the line before a busy machine becomes is the pace's doing.
 * Run: bash scripts/run.sh bench/morning.ts [PEOPLE [SECONDS]]
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { addPeople, type BenchPerson, makeAsker } from './people.ts'
import { adminPassword, pause, startBenchSite, until } from './site.ts'
import { statementsTimed } from './statements.ts'

const people = Number(process.argv[2] ?? 1_000)
const seconds = Number(process.argv[3] ?? 5)
const hostCount = 24
const promisedLockShare = 0.25

await using site = await startBenchSite()
const { control, numberOf, promise } = site
const { db } = control.broker
const ways = []
for (let n = 1; n <= hostCount; n++) ways.push(await site.hostJoin(`sim-${String(n).padStart(2, '0')}`))
const worker = new Worker(new URL('./scale-hosts.ts', import.meta.url), { workerData: ways })
await using _hosts = {
  async [Symbol.asyncDispose]() {
    const ended = once(worker, 'exit')
    worker.postMessage('end')
    await ended
  },
}
const poolId = await poolFilled()
const persons = await addPeople(db, people)
await owned(persons)
// The first requests of a person, and of the process, cost more than those after them.
await asked('(to warm up) one’s own warm desktop')
await calm()
const warm = await asked('one’s own warm desktop')
await allStopped()
const cold = await asked('one’s own stopped desktop')
const ready = performance.now()
await until(async () => (await numberOf(`select count(*) n from desktop where phase = 'ready'`)) >= people)
console.log(`          all are ready ${((performance.now() - ready) / 1000).toFixed(1)} s after the last answer`)
const ratio = p(cold.times, 0.95) / p(warm.times, 0.95)
console.log(`          p95 of a start ÷ p95 of a warm one: ${ratio.toFixed(2)}`)
promise(
  cold.lockShare <= promisedLockShare,
  `of the statements’ time, waiting for locks: ${(100 * cold.lockShare).toFixed(1)} % (≤ ${100 * promisedLockShare} %)`,
)
site.verdict()

async function poolFilled(): Promise<string> {
  using asker = makeAsker(control.url, 1)
  const { ask } = asker
  const admin = (await ask('POST', '/api/v1/login', '', { name: 'admin', password: adminPassword })).body.token ?? ''
  const { template_id: templateId } = await db.selectFrom('pool').select('template_id').executeTakeFirstOrThrow()
  await until(async () => (await numberOf(`select count(*) n from template_version where state = 'sealed'`)) === 1)
  const wish = { name: 'own', kind: 'persistent', templateId, minSize: 0, warm: people, maxSize: people }
  const made = await ask('POST', '/api/v1/pools', admin, wish)
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  const id: string = made.body.id ?? ''
  await db.insertInto('entitlement').values({ pool_id: id, subject: 'everyone' }).execute()
  const filled = `select count(*) n from desktop where phase = 'ready' and pool_id = '${id}'`
  await until(async () => (await numberOf(filled)) === people)
  return id
}

async function owned(owners: readonly BenchPerson[]) {
  await db.updateTable('pool').set({ warm: 0 }).where('id', '=', poolId).execute()
  const rows = await db.selectFrom('desktop').select('id').where('pool_id', '=', poolId).execute()
  for (const [n, { id }] of rows.entries())
    await db
      .updateTable('desktop')
      .set({ user_id: owners[n]?.id ?? null, user_slot: 1, assigned_at: new Date() })
      .where('id', '=', id)
      .execute()
  await calm()
}

async function allStopped() {
  await db
    .updateTable('desktop')
    .set({ wished_power: 'stopped', wished_stop_grace_ms: 0 })
    .where('pool_id', '=', poolId)
    .execute()
  await until(async () => (await numberOf(`select count(*) n from desktop where phase = 'stopped'`)) >= people)
  await calm()
}

/** Nothing is left to do of what was before. */
async function calm() {
  await until(async () => (await numberOf('select count(*) n from desktop where dirty')) === 0)
  await pause(3_000)
}

async function asked(what: string) {
  let [lockMs, allMs] = [0, 0]
  const refused: string[] = []
  // Connections of their own each time: those that rest are closed by the server, perhaps while they are used again.
  using asker = makeAsker(control.url, people)
  using _timing = statementsTimed(({ text }, ms) => {
    allMs += ms
    if (/^\s*select (pg_advisory_xact_lock|d.host_id as "hostId")/.test(text)) lockMs += ms
  })
  const began = performance.now()
  const times = await Promise.all(
    persons.map(async ({ token }, n) => {
      await pause((n * seconds * 1000) / people)
      const from = performance.now()
      const { status, body } = await asker.ask('POST', `/api/v1/pools/${poolId}/claim`, token)
      if (status !== 200 && status !== 202) refused.push(`${status} ${JSON.stringify(body)}`)
      return performance.now() - from
    }),
  )
  const took = (performance.now() - began) / 1000
  if (refused.length > 0) throw new Error(`${refused.length} of ${people} were refused, first: ${refused[0]}`)
  const figures = [
    `${people} asked in ${seconds} s, answered in ${took.toFixed(1)} s`,
    `p50 ${p(times, 0.5).toFixed(0)} ms, p95 ${p(times, 0.95).toFixed(0)} ms`,
    `waiting for locks ${(lockMs / people).toFixed(1)} ms each`,
  ]
  console.log(`          ${what}: ${figures.join('; ')}`)
  return { times, lockShare: lockMs / allMs }
}

function p(values: number[], share: number) {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN
}
