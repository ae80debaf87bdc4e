/** The line of a join token, pasted as it is shown: on a host of the lab with nothing of HDCS on it. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { makeProduct, type Product } from '../support/product.ts'
import { type Lab, labUp } from './lab.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const undo = new AsyncDisposableStack()
let lab: Lab
let product: Product
let admin: Client
/** Where it goes on the host. */
let place: { folder: string; data: string; storage: string }

beforeAll(async () => {
  lab = undo.use(
    await labUp({
      folder: '/var/tmp/hdcs-lab-joining',
      hosts: [{ name: 'h1', cluster: 'main' }],
      fresh: true,
      cache: '/var/tmp/hdcs-test-cache',
      certificates: 'agent',
    }),
  )
  const env = { HDCS_LOCAL_HOST: '0' }
  product = undo.use(await makeProduct('joining', { simHosts: 0, address: lab.gateway, env }))
  await product.start()
  admin = await product.client()
  const { home, data } = lab.host('h1')
  place = { folder: join(home, 'opt', 'hdcs'), data, storage: lab.storage }
  await packagesFetched()
})
afterAll(() => undo.disposeAsync())

/** Hosts of a lab may reach no registry: npm takes the packages from its cache, where an installation before puts them. */
async function packagesFetched(): Promise<void> {
  const folder = mkdtempSync('/var/tmp/hdcs-packages-')
  try {
    for (const file of ['package.json', 'package-lock.json']) cpSync(join(root, file), join(folder, file))
    const args = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
    await promisify(execFile)('npm', args, { cwd: folder })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Says it in a shell of the host; resolves with all it printed, how it ended, and whether a process list showed `secret`. */
async function paste(line: string, secret = 'nothing secret') {
  const file = join(lab.host('h1').home, 'pasted')
  writeFileSync(file, line.replace(/bash$/, `bash -s -- --storage ${place.storage} --folder ${place.folder}`))
  const env = { HDCS_DATA_DIR: place.data, HDCS_SIM_HOSTS: '0', npm_config_prefer_offline: 'true' }
  const child = lab.spawn('h1', ['bash', '-c', `bash ${file} >${file}.out 2>&1`], { env, quiet: true })
  const seen = new Set<string>()
  const looking = setInterval(() => {
    for (const line of commandLines()) if (line.includes(secret)) seen.add(line)
  }, 20)
  const [code] = await once(child, 'close')
  clearInterval(looking)
  const text = readFileSync(`${file}.out`, 'utf8')
  rmSync(file)
  return { code, text, seen: [...seen] }
}

/** Of every process of this machine, those of the host among them. */
const commandLines = () =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return '' // it has ended
      }
    })

const filesIn = (folder: string) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
const hosts = async () => (await admin.hostList({ query: {} })).items
const agentPid = () => readFileSync(join(place.data, 'host', 'lock'), 'utf8').trim()

it('says what is wrong with a token, and starts nothing', async () => {
  const { command, token } = await admin.joinTokenMake({ body: {} })
  const { code, text } = await paste(command.replace(token, 'never-made'))
  expect(text).toContain('The join token is unknown, used or expired')
  expect(text).toContain('nothing was started')
  expect(code).toBe(1)
  expect(await hosts()).toEqual([])
  expect(existsSync(join(place.data, 'host', 'lock'))).toBe(false)
})

it('turns a bare host into one of the tree and says its name there; the token is seen and kept nowhere', async () => {
  const { command, token, reachable } = await admin.joinTokenMake({ body: {} })
  expect(reachable).toBe(true)
  const { code, text, seen } = await paste(command, token)
  expect(text).toContain('h1 is in the tree')
  expect(code).toBe(0)
  expect(await hosts()).toMatchObject([{ name: 'h1', state: 'online', facts: { simulated: false } }])
  expect(seen).toEqual([])
  expect(text).not.toContain(token)
  const kept = filesIn(place.data).filter(file => !file.includes('/cache/') && readFileSync(file).includes(token))
  expect(kept).toEqual([])
  expect(readdirSync(join(place.folder, '..'))).toEqual(['hdcs'])
})

it('is harmless a second time, and puts another program in the place of an old one', async () => {
  const { command } = await admin.joinTokenMake({ body: {} })
  const [before] = await hosts()
  const pid = agentPid()
  expect(await paste(command)).toMatchObject({ code: 0, text: expect.stringContaining('h1 is in the tree') })
  expect((await hosts()).map(({ id }) => id)).toEqual([before?.id])
  expect(agentPid()).not.toBe(pid)

  const program = join(place.folder, 'bin', 'agent.ts')
  writeFileSync(join(place.folder, '.joined'), 'of another release')
  writeFileSync(program, 'throw new Error("an old program")')
  const line = command.replace(/echo [^;]*; /, '') // an upgrade needs no token
  expect(await paste(line)).toMatchObject({ code: 0, text: expect.stringContaining('h1 is in the tree') })
  expect(readFileSync(program, 'utf8')).toBe(readFileSync(join(root, 'bin', 'agent.ts'), 'utf8'))
  expect(await hosts()).toMatchObject([{ id: before?.id, state: 'online' }])
})

it('says why an agent does not serve, and what to do; then it is mended by the line', async () => {
  const { command } = await admin.joinTokenMake({ body: {} })
  place.storage = '/proc/no-storage'
  const { code, text } = await paste(command)
  expect(code).toBe(1)
  expect(text).toContain('/proc/no-storage')
  expect(text).toContain(`scripts/agent.sh start`)
  place.storage = lab.storage
  expect(await paste(command)).toMatchObject({ code: 0, text: expect.stringContaining('h1 is in the tree') })
})

it('leaves alone what lies in its place and is not HDCS', async () => {
  const foreign = join(lab.host('h1').home, 'foreign')
  mkdirSync(foreign)
  writeFileSync(join(foreign, 'thesis.txt'), 'years of work')
  const { command } = await admin.joinTokenMake({ body: {} })
  place.folder = foreign
  expect(await paste(command)).toMatchObject({ code: 1, text: expect.stringContaining('holds something else') })
  expect(readdirSync(foreign)).toEqual(['thesis.txt'])
})
