/** A machine's screen, its serial port and machines that are not ours, by the command line: as the API promises its answers. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { hdcs } from '../../cli/commands.ts'
import { consoleRun } from '../../cli/console.ts'
import { exitCodes } from '../../cli/exit.ts'
import { closeCodes } from '../../spice/close-codes.ts'
import { type Asked, fakeServer, person } from './server.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('hdcs console', () => {
  let gateway: WebSocketServer
  let url: string
  beforeEach(async () => {
    gateway = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(gateway, 'listening')
    url = `ws://127.0.0.1:${(gateway.address() as AddressInfo).port}/spice?console=x`
  })
  afterEach(() => gateway.close())

  async function begun(signal = new AbortController().signal) {
    const raw: boolean[] = []
    const input = Object.assign(new PassThrough(), { setRawMode: (on: boolean) => raw.push(on) })
    const output = new PassThrough()
    const arrived = once(gateway, 'connection') as Promise<[WebSocket]>
    const run = consoleRun(url, { input, output }, signal)
    // Awaited where it is looked at.
    run.catch(() => undefined)
    const [machine] = await arrived
    let heard = ''
    machine.on('message', data => (heard += String(data)))
    return { raw, input, output, run, machine, heard: () => heard }
  }

  it('passes every key to the machine but Ctrl-], which leaves and gives the terminal back', async () => {
    const { raw, input, output, run, machine, heard } = await begun()
    machine.send(Buffer.from('login: '))
    expect(String((await once(output, 'data'))[0])).toBe('login: ')
    input.write('root\r\x03')
    await once(machine, 'message')
    const closed = once(machine, 'close')
    input.write('last\x1dnever')
    await run
    await closed
    expect(heard()).toBe('root\r\x03last')
    expect(raw).toEqual([true, false])
    expect(input.isPaused()).toBe(true)
  })

  it.each([
    [closeCodes.taken, 'Somebody else opened it'],
    [closeCodes.desktopClosed, 'it was shut down'],
    [1011, 'The connection broke (odd)'],
  ])('says why it was closed with %i', async (code, text) => {
    const { run, machine, raw } = await begun()
    machine.send('x')
    machine.close(code, 'odd')
    await expect(run).rejects.toMatchObject({ code: 'unreachable', message: expect.stringContaining(text) })
    expect(raw.at(-1)).toBe(false)
  })

  it('ends with the program, and says so of a gateway that is not there', async () => {
    const ending = new AbortController()
    const { run } = await begun(ending.signal)
    ending.abort()
    await expect(run).rejects.toMatchObject({ code: 'cancelled' })
    const nobody = createServer().listen(0, '127.0.0.1')
    await once(nobody, 'listening')
    const { port } = nobody.address() as AddressInfo
    nobody.close()
    await once(nobody, 'close')
    const ends = { input: new PassThrough(), output: new PassThrough() }
    const missed = consoleRun(`ws://127.0.0.1:${port}`, ends, new AbortController().signal)
    await expect(missed).rejects.toMatchObject({ code: 'unreachable' })
  })
})

const host = { id: '01900000-0000-7000-8000-000000000011', name: 'h1' }
const desktop = { id: '01900000-0000-7000-8000-000000000014', name: 'cad-1' }
const ana = { id: '01900000-0000-7000-8000-000000000015', name: 'ana' }
const machine = {
  id: '01900000-0000-7000-8000-0000000000f1',
  name: 'Old Server',
  power: 'running',
  vcpus: 2,
  memoryBytes: 2 ** 30,
  video: 'vga',
  firmware: 'uefi',
  diskBus: 'sata',
  disks: [
    { path: '/srv/old.qcow2', format: 'qcow2', bus: 'ide', sizeBytes: 8 * 2 ** 30, usedBytes: null, backing: null },
  ],
  nics: [],
  obstacles: [],
  desktop: null,
  actions: [{ name: 'adopt', allowed: true }],
}
const why = 'it has two disks: take one out'
const refused = {
  ...machine,
  id: host.id,
  name: 'twin',
  obstacles: [why],
  actions: [{ name: 'adopt', allowed: false, reason: why }],
}

async function say(...words: string[]) {
  const sent: unknown[] = []
  const listed =
    (...items: object[]) =>
    () => ({ body: { items, nextCursor: null } })
  const note = ({ body }: Asked) => sent.push(JSON.parse(body))
  await using server = await fakeServer({
    'GET /api/v1/hosts': listed(host),
    'GET /api/v1/users': listed(ana),
    'GET /api/v1/desktops': listed(desktop),
    [`GET /api/v1/hosts/${host.id}/foreign-machines`]: listed(machine, refused),
    [`POST /api/v1/hosts/${host.id}/foreign-machines/${machine.id}/adopt`]: asked => {
      note(asked)
      return {
        status: 202,
        body: { task: { id: desktop.id, state: 'succeeded', steps: [] }, desktop: { name: 'old-server' } },
      }
    },
    [`GET /api/v1/desktops/${desktop.id}/screen`]: () => ({
      body: { holder: { userName: 'ana', since: '2026-01-01T11:00:00Z', administrator: false } },
    }),
    [`POST /api/v1/desktops/${desktop.id}/screen`]: asked => {
      note(asked)
      const taken = JSON.parse(asked.body).take
      if (!taken) return { status: 409, body: { code: 'conflict', detail: 'ana has the screen of cad-1.' } }
      return { body: { viewerFile: '[virt-viewer]\ntitle=cad-1\n' } }
    },
    [`GET /api/v1/desktops/${desktop.id}/screenshot`]: () => ({ text: 'PNG' }),
  })
  const spoken = person(server.url)
  const code = await hdcs(words, spoken.around)
  return { code, out: spoken.out(), err: spoken.err(), sent, url: server.url }
}

describe('hdcs screen', () => {
  it('says who looks at it, and takes it only when told so', async () => {
    const held = await say('screen', 'cad-1', '--save', '-')
    expect(held).toMatchObject({ code: exitCodes.refused, sent: [{ take: false }] })
    expect(held.err).toContain('--take')
    const taken = await say('screen', 'cad-1', '--take', '--save', '-')
    expect(taken).toMatchObject({ code: 0, sent: [{ take: true }], out: '[virt-viewer]\ntitle=cad-1\n' })
  })

  it('prints the address of its page, or saves what it shows, and takes it from nobody by that', async () => {
    const link = await say('screen', 'cad-1', '--link')
    expect(link).toMatchObject({ out: `${link.url}/admin/desktops/${desktop.id}/screen\n`, sent: [] })
    const file = join(folder, 'cad.png')
    expect(await say('screen', 'cad-1', '--picture', file)).toMatchObject({ code: 0, sent: [] })
    expect(existsSync(file) && readFileSync(file, 'utf8')).toBe('PNG')
  })
})

describe('machines made without HDCS', () => {
  it('are listed with what keeps them from being adopted', async () => {
    const { out } = await say('foreign')
    expect(out).toMatch(/h1 +Old Server +running +2 +1\.0 GiB +8\.0 GiB +can be adopted/)
    expect(out).toContain(why)
    expect((await say('foreign', 'h1')).out).toBe(out)
  })

  it('are adopted for somebody; a dry run only says what would be done, and what speaks against it', async () => {
    const dry = await say('adopt', 'h1', 'Old Server', '--for', 'ana', '--dry-run')
    expect(dry).toMatchObject({ code: 0, sent: [] })
    expect(dry.out).toContain('/srv/old.qcow2 (qcow2, 8.0 GiB)')
    expect(dry.out).toMatch(/^Changes +its UEFI settings are not taken over .*; its disk comes from ide to sata;/m)
    const no = await say('adopt', 'h1', 'twin', '--for', 'ana', '--dry-run')
    expect(no.code).toBe(exitCodes.refused)
    expect(no.err).toContain(why)
    const done = await say('adopt', 'h1', 'Old Server', '--for', 'ana', '--name', 'new')
    expect(done).toMatchObject({ code: 0, sent: [{ userId: ana.id, name: 'new' }] })
    expect(done.out).toContain('its old disk stays: /srv/old.qcow2')
    expect((await say('adopt', 'h1', 'nobody')).err).toContain('known: Old Server, twin')
  })
})
