/** What benches of many simulated hosts share: a control plane in this process, on a PostgreSQL of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Control, startControl } from '../bin/control.ts'
import { localHost } from '../broker/first-start.ts'
import { startEmbeddedPostgres } from '../db/embedded.ts'
import { readConfig } from '../lib/config.ts'
import { type Log, makeLog } from '../lib/log.ts'
import { statementsHeard } from './statements.ts'

/** What an agent needs to dial a site. */
export interface HostWay {
  hostName: string
  url: string
  key: string
  installationId: string
}

export interface BenchSite extends AsyncDisposable {
  control: Control
  databaseUrl: string
  log: Log
  hostJoin(hostName: string): Promise<HostWay>
  /** The first row of what is asked beside the product. */
  one<Row>(query: string): Promise<Row>
  /** Of a query whose one column is `n`. */
  numberOf(query: string): Promise<number>
  promise(kept: boolean, text: string): void
  /** Last words and exit code. */
  verdict(): void
}

export const adminPassword = 'bench-password'

export async function startBenchSite(): Promise<BenchSite> {
  await using undo = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-bench-'))
  undo.defer(() => rmSync(folder, { recursive: true, force: true }))
  const log = makeLog('bench', process.env.HDCS_LOG_LEVEL ?? 'error')
  const { url: databaseUrl } = undo.use(await startEmbeddedPostgres(join(folder, 'database')))
  const config = readConfig(
    {
      HDCS_DATA_DIR: folder,
      HDCS_LISTEN: '127.0.0.1:0',
      HDCS_ADMIN_PASSWORD: adminPassword,
      HDCS_DATABASE_URL: databaseUrl,
    },
    true,
  )
  const control = undo.use(await startControl(config, log))
  const looker = new pg.Client(databaseUrl)
  await looker.connect()
  undo.defer(() => looker.end())
  const one = async <Row>(query: string) => (await looker.query(`/* bench */ ${query}`)).rows[0] as Row
  let missed = 0
  const owned = undo.move()
  return {
    control,
    databaseUrl,
    log,
    one,
    async hostJoin(hostName) {
      const { installationId } = control
      const { key } = await localHost(control.broker, control.clusterId, hostName, [])
      return { hostName, url: `${control.url.replace('http', 'ws')}/api/v1/agent`, key, installationId }
    },
    numberOf: async query => Number((await one<{ n: string }>(query)).n),
    promise(kept, text) {
      console.log(`${kept ? '  kept ' : 'MISSED '} ${text}`)
      if (!kept) missed++
    },
    verdict() {
      console.log(missed === 0 ? 'every promise kept' : `missed: ${missed}`)
      process.exitCode = missed === 0 ? 0 : 1
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Statements of a site where nobody asks for anything, a second. */
export async function quietStatements(): Promise<number> {
  let count = 0
  using _hearing = statementsHeard(() => count++)
  await pause(4_000)
  return count / 4
}

export function pause(ms: number) {
  return new Promise<void>(resolve => setTimeout(resolve, ms))
}

export async function until(look: () => Promise<boolean>, everyMs = 100) {
  while (!(await look())) await pause(everyMs)
}
