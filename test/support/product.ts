/** The product as a person runs it: one process on a data folder of its own, started, killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, makeClient } from '../../api/client.ts'
import { startEmbeddedPostgres } from '../../db/embedded.ts'
import { desktopNetworkRemove } from '../../vmm/desktop-network.ts'
import type { Host } from '../../vmm/host.ts'
import { connectDaemon } from '../../vmm/libvirt/daemon.ts'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'
import { ensureLibvirtd } from './libvirtd.ts'

const entry = fileURLToPath(new URL('../../bin/all-in-one.ts', import.meta.url))
/** Packages and built images are kept between runs; QEMU's user must be able to enter, so not under root's home. */
const base = '/var/tmp'

export const adminPassword = 'correct-horse-battery'

export interface Product extends AsyncDisposable {
  url: string
  folder: string
  /** Resolves when it says it is ready, with the seconds it took. */
  start(): Promise<number>
  /** No goodbye. */
  kill(): Promise<void>
  /** As Ctrl-C does. */
  end(): Promise<number | null>
  /** Everything it printed since the last start. */
  output(): string
  pid(): number | undefined
  /** The host beside it, looked at from outside; only after a start on libvirt. */
  openHost(): Promise<Host>
  /** Signs in over HTTP. */
  client(name?: string, password?: string): Promise<Client>
}

/** @param options.simHosts 0 is this machine's libvirt. @param options.address where it listens, if not on the loopback. */
export async function makeProduct(
  name: string,
  options: { simHosts: number; address?: string; env?: Record<string, string> },
): Promise<Product> {
  const { address = '127.0.0.1' } = options
  if (options.simHosts === 0) await ensureLibvirtd()
  const folder = mkdtempSync(join(base, `hdcs-${name}-`))
  chmodSync(folder, 0o711)
  mkdirSync(join(base, 'hdcs-test-cache'), { recursive: true })
  mkdirSync(join(folder, 'host'), { mode: 0o711 })
  symlinkSync(join(base, 'hdcs-test-cache'), join(folder, 'host', 'cache'))
  const port = await freePort(address)
  const url = `http://${address}:${port}`
  let child: ChildProcess | undefined
  let output = ''

  const end = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
    return child.exitCode
  }

  return {
    url,
    folder,
    async start() {
      output = ''
      const began = performance.now()
      const env = {
        ...process.env,
        HDCS_DATA_DIR: folder,
        HDCS_LISTEN: `${address}:${port}`,
        HDCS_ADMIN_PASSWORD: adminPassword,
        HDCS_PKI_DIR: join(folder, 'pki'),
        HDCS_SIM_HOSTS: String(options.simHosts),
        ...options.env,
      }
      const started = spawn(process.execPath, [entry], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      const ready = Promise.withResolvers<void>()
      const read = (text: Buffer) => {
        output = `${output}${text}`.slice(-200_000)
        if (output.includes('HDCS is ready')) ready.resolve()
      }
      started.stdout.on('data', read)
      started.stderr.on('data', read)
      started.once('exit', code => ready.reject(new Error(`ended with ${code} before it was ready:\n${output}`)))
      await ready.promise
      return (performance.now() - began) / 1000
    },
    async kill() {
      await end('SIGKILL')
    },
    end: () => end('SIGINT'),
    output: () => output,
    pid: () => child?.pid,
    async client(user = 'admin', password = adminPassword) {
      const { token } = await makeClient({ baseUrl: url }).login({ body: { name: user, password } })
      return makeClient({ baseUrl: url, token })
    },
    openHost: () => openHost(folder),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      if (options.simHosts === 0) await cleanHost(folder)
      // The database outlives a killed process on purpose; here nobody will adopt it any more.
      const database = await startEmbeddedPostgres(join(folder, 'database'))
      await database[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const installationOf = (folder: string) => readFileSync(join(folder, 'host', 'installation'), 'utf8').trim()

const openHost = (folder: string) =>
  openLibvirtHost({
    installationId: installationOf(folder),
    folder: join(folder, 'host'),
    fetchImage: () => Promise.reject(new Error('nothing was uploaded')),
    accelerator: 'tcg',
  })

/** Nothing of it stays on the machine: neither domain nor network. */
async function cleanHost(folder: string): Promise<void> {
  if (!existsSync(join(folder, 'host', 'installation'))) return
  await using host = await openHost(folder)
  for (const { id } of await host.machines()) await host.machineDestroy(id)
  await using daemon = await connectDaemon()
  await desktopNetworkRemove(daemon.networks, { installationId: installationOf(folder) })
}

async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address)
  await once(server, 'listening')
  const found = server.address()
  server.close()
  await once(server, 'close')
  if (typeof found !== 'object' || !found) throw new Error('no port')
  return found.port
}
