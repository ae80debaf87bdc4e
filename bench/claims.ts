/**
 * Claims, from the API to the ticket.
 *   1. ratio: p99 of claim + connect over HTTP against p99 of the bare SQL transactions they contain, taken in turn in
 *      one run (promise: at most 3).
 *   2. crowd: 10,000 claims, as many at once as connections allow; counts desktops given twice (promise: 0).
 * Run: bash scripts/run.sh bench/claims.ts [PEOPLE]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startControl } from '../bin/control.ts'
import { localHost } from '../broker/first-start.ts'
import { taskOpen } from '../broker/tasks.ts'
import { desktopClaim } from '../db/assignments.ts'
import { desktopLock } from '../db/desktops.ts'
import { poolForClaim } from '../db/pools.ts'
import { desktopAdmit, sessionInsert } from '../db/sessions.ts'
import { readConfig } from '../lib/config.ts'
import { newId } from '../lib/ids.ts'
import { makeLog } from '../lib/log.ts'
import { startAgent } from '../vmm/agent.ts'
import { agentSocket } from '../vmm/agent-socket.ts'
import { makeSimHost } from '../vmm/sim-host.ts'
import { addPeople, makeAsker } from './people.ts'

const people = Number(process.argv[2] ?? 10_000)
const samples = Math.min(400, Math.floor(people / 5))
const inFlight = 200

const folder = mkdtempSync(join(tmpdir(), 'hdcs-bench-'))
const log = makeLog('bench', 'error')
const config = readConfig(
  { HDCS_DATA_DIR: folder, HDCS_LISTEN: '127.0.0.1:0', HDCS_ADMIN_PASSWORD: 'bench-password' },
  true,
)
await using undo = new AsyncDisposableStack()
undo.defer(() => rmSync(folder, { recursive: true, force: true }))
const control = undo.use(await startControl(config, log))
const { db } = control.broker
const { installationId } = control
for (let n = 1; n <= Math.ceil((people + samples) / 900); n++) {
  const { key } = await localHost(control.broker, control.clusterId, `sim-${n}`, [])
  const host = undo.use(makeSimHost({ installationId, hostName: `sim-${n}`, cpus: 512, memoryBytes: 2 ** 40 }))
  undo.use(
    await startAgent({
      host,
      connect: agentSocket({ url: `${control.url.replace('http', 'ws')}/api/v1/agent`, key, log }),
      log,
    }),
  )
}

using asker = makeAsker(control.url, inFlight)
const post = (path: string, token: string, body?: unknown) => asker.ask('POST', path, token, body)

const admin = await post('/api/v1/login', '', { name: 'admin', password: 'bench-password' })
const adminToken: string = admin.body.token ?? ''
const demo = await db.selectFrom('pool').selectAll().executeTakeFirstOrThrow()
await until(
  async () => (await db.selectFrom('template_version').select('state').executeTakeFirst())?.state === 'sealed',
)
const size = people + samples
const pool = await post('/api/v1/pools', adminToken, {
  name: 'crowd',
  kind: 'floating',
  templateId: demo.template_id,
  minSize: 0,
  maxSize: 10_000,
  warm: Math.min(size, 10_000),
})
const poolId: string = pool.body.id ?? ''
if (pool.status !== 201) throw new Error(JSON.stringify(pool.body))
await db.updateTable('pool').set({ max_size: size, warm: size }).where('id', '=', poolId).execute()
await post(`/api/v1/pools/${poolId}/entitlements`, adminToken)
await db.insertInto('entitlement').values({ pool_id: poolId, subject: 'everyone' }).execute()
const filling = performance.now()
await until(async () => (await count('ready')) === size)
console.log(`filled: ${size} simulated desktops in ${((performance.now() - filling) / 1000).toFixed(1)} s`)
// A real host knows where its screens are; a simulated one opens them when somebody comes.
await db
  .updateTable('desktop')
  .set({ observed_graphics: JSON.stringify({ host: '127.0.0.1', port: 5900, serial: 0 }) })
  .where('pool_id', '=', poolId)
  .execute()

const persons = await addPeople(db, people)
const bare: number[] = []
const api: number[] = []
for (let n = 0; n < samples; n++) {
  const [first, second] = [persons[2 * n], persons[2 * n + 1]]
  if (!first || !second) break
  bare.push(await timed(() => bareClaim(first.id)))
  api.push(
    await timed(async () => {
      const claimed = await post(`/api/v1/pools/${poolId}/claim`, second.token)
      const desktop = claimed.body.desktop as { id: string } | undefined
      const connected = await post(`/api/v1/desktops/${desktop?.id}/connect`, second.token)
      if (!connected.body.ticket) throw new Error(JSON.stringify([claimed, connected]))
    }),
  )
}
const p = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN
console.log(`bare SQL   p50 ${p(bare, 0.5).toFixed(2)} ms  p99 ${p(bare, 0.99).toFixed(2)} ms  (${bare.length} runs)`)
console.log(`API→ticket p50 ${p(api, 0.5).toFixed(2)} ms  p99 ${p(api, 0.99).toFixed(2)} ms`)
console.log(
  `ratio      p50 ${(p(api, 0.5) / p(bare, 0.5)).toFixed(2)}     p99 ${(p(api, 0.99) / p(bare, 0.99)).toFixed(2)}   (promise: p99 ≤ 3)`,
)

const rest = persons.slice(2 * samples)
const began = performance.now()
const answers = await Promise.all(rest.map(({ token }) => post(`/api/v1/pools/${poolId}/claim`, token)))
const seconds = (performance.now() - began) / 1000
const given = answers.flatMap(({ body }) => (body.desktop as { id: string } | undefined)?.id ?? [])
const { rows } = {
  rows: await db.selectFrom('desktop').select(['id', 'user_id']).where('user_id', 'is not', null).execute(),
}
const twice = given.length - new Set(given).size
console.log(
  `crowd: ${rest.length} claims in ${seconds.toFixed(1)} s (${(rest.length / seconds).toFixed(0)} per s), ${given.length} given, ${twice} given twice (promise: 0)`,
)
console.log(
  `       ${rows.length} desktops have a person, ${new Set(rows.map(row => row.user_id)).size} different people`,
)
process.exitCode = twice === 0 && p(api, 0.99) / p(bare, 0.99) <= 3 ? 0 : 1

async function bareClaim(userId: string) {
  const now = new Date()
  const taskId = newId()
  const principal = { userId, name: 'bare', displayName: '', roles: [], permissions: new Set<never>(), tokenId: '' }
  await poolForClaim(db, poolId, userId)
  const claimed = await db.transaction().execute(async tx => {
    const desktop = await desktopClaim(tx, { poolId, userId, slot: 1, taskId, now })
    if (!desktop || desktop === 'busy') throw new Error('nothing free')
    const subject = { type: 'desktop', id: desktop.id, name: desktop.name }
    await taskOpen(tx, { id: taskId, kind: 'desktop.claim', subject, requestedBy: principal, done: true }, now)
    return desktop
  })
  await db.transaction().execute(async tx => {
    await desktopLock(tx, claimed.id)
    await desktopAdmit(tx, claimed.id, { password: 'x', validUntil: now.toISOString() })
    await sessionInsert(tx, { id: newId(), desktop_id: claimed.id, user_id: userId, created_at: now })
  })
}

async function count(phase: string) {
  const row = await db
    .selectFrom('desktop')
    .select(eb => eb.fn.countAll<number>().as('n'))
    .where('pool_id', '=', poolId)
    .where('phase', '=', phase as 'ready')
    .executeTakeFirst()
  return row?.n ?? 0
}

async function timed(work: () => Promise<void>) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function until(look: () => Promise<boolean>) {
  while (!(await look())) await new Promise(resolve => setTimeout(resolve, 200))
}
