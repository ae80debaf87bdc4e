import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { axeFaults, type Look, layoutFaults, settle, visit } from '../support/browser.ts'
import { open, openPortal, type Portal, waitForScreen } from '../support/portal.ts'

/** Pictures of every page, for people to look at; and what a program can see in them. */
const folder = fileURLToPath(new URL('../out/', import.meta.url))

let portal: Portal
let paths: [name: string, path: string][]

const widths = [1280, 390] as const
const looks = widths.flatMap(width =>
  (['en', 'zh'] as const).map(
    (language): Look => ({ width, height: width === 390 ? 844 : 800, scheme: 'light', language }),
  ),
)

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  portal = await openPortal('looks')
  const { admin } = portal
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  const [template] = (await admin.templateList({ query: {} })).items
  if (!demo || !template) throw new Error('the first start makes a template and a pool')
  const office = await admin.poolCreate({
    body: { name: 'office', kind: 'persistent', templateId: template.id, description: 'Your own desktop.', warm: 1 },
  })
  const network = {
    mode: 'isolated' as const,
    allow: [{ cidr: '10.9.0.0/16', protocol: 'tcp' as const, ports: '443' }],
  }
  const exam = await admin.poolCreate({
    body: { name: 'exam-room', kind: 'floating', templateId: template.id, maxSize: 0, warm: 0, network },
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
  const [host] = (await admin.hostList({ query: {} })).items
  paths = [
    ['home', '/'],
    ['getting-ready', `/ready/${second.id}`],
    ['account', '/account'],
    ['overview', '/admin'],
    ['desktops', '/admin/desktops'],
    ['desktop', `/admin/desktops/${desktop.id}`],
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
    ['audit', '/admin/audit'],
    ['missing', '/nowhere'],
    // Last: it opens a session, which the pages before would show.
    ['screen', `/desktop/${desktop.id}`],
  ]
})
afterAll(() => portal?.[Symbol.asyncDispose]())

async function lookAt(look: Look): Promise<string[]> {
  const found: string[] = []
  const examine = async (name: string, page: Page, faults: string[]) => {
    // The same page in the other colours costs no second load: it follows the system while it is open.
    for (const scheme of look.language === 'pseudo' ? (['light'] as const) : (['light', 'dark'] as const)) {
      await page.emulateMedia({ colorScheme: scheme })
      await settle(page)
      const path = `${folder}${name}-${look.width}-${scheme}-${look.language}.png`
      await page.screenshot({ path, fullPage: !name.startsWith('screen') })
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

describe('every page', () => {
  it.each(looks.map(look => [look.width, look.language, look] as const))(
    'is sound at %i px in %s, light and dark',
    async (_width, _language, look) => {
      expect(await lookAt(look)).toEqual([])
    },
  )

  it.each(widths)('holds words that are two fifths longer, at %i px', async width => {
    expect(await lookAt({ width, height: 844, scheme: 'light', language: 'pseudo' })).toEqual([])
  })
})
