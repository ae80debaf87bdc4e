/** The command line against the whole thing: API, broker, PostgreSQL and a simulated host. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeApp } from '../../api/app.ts'
import { routes } from '../../api/routes.ts'
import type { Role } from '../../auth/policy.ts'
import { sessionOpen } from '../../auth/tokens.ts'
import { poolList } from '../../broker/pools.ts'
import { hdcs } from '../../cli/commands.ts'
import { exitCodes } from '../../cli/exit.ts'
import { startSite, type TestSite } from '../support/site.ts'
import { person as speaker } from './server.ts'

let site: TestSite
let url: string
const undo = new AsyncDisposableStack()

beforeAll(async () => {
  site = undo.use(await startSite())
  const health = { databaseAnswers: async () => {}, leaderExists: async () => true, desktopsByPhase: async () => ({}) }
  const app = makeApp({ broker: site.broker, routes, pagesFolder: null, health, checkAnswers: true })
  const server = createServer(getRequestListener(app.fetch))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  undo.defer(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const watcher = await site.person('watcher', ['infrastructureAdministrator'])
  await site.until('the demo pool has a warm desktop', async () => {
    const { items } = await poolList(site.broker, watcher, { limit: 1, name: 'demo' })
    return (items[0]?.counts.ready ?? 0) > 0
  })
}, 60_000)
afterAll(() => undo.disposeAsync())

/** Runs one command line as somebody; fails with what was said when it does not end well. */
async function say(token: string, ...words: string[]): Promise<string> {
  const { around, out, err } = speaker(url, { HDCS_TOKEN: token })
  expect(await hdcs(words, around), err()).toBe(0)
  return out()
}

async function signedIn(name: string, roles: Role[] = ['person']): Promise<string> {
  const { userId } = await site.person(name, roles)
  return (await sessionOpen(site.broker.db, userId, 'test', new Date())).token
}

it('takes a person from the pools to a desktop and back', async () => {
  const ana = await signedIn('ana')
  expect(await say(ana, 'whoami')).toContain('ana (person)')
  expect(await say(ana, 'pools')).toMatch(/demo +floating/)
  const claimed = JSON.parse(await say(ana, '--json', 'claim', 'demo'))
  expect(claimed).toMatchObject({ task: { state: 'succeeded' }, desktop: { phase: 'ready', userName: 'ana' } })
  expect(await say(ana, 'desktops')).toContain(claimed.desktop.name)
  const file = join(mkdtempSync(join(tmpdir(), 'hdcs-')), 'screen.vv')
  await say(ana, 'connect', '--save', file)
  expect(existsSync(file) && readFileSync(file, 'utf8')).toContain('[virt-viewer]')
  expect(await say(ana, 'release')).toContain('done')
  expect(await say(ana, 'desktops')).toContain('You have no desktop')
})

it('serves both administrators: people, templates, and any operation by its name', async () => {
  const boss = await signedIn('boss', ['userAdministrator', 'infrastructureAdministrator'])
  expect(await say(boss, 'users', 'add', 'jon', '--role', 'person', 'auditor')).toMatch(/shown only now: \S+/)
  expect(await say(boss, 'users')).toMatch(/jon +jon +(person, auditor|auditor, person)/)
  await say(boss, 'users', 'disable', 'jon')
  expect(await say(boss, 'users')).toMatch(/jon .*disabled/)
  await say(boss, 'users', 'remove', 'jon')
  expect(await say(boss, 'users')).not.toContain('jon')
  expect(await say(boss, 'templates')).toMatch(/tiny +1 sealed/)
  const changed = JSON.parse(await say(boss, 'call', 'poolUpdate', 'id=demo', 'description=For trying', 'maxSize=7'))
  expect(changed).toMatchObject({ description: 'For trying', maxSize: 7 })
  await say(boss, 'templates', 'build', 'tiny')
  expect(await say(boss, 'templates')).toMatch(/2 sealed/)
  expect(await say(boss, 'templates', 'note', 'tiny', '2')).toBe('tiny version 2: without notes\n')
  expect(await say(boss, 'templates', 'note', 'tiny', '2', 'with “curl” 新')).toContain('with “curl” 新')
  expect(await say(boss, 'templates', 'note', 'tiny', '2')).toBe('tiny version 2: with “curl” 新\n')
  const wrong = speaker(url, { HDCS_TOKEN: boss })
  expect(await hdcs(['templates', 'note', 'tiny', '7', 'x'], wrong.around)).toBe(exitCodes.notFound)
})

