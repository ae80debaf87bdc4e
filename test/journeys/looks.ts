import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { axeFaults, type Look, layoutFaults, settle, visit } from '../support/browser.ts'
import { open, openPortal, type Portal, waitForScreen } from '../support/portal.ts'

/** Pictures of every page, for people to look at; and what a program can see in them. A file for each width: they run side by side. */
const folder = fileURLToPath(new URL('../out/', import.meta.url))

let portal: Portal
let paths: [name: string, path: string][]

async function start() {
  mkdirSync(folder, { recursive: true })
  portal = await openPortal('looks')
  const { admin } = portal
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  const [template] = (await admin.templateList({ query: {} })).items
  if (!demo || !template) throw new Error('the first start makes a template and a pool')
  const office = await admin.poolCreate({
    body: {
      name: 'office',
      kind: 'persistent',
      templateId: template.id,
      description: 'Your own desktop.',
      warm: 1,
      maxPerUser: 2,
    },
  })
  const network = {
    mode: 'isolated' as const,
    allow: [{ cidr: '10.9.0.0/16', protocol: 'tcp' as const, ports: '443' }],
  }
  const script = { text: '# Waits for the network.\necho $HDCS_DESKTOP\n', timeoutSeconds: 60, retries: 1 }
  const customise = { domain: { name: 'corp.example.org', user: 'join', password: 'kept' }, before: script }
  const exam = await admin.poolCreate({
    body: { name: 'exam-room', kind: 'floating', templateId: template.id, maxSize: 0, warm: 0, network, customise },
  })
  await portal.person('ana', { displayName: 'Ana Kovač', email: 'ana@example.org' })
  await portal.person('chen', { displayName: '陈晓明', roles: ['person', 'instructor'] })
  const people = (await admin.userList({ query: {} })).items
  await admin.groupCreate({ body: { name: 'class-7b', userIds: people.map(({ id }) => id) } })
  await admin.tokenCreate({ body: { name: 'backup script' } })
  await admin.entitlementSet({ params: { id: office.id }, body: { everyone: true } })
  const { desktop } = await admin.poolClaim({ params: { id: demo.id } })
  const { desktop: second } = await admin.poolClaim({ params: { id: office.id } })
  const reach = (phase: string) =>
    vi.waitFor(async () => expect((await admin.desktopGet({ params: { id: second.id } })).phase).toBe(phase), {
      timeout: 30_000,
      interval: 100,
    })
  await reach('ready')
  await admin.desktopAct({ params: { id: second.id, name: 'shutdown' } })
  await reach('stopped')
  await dressUp(admin, second)
  const [host] = (await admin.hostList({ query: {} })).items
  paths = [
    ['home', '/'],
    ['getting-ready', `/ready/${second.id}`],
    ['account', '/account'],
    ['overview', '/admin'],
    ['desktops', '/admin/desktops'],
    ['desktop', `/admin/desktops/${desktop.id}`],
    ['desktop-own', `/admin/desktops/${second.id}`],
    ['recycle-bin', '/admin/recycle-bin'],
    ['pools', '/admin/pools'],
    ['pool', `/admin/pools/${demo.id}`],
    ['pool-access', `/admin/pools/${demo.id}?tab=access`],
    ['pool-new', '/admin/pools/new'],
    ['templates', '/admin/templates'],
    ['template', `/admin/templates/${template.id}`],
    ['template-new', '/admin/templates?new=upload'],
    ['template-of-desktop', '/admin/templates?new=desktop'],
    ['people', '/admin/people'],
    ['groups', '/admin/people?tab=groups'],
    ['person', `/admin/people/${people[0]?.id}`],
    ['person-new', '/admin/people?new=person'],
    ['hosts', '/admin/hosts'],
    ['host', `/admin/hosts/${host?.id}`],
    ['host-moves', `/admin/hosts/${host?.id}?tab=moves`],
    ['host-history', `/admin/hosts/${host?.id}?tab=history`],
    ['host-maintenance', `/admin/hosts/${host?.id}?show=enterMaintenance`],
    ['host-join', '/admin/hosts?new=host'],
    ['site-new', '/admin/hosts?new=site'],
    ['cluster', `/admin/hosts/clusters/${host?.clusterId}`],
    ['cluster-settings', `/admin/hosts/clusters/${host?.clusterId}?show=settings`],
    ['cluster-new', '/admin/hosts?new=cluster'],
    ['desktop-why', `/admin/desktops/${desktop.id}?show=why`],
    ['desktop-move', `/admin/desktops/${desktop.id}?show=move`],
    ['desktop-capture', `/admin/desktops/${second.id}?show=capture`],
    ['pool-edit', `/admin/pools/${exam.id}/edit`],
    ['storage', '/admin/storage'],
    ['tasks', '/admin/tasks'],
    ['task', `/admin/tasks/${(await admin.taskList({ query: { limit: 1, kind: 'desktop.claim' } })).items[0]?.id}`],
    ['audit', '/admin/audit'],
    ['missing', '/nowhere'],
    // Last: it opens a session, which the pages before would show.
    ['screen', `/desktop/${desktop.id}`],
  ]
}

