import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { exitCodes } from '../../cli/exit.ts'
import { testFolder } from '../support/folder.ts'
import { fakeServer, person } from './server.ts'

const poolId = '01900000-0000-7000-8000-000000000001'
const desktopId = '01900000-0000-7000-8000-000000000002'
const taskId = '01900000-0000-7000-8000-000000000003'
const pool = {
  id: poolId,
  name: 'demo',
  kind: 'floating',
  status: 'ok',
  statusText: '',
  description: 'To try it',
  maxSize: 5,
  estimateMs: 0,
  counts: { total: 2, ready: 1, assigned: 1 },
}
const desktop = {
  id: desktopId,
  name: 'demo-1',
  poolName: 'demo',
  phase: 'ready',
  since: '2026-01-01T11:57:00Z',
  address: '10.100.0.7',
  userName: 'ana',
  hostName: 'h1',
  step: null,
  session: null,
  trouble: null,
  actions: [{ name: 'release', allowed: true }],
}
const task = (more: object = {}) => ({
  id: taskId,
  kind: 'desktop.claim',
  state: 'running',
  progress: 40,
  steps: [{ name: 'starting', state: 'current' }],
  error: null,
  estimateMs: 5000,
  subject: { type: 'desktop', id: desktopId, name: 'demo-1' },
  ...more,
})
const list = (...items: unknown[]) => ({ body: { items, nextCursor: null } })
const named = (item: { name: string }) => (asked: { query: URLSearchParams }) =>
  list(...(asked.query.has('name') && asked.query.get('name') !== item.name ? [] : [item]))

const world = {
  'GET /api/v1/pools': named(pool),
  [`GET /api/v1/pools/${poolId}`]: () => ({ body: pool }),
  [`POST /api/v1/pools/${poolId}/claim`]: () => ({ status: 202, body: { task: task(), desktop } }),
  'GET /api/v1/desktops': named(desktop),
  [`GET /api/v1/desktops/${desktopId}`]: () => ({ body: desktop }),
  [`POST /api/v1/desktops/${desktopId}/actions/release`]: () => ({ status: 202, body: { task: task(), desktop } }),
  [`GET /api/v1/desktops/${desktopId}/viewer-file`]: () => ({ text: '[virt-viewer]\nhost=h\n' }),
  [`GET /api/v1/tasks/${taskId}`]: () => ({ body: task({ state: 'succeeded', progress: 100, steps: [] }) }),
}

