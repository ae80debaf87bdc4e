/**
 * The host that carries half of all desktops falls silent; control plane and agents in this process, hosts simulated.
 *   1. made: as many desktops as the host carries, made and started by the same hosts.
 *   2. bare: the database alone writes what has to be written for them (rows, ports, history, reasons), in one transaction
 *      that is rolled back, and nobody else about.
 *   3. lost: from the host's last word, and from the moment it is called lost, to the last of them placed elsewhere and
 *      to the last one ready there (promise: 20 s from the last word with the usual times; from lost to ready at most
 *      2.5 × what making as many took; SQL statements for each, to ready).
 * Run: bash scripts/run.sh bench/lost-host.ts [DESKTOPS]
 */
import { startAgent } from '../vmm/agent.ts'
import { agentSocket } from '../vmm/agent-socket.ts'
import { makeSimHost, makeSimStorage } from '../vmm/sim-host.ts'
import { adminPassword, quietStatements, startBenchSite, until } from './site.ts'
import { statementsHeard } from './statements.ts'

const desktops = Number(process.argv[2] ?? 1_000)
/** Desktops spread by shares of what is free: the first host carries as many as the three others together. */
const hostCpus = [768, 256, 256, 256]
const promised = { lostMs: 20_000, made: 2.5, statements: 1.5 }

await using undo = new AsyncDisposableStack()
const site = undo.use(await startBenchSite())
const { control, log, numberOf, one, promise } = site

const storage = makeSimStorage()
const agents: AsyncDisposable[] = []
for (const [index, cpus] of hostCpus.entries()) {
  const hostName = `sim-${index + 1}`
  const { url, key, installationId } = await site.hostJoin(hostName)
  const sim = undo.use(makeSimHost({ installationId, hostName, cpus, memoryBytes: cpus * 2 ** 34, storage }))
  agents.push(undo.use(await startAgent({ host: sim, connect: agentSocket({ url, key, log }), log, bootSlots: 16 })))
}

const madeMs = await filled()
const { host_id: lostId } = await one<{ host_id: string }>(
  'select host_id from desktop group by host_id order by count(*) desc limit 1',
)
const bareMs = await bare()
await lost()
site.verdict()

/** @returns for each desktop, from the wish for all of them to the last one ready. */
async function filled(): Promise<number> {
  const login = await post('/login', '', { name: 'admin', password: adminPassword })
  await until(async () => (await numberOf(`select count(*) n from host_image where observed_state = 'ready'`)) === 4)
  const { template_id: templateId } = await one<{ template_id: string }>('select template_id from pool')
  const began = performance.now()
  await post('/pools', login.token ?? '', {
    kind: 'floating',
    name: 'many',
    templateId,
    minSize: 0,
    warm: desktops,
    maxSize: desktops,
  })
  await until(async () => (await numberOf('select count(*) n from desktop')) > desktops && (await allReady()))
  return (performance.now() - began) / desktops
}

/** The same rows, as few statements as can be, and nobody else about. */
async function bare(): Promise<number> {
  const other = await one<{ id: string }>(`select id from host where id <> '${lostId}' order by name limit 1`)
  const times: number[] = []
  for (let n = 0; n < 5; n++) {
    const began = performance.now()
    for (const statement of [
      'begin',
      `create temporary table gone on commit drop as select id from desktop where host_id = '${lostId}' order by id for update`,
      `update desktop set host_id = '${other.id}', wished_incarnation = wished_incarnation + 1, wished_graphics = null,
         waits_for = null, observed_generation = null, observed_incarnation = null, observed_power = null,
         observed_stopped = null, observed_ready = false, observed_step = null, observed_queue_place = null,
         observed_clients = 0, observed_graphics = null, observed_trouble = null, observed_gone = false
       from gone where gone.id = desktop.id`,
      `insert into screen_port (host_id, port, desktop_id)
       select '${other.id}', 40000 + row_number() over (order by id), id from gone`,
      `insert into transition (desktop_id, pool_id, host_id, user_id, at, was, became, reason)
       select id, pool_id, host_id, user_id, now(), phase, 'returned', 'bench' from desktop join gone using (id)`,
      `insert into placement (desktop_id, cause, host_id, why, hosts)
       select desktop_id, 'return', host_id, why, hosts from placement join gone on gone.id = desktop_id`,
      'rollback',
    ])
      await one(statement)
    times.push(performance.now() - began)
  }
  return times.toSorted((a, b) => a - b)[2] ?? Number.NaN
}

async function lost() {
  const gone = await numberOf(`select count(*) n from desktop where host_id = '${lostId}'`)
  const quiet = await quietStatements()
  const { name } = await one<{ name: string }>(`select name from host where id = '${lostId}'`)
  const lastWord = performance.now()
  await agents[Number(name.slice(-1)) - 1]?.[Symbol.asyncDispose]()
  await until(async () => (await numberOf(`select count(*) n from host where state = 'lost'`)) === 1, 50)
  const called = performance.now()
  const kinds = new Map<string, number>()
  let statements = 0
  using _hearing = statementsHeard(({ text }) => {
    statements++
    const kind = text.replace(/\s+/g, ' ').slice(0, 110)
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  })
  await until(async () => (await numberOf(`select count(*) n from desktop where host_id = '${lostId}'`)) === 0, 50)
  const placed = performance.now()
  const placing = statements
  await until(allReady, 50)
  const ready = performance.now()
  const each = (statements - (quiet * (ready - called)) / 1000) / gone
  const ms = (value: number) => `${value.toFixed(0)} ms`
  console.log(`        ${gone} of ${desktops} desktops were there; called lost after ${ms(called - lastWord)}`)
  console.log(
    `        lost to the last placed: ${ms(placed - called)}, ${((placed - called) / gone).toFixed(1)} ms and ${(placing / gone).toFixed(2)} statements each; bare ${ms(bareMs)}`,
  )
  const ratio = (ready - called) / (madeMs * gone)
  promise(
    ratio <= promised.made,
    `lost to the last ready: ${ms(ready - called)} = ${ratio.toFixed(2)} × the time of making as many, ${ms(madeMs * gone)} (≤ ${promised.made})`,
  )
  promise(
    ready - lastWord <= promised.lostMs,
    `last word to the last ready: ${ms(ready - lastWord)} (≤ ${promised.lostMs})`,
  )
  promise(
    each <= promised.statements,
    `SQL statements each, to ready: ${each.toFixed(2)} (≤ ${promised.statements}), besides ${quiet.toFixed(1)} a second of an idle site`,
  )
  for (const [kind, count] of [...kinds].toSorted((a, b) => b[1] - a[1]).slice(0, 25))
    console.log(`          ${(count / gone).toFixed(2)}  ${kind}`)
}

async function allReady() {
  return (await numberOf(`select count(*) n from desktop where phase <> 'ready' or dirty`)) === 0
}

async function post(path: string, token: string, body: unknown): Promise<Record<string, string>> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
  const answer = await fetch(`${control.url}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as Record<string, string>
}
