/** Templates as files from the command line: taken away and brought in again, by everything but a real host. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { exportTake } from '../../api/agent-exports.ts'
import { makeApp } from '../../api/app.ts'
import { routes } from '../../api/routes.ts'
import { sessionOpen } from '../../auth/tokens.ts'
import { hdcs } from '../../cli/commands.ts'
import { exitCodes } from '../../cli/exit.ts'
import { exportRows } from '../../db/exports.ts'
import type { OutFile } from '../../vmm/host.ts'
import { tarOf, virtualBoxOvf } from '../support/appliances.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'
import { person as speaker } from './server.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-cli-files-'))
const undo = new AsyncDisposableStack()
let site: TestSite
let url: string
let token: string
/** Cut the next download after so many bytes. */
let cutAfter: number | null = null
let cut = () => {}

beforeAll(async () => {
  undo.defer(() => rmSync(folder, { recursive: true, force: true }))
  const sendExport = async (id: string, { sizeBytes, sha256, open }: OutFile, signal: AbortSignal) => {
    const [row] = await exportRows(site.broker.db, { id })
    await exportTake(site.broker, row?.host_id ?? '', { id, sizeBytes, sha256, body: open(), signal })
  }
  site = undo.use(await startSite({ sim: [{ sendExport }], own: { uploadFolder: join(folder, 'uploads') } }))
  const { admin } = await siteWarm(site)
  token = (await sessionOpen(site.broker.db, admin.userId, 'test', new Date())).token
  const health = { databaseAnswers: async () => {}, leaderExists: async () => true, desktopsByPhase: async () => ({}) }
  const app = makeApp({ broker: site.broker, routes, pagesFolder: null, health, checkAnswers: true })
  const answer = async (request: Request): Promise<Response> => {
    const response = await app.fetch(request)
    const at = cutAfter
    if (at === null || !request.url.endsWith('/exports/hdcs') || request.method !== 'GET') return response
    cutAfter = null
    const bytes = new Uint8Array(await response.arrayBuffer())
    const cutOff = new ReadableStream<Uint8Array>({
      start: controller => controller.enqueue(bytes.subarray(0, at)),
      pull: () => cut(),
    })
    return new Response(cutOff, { status: response.status, headers: response.headers })
  }
  const server = createServer(getRequestListener(answer))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  undo.defer(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  cut = () => server.closeAllConnections()
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}, 60_000)
afterAll(() => undo.disposeAsync())

const said = async (...words: string[]) => {
  const { around, out, err } = speaker(url, { HDCS_TOKEN: token })
  return { code: await hdcs(words, around), out: out(), err: err() }
}

it('saves a version as a file, goes on after a cut, and makes a template of it again with all it says', async () => {
  const path = join(folder, 'tiny.hdcs.tar')
  cutAfter = 700
  const saved = await said('templates', 'export', 'tiny', '1', path)
  expect(saved, saved.err).toMatchObject({ code: exitCodes.done })
  expect(saved.out).toContain(createHash('sha256').update(readFileSync(path)).digest('hex'))
  expect(existsSync(`${path}.part`)).toBe(false)
  expect(await said('templates', 'export', 'tiny', '1', path)).toMatchObject({ code: exitCodes.refused })
  // A template of that name is there: its next version.
  const back = await said('templates', 'import', path)
  expect(back, back.err).toMatchObject({ code: exitCodes.done })
  expect((await said('templates')).out).toMatch(/tiny +2 sealed, 1 sealed/)
})

it('imports an appliance under the name it bears, with the hardware it had', async () => {
  const path = join(folder, 'My Box.ova')
  writeFileSync(
    path,
    tarOf([
      ['My Box.ovf', virtualBoxOvf('disk.vmdk')],
      ['disk.vmdk', 'not looked at by a simulated host'],
    ]),
  )
  const made = await said('templates', 'import', path)
  expect(made, made.err).toMatchObject({
    code: exitCodes.done,
    out: expect.stringContaining('template my-box is ready'),
  })
  const { items } = JSON.parse((await said('--json', 'templates')).out)
  expect(items.find(({ name }: { name: string }) => name === 'my-box')).toMatchObject({
    hardware: { vcpus: 2, memoryBytes: 2 ** 31 },
    readyWhen: 'running',
    versions: [{ source: { kind: 'upload', format: 'ova' } }],
  })
})

it('says before the upload why a file cannot be taken, and what lacks', async () => {
  const path = join(folder, 'two.ova')
  writeFileSync(path, tarOf([['a.ovf', virtualBoxOvf('d.vmdk').replace(/<Disk .*?\/>/, found => found + found)]]))
  const two = await said('templates', 'import', path)
  expect(two.err).toContain('it has 2 disks, and a template has one')
  const plain = join(folder, 'plain.img')
  writeFileSync(plain, 'x')
  expect((await said('templates', 'import', plain)).err).toContain('hdcs templates import NAME plain.img')
})

it('takes no file for what its name says it is, and warns of a disk from which nothing may start', async () => {
  const path = join(folder, 'rand.qcow2')
  writeFileSync(path, randomBytes(100))
  const refused = await said('templates', 'import', 'rand', path)
  expect(refused).toMatchObject({ code: exitCodes.usage, err: expect.stringContaining('no qcow2 image') })
  const empty = join(folder, 'zeros.img')
  writeFileSync(empty, Buffer.alloc(3 * 2 ** 20))
  const warned = await said('templates', 'import', 'zeros', empty)
  expect(warned).toMatchObject({ code: exitCodes.done, err: expect.stringContaining('may not start') })
})

it('removes a version and a template, when that is said', async () => {
  const asked = await said('templates', 'remove', 'zeros', '1')
  expect(asked).toMatchObject({ code: exitCodes.usage, err: expect.stringContaining('version 1 of zeros') })
  expect(await said('templates', 'remove', 'zeros', '1', '--yes')).toMatchObject({
    out: 'version 1 of zeros is removed\n',
  })
  expect(await said('templates', 'remove', 'zeros', '--yes')).toMatchObject({ code: exitCodes.done })
  expect((await said('templates')).out).not.toContain('zeros')
  expect(await said('templates', 'remove', 'tiny', '--yes')).toMatchObject({ code: exitCodes.refused })
})

it('saves no version under an ending whose format it cannot make', async () => {
  const path = join(folder, 'g.vdi')
  const refused = await said('templates', 'export', 'tiny', '1', path)
  expect(refused).toMatchObject({ code: exitCodes.usage, err: expect.stringContaining('.qcow2') })
  expect(existsSync(path)).toBe(false)
})

it('installs a system from a disc: an empty disk, an ISO file, a pool and a desktop with the disc', async () => {
  const iso = Buffer.alloc(0x8800)
  iso.write('CD001', 0x8001)
  const path = join(folder, 'debian.iso')
  writeFileSync(path, iso)
  const ran = async (...words: string[]) => {
    const { code, out, err } = await said(...words)
    expect(code, err).toBe(exitCodes.done)
    return out
  }
  expect(await ran('templates', 'import', 'debian-disc', path)).toContain('ready')
  expect(await ran('templates', 'build', 'empty', '--blank', '--disk', '8')).toContain('ready')
  await ran('pools', 'make', 'inst', 'empty', '--persistent', '--everyone', '--warm', '0')
  expect(await ran('make', 'inst', '--cdrom', 'debian-disc', '--dry-run')).toMatch(
    /^medium +ok +debian-disc, version 1/m,
  )
  expect((await said('make', 'inst', '--cdrom', 'tiny')).err).toContain('made of no ISO file')
  await ran('make', 'inst', '--name', 'fresh', '--cdrom', 'debian-disc/1')
  const [made] = JSON.parse(await ran('--json', 'call', 'desktopList', 'name=fresh')).items
  const templates = JSON.parse(await ran('--json', 'templates')).items as { name: string; versions: { id: string }[] }[]
  const disc = templates.find(({ name }) => name === 'debian-disc')?.versions[0]?.id
  expect(made).toMatchObject({ hardware: { diskBytes: 2 ** 33 }, cdrom: disc, bootDisc: false })
  expect(await ran('disc', 'fresh', 'debian-disc', '--boot')).toContain('it starts from there at its next start')
})
