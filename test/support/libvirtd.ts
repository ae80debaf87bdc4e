/** Real libvirt for tests: the machine's own daemon, started when it does not run. */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
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