/** A desktop with a snapshot and a volume, and one in the recycle bin. */
async function dressUp(admin: Portal['admin'], { id, poolId }: { id: string; poolId: string }) {
  const until = (what: () => Promise<{ state: string }[]>) =>
    vi.waitFor(async () => expect((await what()).map(({ state }) => state)).toEqual(['ready']), {
      timeout: 30_000,
      interval: 100,
    })
  const note = 'Before the update that failed twice on others'
  await admin.snapshotTake({ params: { id }, body: { name: 'before-update', note } })
  await until(async () => (await admin.snapshotList({ params: { id } })).items)
  const source = { type: 'dir' as const, target: '/srv/projects' }
  const { storagePool } = await admin.storagePoolCreate({ body: { name: 'projects', source } })
  await until(async () => (await admin.storagePoolList({ query: {} })).items)
  const { hostId } = await admin.desktopGet({ params: { id } })
  const body = { name: 'ledgers', poolId: storagePool.id, sizeBytes: 2 ** 30, ...(hostId && { hostId }) }
  const { volume } = await admin.volumeCreate({ body })
  await until(async () => (await admin.volumeList({ query: {} })).items)
  await admin.volumeAttach({ params: { id: volume.id }, body: { desktopId: id } })
  const made = await admin.desktopMake({ params: { id: poolId }, body: { name: 'thrown-away' } })
  if (!('desktop' in made)) throw new Error('it was only tried')
  const thrown = { id: made.desktop.id }
  await until(async () => [{ state: (await admin.desktopGet({ params: thrown })).phase }])
  await admin.desktopAct({ params: { ...thrown, name: 'delete' } })
}

async function lookAt(look: Look): Promise<string[]> {
  const found: string[] = []
  const examine = async (name: string, page: Page, faults: string[]) => {
    // The same page in the other colours costs no second load: it follows the system while it is open. Colours are the
    // same in every language.
    for (const scheme of look.language === 'en' ? (['light', 'dark'] as const) : (['light'] as const)) {
      await page.emulateMedia({ colorScheme: scheme })
      await settle(page)
      const path = `${folder}${name}-${look.width}-${scheme}-${look.language}.png`
      // Of words that nobody reads no picture is needed.
      if (look.language !== 'pseudo') await page.screenshot({ path, fullPage: !name.startsWith('screen') })
      // Names are the same in every language, colours at every width: axe looks at each once.
      const axe = look.language === 'en' && (look.width === 1280 || scheme === 'light')
      if (axe) found.push(...(await axeFaults(page)).map(fault => `${name} ${scheme}: ${fault}`))
    }
    found.push(...[...faults.splice(0), ...(await layoutFaults(page))].map(fault => `${name}: ${fault}`))
  }
  const stranger = await visit(portal.browser, portal.product.url, look)
  await open(stranger.page, '/login')
  await examine('login', stranger.page, stranger.faults)
  await stranger.context.close()
  const { page, context, faults } = await portal.signIn('admin', undefined, look)
  for (const [name, path] of paths) {
    await open(page, path)
    await page.locator('h1').first().waitFor()
    if (name === 'screen') await waitForScreen(page)
    await examine(name, page, faults)
    if (name !== 'screen') continue
    await page.keyboard.press('Control+Alt+Shift')
    await page.getByRole('toolbar').waitFor()
    await examine('screen-controls', page, faults)
  }
  await context.close()
  return found
}

export const describeLooks = (width: 1280 | 390) =>
  describe('every page', () => {
    beforeAll(start)
    afterAll(() => portal?.[Symbol.asyncDispose]())

    it.each(['en', 'zh'] as const)(`is sound at ${width} px in %s`, async language => {
      expect(await lookAt({ width, height: width === 390 ? 844 : 800, scheme: 'light', language })).toEqual([])
    })

    it(`holds words that are two fifths longer, at ${width} px`, async () => {
      expect(await lookAt({ width, height: 844, scheme: 'light', language: 'pseudo' })).toEqual([])
    })
  })