describe('hdcs', () => {
  it('shows the pools as a table, and the API’s own answer with --json', async () => {
    await using server = await fakeServer(world)
    const { around, out } = person(server.url)
    expect(await hdcs(['pools'], around)).toBe(exitCodes.done)
    expect(out()).toMatch(/^POOL +KIND +READY/)
    expect(out()).toMatch(/demo +floating +1 +1 +2\/5 +none +ok +To try it/)
    const second = person(server.url)
    await hdcs(['--json', 'pools'], second.around)
    expect(JSON.parse(second.out()).items).toEqual([pool])
  })

  it.each([
    [true, 'waits until h1 is surely off'],
    [false, 'its host is lost; it waits for h1 to return'],
  ])('says what a desktop of a lost host waits for (only a fence: %s)', async (fence, note) => {
    const waitsForHost = { id: poolId, name: 'h1', fence }
    const reason = 'its host is lost; it waits for h1 to return: its pool wishes so'
    const lost = { ...desktop, phase: 'unknown', reason, waitsForHost, noNetwork: null }
    await using server = await fakeServer({ ...world, 'GET /api/v1/desktops': named(lost) })
    const { around, out } = person(server.url)
    expect(await hdcs(['desktops'], around)).toBe(exitCodes.done)
    expect(out()).toContain(note)
  })

  it('claims by the pool’s name, follows the task and says how to go on', async () => {
    await using server = await fakeServer(world)
    const { around, out, err } = person(server.url)
    expect(await hdcs(['claim', 'demo'], around)).toBe(exitCodes.done)
    expect(err()).toContain('starting')
    expect(out()).toContain('10.100.0.7')
    expect(out()).toContain('hdcs connect demo-1')
    expect(server.asked).toContain(`GET /api/v1/tasks/${taskId}?wait=1s`)
  })

  it('says where the task is, and asks no more, with --no-wait', async () => {
    await using server = await fakeServer(world)
    const { around, err } = person(server.url)
    expect(await hdcs(['--no-wait', 'release'], around)).toBe(exitCodes.done)
    expect(err()).toContain(`hdcs task ${taskId}`)
    expect(server.asked.some(line => line.includes('/tasks/'))).toBe(false)
  })

  it('ends with a code of its own when the task failed, and says why', async () => {
    const failed = task({ state: 'failed', error: { code: 'start_failed', text: 'QEMU: no space left' } })
    await using server = await fakeServer({ ...world, [`GET /api/v1/tasks/${taskId}`]: () => ({ body: failed }) })
    const { around, err } = person(server.url)
    expect(await hdcs(['claim', 'demo'], around)).toBe(exitCodes.taskFailed)
    expect(err()).toContain('QEMU: no space left')
  })

  it('leaves the task to itself at Ctrl-C, and says how to follow it again', async () => {
    const ending = new AbortController()
    await using server = await fakeServer({
      ...world,
      [`GET /api/v1/tasks/${taskId}`]: () => {
        ending.abort()
        return { body: task() }
      },
    })
    const { around, err } = person(server.url)
    expect(await hdcs(['claim', 'demo'], { ...around, signal: ending.signal })).toBe(exitCodes.interrupted)
    expect(err()).toContain(`hdcs task ${taskId}`)
  })

  it('names what there is when a name is unknown', async () => {
    await using server = await fakeServer(world)
    const { around, err } = person(server.url)
    expect(await hdcs(['claim', 'dmeo'], around)).toBe(exitCodes.notFound)
    expect(err()).toContain('No pool is called dmeo (known: demo)')
  })

  it.each([
    ['pool_exhausted', 409, exitCodes.refused, 'hdcs release'],
    ['unauthenticated', 401, exitCodes.signIn, 'hdcs login'],
    ['forbidden', 403, exitCodes.forbidden, 'administrator'],
  ])('answers %s with its exit code and what to do next', async (code, status, exitCode, next) => {
    const refused = () => ({ status, body: { code, detail: 'All 5 desktops are in use.' } })
    await using server = await fakeServer({ ...world, [`POST /api/v1/pools/${poolId}/claim`]: refused })
    const { around, err } = person(server.url)
    expect(await hdcs(['claim', 'demo'], around)).toBe(exitCode)
    expect(err()).toContain('All 5 desktops are in use.')
    expect(err()).toContain(next)
  })

  it('tells an unreachable server from a refusal', async () => {
    const server = await fakeServer({})
    await server[Symbol.asyncDispose]()
    const { around, err } = person(server.url)
    expect(await hdcs(['pools'], around)).toBe(exitCodes.unreachable)
    expect(err()).toContain('does not answer')
  })

  it('asks to sign in first where nobody has', async () => {
    const { around, err } = person('', { HDCS_TOKEN: '', XDG_CONFIG_HOME: '/nowhere' })
    expect(await hdcs(['pools'], around)).toBe(exitCodes.signIn)
    expect(err()).toContain('hdcs login')
  })

  it('saves the viewer file for its owner alone, of the only desktop when none is named', async () => {
    await using server = await fakeServer(world)
    const { around } = person(server.url)
    const file = join(testFolder(), 'x.vv')
    expect(await hdcs(['connect', '--save', file], around)).toBe(exitCodes.done)
    expect(readFileSync(file, 'utf8')).toContain('[virt-viewer]')
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('refuses wrong use with a hint', async () => {
    const { around, err } = person('http://127.0.0.1:1')
    expect(await hdcs(['claim'], around)).toBe(exitCodes.usage)
    expect(err()).toContain('--help')
  })
})

describe('hdcs templates import', () => {
  it('declares size, format and checksum, then sends the file', async () => {
    const templateId = '01900000-0000-7000-8000-000000000009'
    const file = join(testFolder(), 'disk.bin')
    const bytes = Buffer.concat([Buffer.from('QFI\u00fb', 'latin1'), Buffer.alloc(200_000, 7)])
    writeFileSync(file, bytes)
    let declared: { source?: unknown } = {}
    let sent = ''
    await using server = await fakeServer({
      ...world,
      'GET /api/v1/templates': () => list(),
      'POST /api/v1/template-files/inspect': () => ({
        body: { kind: 'image', name: null, description: '', notes: '', hardware: null, readyWhen: null, remarks: [] },
      }),
      'POST /api/v1/templates': ({ body }) => {
        declared = JSON.parse(body)
        return { status: 202, body: { task: task(), template: { id: templateId, versions: [{ number: 1 }] } } }
      },
      [`POST /api/v1/templates/${templateId}/versions/1/upload`]: ({ body }) => {
        sent = body
        return { body: {} }
      },
    })
    const { around, out } = person(server.url)
    expect(await hdcs(['templates', 'import', 'office', file], around)).toBe(exitCodes.done)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(declared.source).toEqual({ kind: 'upload', format: 'qcow2', sizeBytes: bytes.length, sha256 })
    expect(sent).toBe(bytes.toString())
    expect(out()).toContain('template office is ready')
  })
})

describe('the program', () => {
  it('signs in with a password from a pipe and keeps the token for its owner alone', async () => {
    let body = ''
    await using server = await fakeServer({
      'POST /api/v1/login': asked => {
        body = asked.body
        return { body: { token: 'fresh', expiresAt: '2027-01-01T00:00:00Z', user: { name: 'ana' } } }
      },
    })
    const home = testFolder()
    const child = spawn(process.execPath, ['bin/hdcs.ts', 'login', server.url, '--name', 'ana'], {
      env: { ...process.env, XDG_CONFIG_HOME: home },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdin.end('p4ss word\n')
    expect(await new Promise(resolve => child.once('close', resolve))).toBe(0)
    expect(JSON.parse(body)).toEqual({ name: 'ana', password: 'p4ss word' })
    const file = join(home, 'hdcs', 'account.json')
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ url: server.url, token: 'fresh' })
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })
})
