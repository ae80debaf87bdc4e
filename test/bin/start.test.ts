import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../api/client.ts'
import { closeCodes } from '../../spice/close-codes.ts'
import { linkedMain, openTestChannel } from '../spice/client.ts'
import { adminPassword, makeProduct, type Product } from '../support/product.ts'

const program = (name: string) => fileURLToPath(new URL(`../../bin/${name}.ts`, import.meta.url))

/** Runs until it ends by itself. */
async function run(name: string, env: Record<string, string>) {
  const settings = { HDCS_SIM_HOSTS: '1', HDCS_LISTEN: '127.0.0.1:0', HDCS_LOG_LEVEL: 'warn', ...env }
  const child = spawn(process.execPath, [program(name)], {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stdout.resume()
  child.stderr.on('data', text => {
    errors += text
  })
  const [code] = await once(child, 'close')
  return { code, errors }
}

const fresh = mkdtempSync(join(tmpdir(), 'hdcs-start-'))
let product: Product
beforeAll(async () => {
  product = await makeProduct('start', { simHosts: 1 })
  await product.start()
})
afterAll(async () => {
  await product?.[Symbol.asyncDispose]()
  rmSync(fresh, { recursive: true, force: true })
})

describe('a second start', () => {
  it('on the folder of a running one is refused, naming it, and leaves that one its hosts', async () => {
    const inUse = (folder: string) =>
      `hdcs: ${folder} is in use by process ${product.pid()}: end it, or set HDCS_DATA_DIR.\n`
    const env = { HDCS_DATA_DIR: product.folder }
    for (const name of ['all-in-one', 'control'])
      expect(await run(name, env)).toEqual({ code: 1, errors: inUse(product.folder) })
    const agent = await run('agent', { ...env, HDCS_CONTROL_URL: product.url, HDCS_JOIN_TOKEN: 'any' })
    expect(agent).toEqual({ code: 1, errors: inUse(join(product.folder, 'host')) })
    const client = await product.client()
    expect((await client.hostList()).items).toMatchObject([{ name: 'sim-1', state: 'online' }])
  })

  it('after kill -9 or a clean end is let in', async () => {
    await product.kill()
    await product.start()
    expect(await product.end()).toBe(0)
    await product.start()
  })

  it('on a port that is taken makes nothing and says so in one line', async () => {
    const folder = join(fresh, 'port')
    const listen = new URL(product.url).host
    expect(await run('all-in-one', { HDCS_DATA_DIR: folder, HDCS_LISTEN: listen })).toEqual({
      code: 1,
      errors: `hdcs: Something else listens on ${listen} already: end it, or set HDCS_LISTEN. (HDCS_LOG_LEVEL=debug tells more.)\n`,
    })
    expect(readdirSync(folder)).toEqual(['lock'])
  })
})

describe('a start that cannot be', () => {
  const unreachable = 'postgres://127.0.0.1:1/none'
  it.each([
    ['HDCS_DATA_DIR', { HDCS_DATA_DIR: '/etc/passwd' }],
    ['HDCS_DATABASE_URL', { HDCS_DATA_DIR: join(fresh, 'database'), HDCS_DATABASE_URL: unreachable }],
    ['HDCS_TLS_CERT', { HDCS_DATA_DIR: join(fresh, 'tls'), HDCS_TLS_CERT: '/none', HDCS_TLS_KEY: '/none' }],
  ])('for its %s says in one line what to do; the cause is for debugging', async (variable, env) => {
    const { code, errors } = await run('all-in-one', env)
    expect(code).toBe(1)
    expect(errors).toMatch(new RegExp(`^hdcs: [^\\n]*${variable}[^\\n]*\\n$`))
    const debugged = await run('all-in-one', { ...env, HDCS_LOG_LEVEL: 'debug' })
    expect(debugged.errors).toContain("code: 'E")
  })

  it('answers 503 while it starts: alive, not ready', async () => {
    // A database that takes connections and says nothing holds the start where it is.
    const held: Socket[] = []
    const silent = createServer(socket => void held.push(socket.on('error', () => socket.destroy())))
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const url = `127.0.0.1:${(probe.address() as AddressInfo).port}`
    await new Promise(resolve => probe.close(resolve))
    const env = {
      HDCS_DATA_DIR: join(fresh, 'slow'),
      HDCS_LISTEN: url,
      HDCS_DATABASE_URL: `postgres://127.0.0.1:${port}/x`,
    }
    const child = spawn(process.execPath, [program('control')], { env: { ...process.env, ...env }, stdio: 'ignore' })
    try {
      const ready = await vi.waitFor(() => fetch(`http://${url}/readyz`), { timeout: 20_000 })
      expect([ready.status, ready.headers.get('retry-after'), await ready.json()]).toMatchObject([
        503,
        '2',
        { status: 'starting' },
      ])
      expect((await fetch(`http://${url}/healthz`)).status).toBe(200)
      expect((await fetch(`http://${url}/api/v1/me`)).status).toBe(503)
      expect(await openTestChannel(`ws://${url}/spice?ticket=x`, '1.0')).toBe(503)
    } finally {
      child.kill('SIGKILL')
      for (const socket of held) socket.destroy()
      silent.close()
    }
  })
})

describe('an open screen', () => {
  /** Claims for this person once a desktop is there, and opens its screen. */
  async function openScreen(client: Client, gatewayUrl?: string) {
    const claim = async () => {
      const { items } = await client.poolList()
      return client.poolClaim({ params: { id: items[0]?.id ?? '' } })
    }
    const { task, desktop } = await vi.waitFor(claim, { timeout: 25_000, interval: 250 })
    expect((await client.taskGet({ params: { id: task.id }, query: { wait: '20s' } })).state).toBe('succeeded')
    const { webSocketUrl } = await client.desktopConnect({ params: { id: desktop.id } })
    const main = await linkedMain(gatewayUrl ? webSocketUrl.replace(/^ws:\/\/[^/]+/, gatewayUrl) : webSocketUrl)
    const openedMs = performance.now()
    return { desktop, main, closedMs: main.closed.then(() => performance.now() - openedMs) }
  }

  it('goes dark within two seconds of its desktop being given back', async () => {
    const client = await product.client()
    const { desktop, main, closedMs } = await openScreen(client)
    await client.desktopAct({ params: { id: desktop.id, name: 'release' } })
    expect((await main.closed).code).toBe(closeCodes.kicked)
    expect(await closedMs).toBeLessThan(2_000)
  })

  it('goes dark as soon on a gateway of its own', async () => {
    const key = readFileSync(join(product.folder, 'ticket.key'), 'utf8').trim()
    const child = spawn(process.execPath, [program('gateway')], {
      env: {
        ...process.env,
        HDCS_DATA_DIR: join(fresh, 'gateway'),
        HDCS_LISTEN: '127.0.0.1:0',
        HDCS_TICKET_KEY: key,
        HDCS_CONTROL_URL: product.url,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    try {
      let said = ''
      child.stdout.on('data', text => (said += text))
      const url = await vi.waitFor(() => /http:\S+/.exec(said)?.[0] ?? Promise.reject(new Error('silent')), 20_000)
      const client = await product.client()
      const { desktop, main, closedMs } = await openScreen(client, url.replace('http:', 'ws:'))
      await client.desktopAct({ params: { id: desktop.id, name: 'release' } })
      expect((await main.closed).code).toBe(closeCodes.kicked)
      expect(await closedMs).toBeLessThan(2_000)
    } finally {
      child.kill('SIGTERM')
      await ended
    }
  })

  it('goes dark within two seconds of its person being shut out', async () => {
    const admin = await product.client()
    const pia = await admin.userCreate({ body: { name: 'pia', password: adminPassword } })
    const { main, closedMs } = await openScreen(await product.client('pia'))
    await admin.userUpdate({ params: { id: pia.id }, body: { disabled: true } })
    expect((await main.closed).code).toBe(closeCodes.kicked)
    expect(await closedMs).toBeLessThan(2_000)
  })
})