it('makes a desktop by hand, changes its hardware, and makes a template of it', async () => {
  const boss = await signedIn('maker', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  await say(boss, 'call', 'poolCreate', 'name=office', 'kind=persistent', 'templateId=tiny', 'warm:=0')
  await say(boss, 'call', 'entitlementSet', 'id=office', 'everyone:=true')
  expect(await say(boss, 'make', 'office', '--name', 'cad', '--dry-run')).toMatch(/^name +ok +cad is free$/m)
  expect(await say(boss, 'make', 'office', '--name', 'cad', '--vcpus', '2')).toContain('cad is ready')
  const change = ['--disk', '2', '--memory', '256', '--vcpus', '3']
  const applies =
    /^cad: at once: processors, disk; after its next start: memory \(it was started without room for more than 96 MiB\)$/m
  expect(await say(boss, 'hardware', 'cad', ...change, '--dry-run')).toMatch(applies)
  expect(await say(boss, 'hardware', 'cad', ...change)).toMatch(applies)
  expect(await say(boss, 'hardware', 'cad', '--vcpus', '3')).toMatch(/^cad: it was so already$/m)
  const { around, err } = speaker(url, { HDCS_TOKEN: boss })
  expect(await hdcs(['hardware', 'cad', '--disk', 'large'], around)).toBe(exitCodes.usage)
  expect(err()).toContain('--disk takes a number')
  expect(await say(boss, 'log', 'cad')).toMatch(
    /^desktop +cad\n\* life 1 +.*ready after .*, maker\nmaking +done after .*\n[\s\S]*\n.* making: made by maker$/m,
  )
  const { items } = JSON.parse(await say(boss, '--json', 'call', 'desktopList')) as {
    items: { id: string; name: string }[]
  }
  const cad = items.find(({ name }) => name === 'cad')?.id ?? ''
  expect(await say(boss, 'log', cad)).toContain('life 1')
  const far = speaker(url, { HDCS_TOKEN: boss })
  expect(await hdcs(['log', 'cad', '--life', '9'], far.around)).toBe(exitCodes.notFound)
  const kinds = ['--firmware', 'uefi', '--disk-bus', 'sata', '--video', 'qxl', '--sound', 'on']
  expect(await say(boss, 'hardware', 'cad', ...kinds)).toMatch(
    /^cad: after its next start: graphics \(.*\), sound \(.*\), firmware \(.*\), disk bus \(.*\)$/m,
  )
  expect(await hdcs(['hardware', 'cad', '--firmware', 'efi'], around)).toBe(exitCodes.usage)
  expect(err()).toContain('--firmware takes bios, uefi, not “efi”')
  await say(boss, 'act', 'poweroff', 'cad')
  expect(await say(boss, 'clone', 'cad', '--name', 'cad-2', '--full')).toMatch(/^cad-2 is made$/m)
  expect(await say(boss, 'rename', 'cad-2', 'cad-3')).toMatch(/^cad-2 is cad-3 now$/m)
  expect(await say(boss, 'disc', 'cad-3')).toMatch(/^cad-3: its drive is empty$/m)
  expect(await say(boss, 'start', 'cad', 'cad-3')).toMatch(/^start: 2 desktops done$/m)
  expect(await say(boss, 'act', 'poweroff', 'cad', 'cad-3')).toContain('done')
  const gone = new Date(Date.now() + 7 * 24 * 3_600_000).toISOString().slice(0, 10)
  expect(await say(boss, 'act', 'delete', 'cad-3')).toContain(
    `in the recycle bin until ${gone} (hdcs bin restore cad-3)`,
  )
  expect(await say(boss, 'bin')).toMatch(/^cad-3 +maker +office/m)
  expect(await say(boss, 'bin', 'restore', 'cad-3')).toContain('cad-3: restore done')
  await say(boss, 'act', 'delete', 'cad-3')
  expect(await say(boss, 'act', 'restore', 'cad-3')).toContain('cad-3: restore done')
  expect(await say(boss, 'templates', 'take', 'golden', 'cad')).toContain('template golden is ready')
  expect(await say(boss, 'templates')).toMatch(/golden +1 sealed/)
  const elsewhere = speaker(url, { HDCS_TOKEN: boss })
  expect(await hdcs(['templates', 'send', 'golden', '1', 'nowhere'], elsewhere.around)).toBe(exitCodes.notFound)
  expect(elsewhere.err()).toContain('No cluster is called nowhere')
  await say(boss, 'call', 'clusterCreate', 'name=far')
  const planned = await say(boss, 'templates', 'send', 'golden', '1', 'far', '--limit', '1', '--dry-run')
  expect(planned).toMatch(/! No host of far is there[\s\S]*pace +1\.0 MiB\/s \(the limit\)/)
  expect(await say(boss, 'templates')).toMatch(/golden +1 sealed/)
  await say(boss, 'call', 'clusterDelete', 'id=far')
})

it('changes a pool and who may use it, each said before', async () => {
  const boss = await signedIn('warden', ['userAdministrator', 'infrastructureAdministrator'])
  await site.person('kim')
  expect(await say(boss, 'pools', 'make', 'lab', 'tiny', '--max', '3', '--warm', '0', '--vcpus', '3')).toMatch(
    /^Each has 3 vCPU, /m,
  )
  const tried = await say(
    boss,
    'pools',
    'set',
    'lab',
    'maxSize=5',
    'hardware.vcpus=2',
    'description=For trying',
    '--dry-run',
  )
  expect(tried).toMatch(/^lab: .*hardware .*\nnothing is made or removed$/m)
  await say(boss, 'pools', 'set', 'lab', 'maxSize=5', 'hardware.vcpus=2')
  await say(boss, 'pools', 'set', 'lab', 'hardware.memoryBytes=268435456')
  const { hardware, maxSize } = JSON.parse(await say(boss, 'call', 'poolGet', 'id=lab'))
  expect({ hardware, maxSize }).toMatchObject({ hardware: { vcpus: 2, memoryBytes: 268_435_456 }, maxSize: 5 })
  expect(await say(boss, 'pools', 'entitle', 'lab', '--for', 'kim')).toBe('lab: 1 person may use it\n')
  expect(await say(boss, 'pools', 'unentitle', 'lab', '--for', 'kim')).toBe('lab: nobody may use it\n')
})

it('makes a desktop for each of several people, and tells of the tasks', async () => {
  const boss = await signedIn('giver', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  for (const name of ['lea', 'mia']) await site.person(name)
  const tried = await say(boss, 'make', 'office', '--for', 'lea', '--for', 'mia', '--dry-run')
  expect(tried).toMatch(/^lea +office-\d{3} +sim-1 +would be made\nmia +office-\d{3} +sim-1 +would be made$/m)
  expect(await say(boss, 'make', 'office', '--for', 'lea', '--for', 'mia')).toMatch(/^mia +office-\d{3} +sim-1 +made$/m)
  expect(await say(boss, 'desktops', '--all')).toMatch(/office-\d{3} +office +lea +ready/)
  const list = await say(boss, 'tasks', '--kind', 'desktop.many', '--mine')
  expect(list).toMatch(/^[0-9a-f]{12} +desktop.many +office: 2 desktops +succeeded +giver/m)
  const [short = ''] = /^[0-9a-f]{12}/m.exec(list) ?? []
  const each = await say(boss, 'task', short)
  expect(each).toContain('desktop.many office: 2 desktops: succeeded')
  expect(each.match(/^office-\d{3} +succeeded +[0-9a-f]{12}/gm)).toHaveLength(2)
  expect(await say(boss, 'tasks', '--state', 'open')).toContain('There is no such task')
})

it('asks before what nothing brings back, and before nothing else', async () => {
  const keeper = await signedIn('remover', ['infrastructureAdministrator', 'person'])
  const { items } = JSON.parse(await say(keeper, 'call', 'desktopList')) as { items: { name: string; kind: string }[] }
  const desktop = items.find(({ kind }) => kind === 'floating')?.name ?? ''
  const { around, err } = speaker(url, { HDCS_TOKEN: keeper })
  expect(await hdcs(['act', 'delete', desktop], around)).not.toBe(0)
  expect(err()).toContain('are destroyed. Say so with --yes')
  expect(await say(keeper, 'act', 'delete', desktop, '--yes')).toContain('delete done')

  await say(keeper, 'make', 'office', '--name', 'thrown')
  await say(keeper, 'act', 'poweroff', 'thrown')
  await say(keeper, 'snapshots', 'take', 'thrown', 'then')
  await say(keeper, 'storage', 'add', 'disks', '--dir', '/srv/disks')
  await say(keeper, 'volumes', 'add', 'data', '--pool', 'disks', '--size', '1')
  for (const [loss, ...words] of [
    ['never again be made as it was', 'snapshots', 'remove', 'thrown', 'then'],
    ['written to thrown since then is lost', 'snapshots', 'revert', 'thrown', 'then'],
    ['no recycle bin keeps it', 'volumes', 'delete', 'data'],
    ['its files stay', 'storage', 'remove', 'disks'],
    ['thrown and all that is on its disk are destroyed', 'bin', 'remove', 'thrown'],
    ['thrown and all that is on its disk are destroyed', 'act', 'purge', 'thrown'],
  ]) {
    if (words[0] === 'bin') await say(keeper, 'act', 'delete', 'thrown')
    const asked = speaker(url, { HDCS_TOKEN: keeper })
    expect(await hdcs(words, asked.around)).toBe(exitCodes.usage)
    expect(asked.err()).toContain(loss)
    if (words[1] !== 'revert') continue
    await say(keeper, ...words, '--yes')
  }
  await say(keeper, 'snapshots', 'list', 'thrown').catch(() => '')
  await say(keeper, 'volumes', 'delete', 'data', '--yes')
  await say(keeper, 'storage', 'remove', 'disks', '--yes')
  expect(await say(keeper, 'bin', 'remove', 'thrown', '--yes')).toContain('thrown: purge done')
  expect(await say(keeper, 'bin')).toContain('empty')
})

it('shows an administrator the tree, what is taken of it, and the line that lets a host join', async () => {
  const keeper = await signedIn('keeper', ['infrastructureAdministrator'])
  expect(await say(keeper, 'hosts')).toMatch(/main\/main\/sim-1 +online .* \d+\/\d+ .* 10\.128\.0\.0\/22/)
  expect(await say(keeper, 'clusters')).toMatch(/main\/main +1 .* [MG]iB\/64\.0 GiB .* spread/)
  expect(await say(keeper, 'hosts', 'join', 'main')).toMatch(
    /^\(echo HDCS_JOIN_TOKEN=[\w-]+; curl -fsSL 'http:\/\/.*\/join'\) \| bash\s*$/,
  )
  const made = JSON.parse(await say(keeper, 'call', 'clusterCreate', 'name=second', 'siteId=main', 'lostMs:=20000'))
  expect(made).toMatchObject({ name: 'second', lostMs: 20_000 })
  await say(keeper, 'call', 'clusterUpdate', 'id=second', 'vcpusPerCore:=2.5')
  await say(keeper, 'call', 'clusterDelete', 'id=second')
  expect(await say(keeper, 'clusters')).not.toContain('second')
})

it('lets an administrator look at places and plans, and take a host out of use and back', async () => {
  const keeper = await signedIn('mover', ['infrastructureAdministrator', 'person'])
  const desktop = (JSON.parse(await say(keeper, 'call', 'desktopList')).items as { name: string }[])[0]?.name ?? ''
  expect(await say(keeper, 'why', desktop)).toMatch(/ was placed to sim-1 .*\nCLUSTER\/HOST.*\nmain\/sim-1 +yes/)
  expect(await say(keeper, 'pools', 'place', 'demo', '--count', '2')).toMatch(/^2 to sim-1: /)
  expect(await say(keeper, 'clusters', 'balance', 'main', '--rebalance', 'on')).toMatch(
    /^rebalance is on; consolidate is off/,
  )
  await say(keeper, 'clusters', 'balance', 'main', '--rebalance', 'off')
  expect(await say(keeper, 'hosts', 'maintenance', 'sim-1', 'on', '--dry-run')).toMatch(/DESKTOP +USER +DO/)
  expect(await say(keeper, 'hosts', 'maintenance', 'sim-1', 'on', '--stay')).toContain('sim-1: maintenance on done')
  expect(await say(keeper, 'hosts')).toMatch(/main.* maintenance /)
  expect(await say(keeper, 'hosts', 'maintenance', 'sim-1', 'off')).toContain('sim-1: maintenance off done')
  const { around, err } = speaker(url, { HDCS_TOKEN: keeper })
  expect(await hdcs(['hosts', 'fence', 'sim-1'], around)).toBe(6)
  expect(err()).toContain('sim-1 is not fenced')
})

it('says where a cluster has the networks that pools name, and forgets it', async () => {
  const boss = await signedIn('wire', ['infrastructureAdministrator'])
  expect(await say(boss, 'clusters', 'images', 'main')).toContain('as fast as it goes')
  expect(await say(boss, 'clusters', 'images', 'main', '--limit', '2.5')).toContain('2.5 MiB/s at most')
  expect(await say(boss, 'clusters', 'images', 'main', '--limit', 'none')).toContain('as fast as it goes')
  expect(await say(boss, 'clusters', 'network', 'main')).toContain('under the name that pools give it')
  expect(await say(boss, 'clusters', 'network', 'main', 'office', 'br7', '--vlan', 'none')).toMatch(/office +br7 +none/)
  expect(await say(boss, 'clusters', 'network', 'main', 'lab', 'eth1', '--vlan', '9')).toMatch(/lab +eth1 +9/)
  expect(await say(boss, 'clusters', 'network', 'main', 'lab', 'eth2')).toMatch(/lab +eth2 +as the pool says/)
  const left = JSON.parse(await say(boss, '--json', 'clusters', 'network', 'main', 'lab', '--remove'))
  expect(left).toEqual([{ name: 'office', interface: 'br7', vlan: null }])
  await say(boss, 'clusters', 'network', 'main', 'office', '--remove')
  for (const [said, ...words] of [
    ['Which interface is lab', 'lab'],
    ['says nothing of a network lab', 'lab', '--remove'],
    ['--vlan takes', 'lab', 'eth1', '--vlan', 'x'],
    ['15 at most', 'lab', 'no name'],
    ['4094', 'lab', 'eth1', '--vlan', '5000'],
  ] as const) {
    const { around, err } = speaker(url, { HDCS_TOKEN: boss })
    expect(await hdcs(['clusters', 'network', 'main', ...words], around)).not.toBe(exitCodes.done)
    expect(err()).toContain(said)
  }
})

it('says what Windows Setup is answered, of a template and of a pool, and removes a secret that is kept', async () => {
  const boss = await signedIn('windows', ['infrastructureAdministrator'])
  await say(boss, 'templates', 'build', 'win', '--recipe', 'tiny')
  expect(await say(boss, 'templates', 'answers', 'win')).toContain('says nothing')
  const secrets = { language: 'de-DE', password: 'geheim', productKey: 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE' }
  await say(boss, 'call', 'templateUpdate', 'id=win', `answers:=${JSON.stringify(secrets)}`)
  expect(await say(boss, 'templates', 'answers', 'win', '--time-zone', 'UTC')).toMatch(
    /language +de-DE\ntime zone +UTC[\s\S]*password +kept\nproduct key +kept/,
  )
  const cleared = await say(boss, 'templates', 'answers', 'win', '--clear-product-key')
  expect(cleared).toMatch(/password +kept\nproduct key +none/)

  await say(boss, 'pools', 'make', 'classroom', 'win', '--warm', '0')
  expect(await say(boss, 'pools', 'answers', 'classroom')).toMatch(/^As its template says\.\n.*\nlanguage +de-DE/)
  const own = await say(boss, 'pools', 'answers', 'classroom', '--language', 'fr-FR')
  expect(own).toMatch(/^file[\s\S]*language +fr-FR\ntime zone +UTC[\s\S]*password +none/)
  expect(await say(boss, 'pools', 'answers', 'classroom', '--none')).toContain('Nothing is answered.')
  expect(await say(boss, 'pools', 'answers', 'classroom', '--template')).toContain('As its template says.')
  for (const [said, ...words] of [
    ['choose one', '--password', '--clear-password'],
    ['cannot be read', '--unattend', '/nowhere/Unattend.xml'],
    ['language and country', '--language', 'german'],
  ] as const) {
    const { around, err } = speaker(url, { HDCS_TOKEN: boss })
    expect(await hdcs(['templates', 'answers', 'win', ...words], around)).not.toBe(exitCodes.done)
    expect(err()).toContain(said)
  }
})
