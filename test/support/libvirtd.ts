/** Real libvirt for tests: the machine's own daemon, started when it does not run. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const libvirtSocket = '/run/libvirt/libvirt-sock'

/** libvirt probes every QEMU binary at its first start; on a busy machine that takes a while. */
const startTimeoutMs = 120_000

/** Debian's libvirt does not start its QEMU driver without this user, whatever its configuration says. */
const user = 'libvirt-qemu'

const folders = [
  '/run/libvirt',
  '/run/lock',
  '/etc/libvirt',
  '/var/lib/libvirt',
  '/var/cache/libvirt',
  '/var/log/libvirt',
]

/**
 * Makes sure that libvirtd answers at its usual socket, and leaves it running for whoever comes next.
 * Several test files may call it at once: a second daemon finds the first one's lock and goes away.
 */
export async function ensureLibvirtd(): Promise<string> {
  if (await answers(libvirtSocket)) return libvirtSocket
  if (process.getuid?.() !== 0) throw new Error('libvirtd does not run, and starting it needs root.')
  for (const folder of folders) await mkdir(folder, { recursive: true })
  await ensureUser()
  // Both end with an error when another process was quicker; what counts is the socket.
  const failures: string[] = []
  for (const daemon of ['virtlogd', 'libvirtd']) {
    await run(`/usr/sbin/${daemon}`, ['-d']).catch(error =>
      failures.push(`${daemon}: ${error.stderr || error.message}`),
    )
  }
  await untilAnswers(libvirtSocket, startTimeoutMs, failures)
  return libvirtSocket
}

async function ensureUser() {
  const known = await run('getent', ['passwd', user]).catch(() => null)
  if (known) return
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/var/lib/libvirt']
  await run('useradd', [...options, '--shell', '/usr/sbin/nologin', user]).catch(async error => {
    // Made by another test process in the meantime?
    if (!(await run('getent', ['passwd', user]).catch(() => null))) throw error
  })
}

/** Whether somebody listens there. */
export function answers(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath)
    const done = (heard: boolean) => {
      socket.destroy()
      resolve(heard)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}

export async function untilAnswers(socketPath: string, timeoutMs: number, failures: readonly string[] = []) {
  const deadline = Date.now() + timeoutMs
  while (!(await answers(socketPath))) {
    if (Date.now() > deadline) throw new Error(`Nobody listens at ${socketPath}. ${failures.join(' ')}`)
    await pause(20)
  }
}

/** A libvirtd in namespaces of its own, to be killed and frozen at will; its guests and networks end with it. */
export interface PrivateLibvirtd extends AsyncDisposable {
  /** Folder of its sockets, as seen from here. */
  folder: string
  socket: string
  /** To be put before a program that shall run in its network. */
  enter: string[]
  /** An empty folder at the same path inside and outside. */
  scratch: string
  /** `kill`: without a goodbye, and it comes back by itself; `hold`: it stays away until `start`; `stop`, `continue`: freezes it. */
  command(name: 'kill' | 'hold' | 'start' | 'stop' | 'continue'): void
}

const script = fileURLToPath(new URL('libvirtd-private.sh', import.meta.url))

/** Needs root. It shares CPUs and memory with everything else: small guests, and few. */
export async function privateLibvirtd(): Promise<PrivateLibvirtd> {
  const home = await mkdtemp(join(tmpdir(), 'hdcs-libvirt-'))
  // dnsmasq, which is not root, reads what tests put into `scratch`.
  await chmod(home, 0o711)
  for (const place of ['run', 'lib', 'cache', 'log', 'etc', 'dev', 'scratch']) await mkdir(join(home, place))
  const namespaces = ['--mount', '--net', '--ipc', '--uts', '--pid', '--fork', '--kill-child=SIGKILL']
  const init = spawn('unshare', [...namespaces, 'bash', script, home], { stdio: ['pipe', 'ignore', 'pipe'] })
  const ended = once(init, 'close')
  let words = ''
  init.stderr.setEncoding('utf8').on('data', text => {
    words += text
  })
  init.stdin.on('error', () => {
    // It ended before it read our command: whoever waits for the command's effect says so.
  })
  const folder = join(home, 'run', 'libvirt')
  const socket = join(folder, 'libvirt-sock')
  const dispose = async () => {
    init.kill('SIGKILL')
    await ended
    await rm(home, { recursive: true, force: true })
  }
  try {
    await Promise.race([
      untilAnswers(socket, startTimeoutMs),
      ended.then(() => Promise.reject(new Error(`The private libvirtd did not start: ${words}`))),
    ])
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    folder,
    socket,
    enter: ['nsenter', '-t', `${init.pid}`, '-n'],
    scratch: join(home, 'scratch'),
    command: name => void init.stdin.write(`${name}\n`),
    [Symbol.asyncDispose]: dispose,
  }
}

/** The QEMU of a domain of that name, in whichever world it runs. */
export async function guestProcess(domain: string): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    // Processes end while we look: those are not it.
    const command = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')
    if (command.includes(`guest=${domain},`)) return Number(entry)
  }
  throw new Error(`No QEMU runs the domain ${domain}.`)
}
