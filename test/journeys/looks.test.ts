import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { axeFaults, type Look, layoutFaults, settle, visit } from '../support/browser.ts'
import { open, openPortal, type Portal, waitForScreen } from '../support/portal.ts'

/** Pictures of every page, for people to look at; and what a program can see in them. */
const folder = fileURLToPath(new URL('../out/', import.meta.url))

let portal: Portal
let paths: [name: string, path: string][]

const looks: Look[] = ([1280, 390] as const).flatMap(width =>
  (['light', 'dark'] as const).flatMap(scheme =>
    (['en', 'zh'] as const).map(language => ({ width, height: width === 390 ? 844 : 800, scheme, language })),
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
  await admin.poolCreate({
    body: { name: 'exam-room', kind: 'floating', templateId: template.id, maxSize: 0, warm: 0 },
  })
  await portal.person('ana', { displayName: 'Ana Kovač', email: 'ana@example.org' })
  await portal.person('chen', { displayName: '陈晓明', roles: ['person', 'instructor'] })
  const people = (await admin.userList({ query: {} })).items
  await admin.groupCreate({ body: { name: 'class-7b', userIds: people.map(({ id }) => id) } })
  await admin.tokenCreate({ body: { name: 'backup script' } })
  const { desktop } = await admin.poolClaim({ params: { id: demo.id } })
  const { desktop: second } = await admin.poolClaim({ params: { id: office.id } })
  await expect
    .poll(async () => (await admin.desktopGet({ params: { id: second.id } })).phase, { timeout: 30_000 })
    .toBe('ready')
  await admin.desktopAct({ params: { id: second.id, name: 'shutdown' } })
  await expect
    .poll(async () => (await admin.desktopGet({ params: { id: second.id } })).phase, { timeout: 30_000 })
    .toBe('stopped')
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
    ['people', '/admin/people'],
    ['groups', '/admin/people?tab=groups'],
    ['person', `/admin/people/${people[0]?.id}`],
    ['person-new', '/admin/people?new=person'],
    ['hosts', '/admin/hosts'],
    ['host', `/admin/hosts/${host?.id}`],
    ['host-join', '/admin/hosts?new=host'],
    ['audit', '/admin/audit'],
    ['missing', '/nowhere'],
    // Last: it opens a session, which the pages before would show.
    ['screen', `/desktop/${desktop.id}`],
  ]
})
afterAll(() => portal?.[Symbol.asyncDispose]())

const nameOf = (look: Look) => `${look.width}-${look.scheme}-${look.language}`

async function lookAt(look: Look, picture: boolean): Promise<string[]> {
  const found: string[] = []
  const stranger = await visit(portal.browser, portal.product.url, look)
  const examine = async (name: string, page: typeof stranger.page, faults: string[]) => {
    await settle(page)
    if (picture) await page.screenshot({ path: `${folder}${name}-${nameOf(look)}.png`, fullPage: name !== 'screen' })
    // Colours and names are the same in every language: axe looks at one of them.
    const axe = look.language === 'zh' ? [] : await axeFaults(page)
    found.push(...[...faults.splice(0), ...axe, ...(await layoutFaults(page))].map(fault => `${name}: ${fault}`))
  }
  await open(stranger.page, '/login')
  await examine('login', stranger.page, stranger.faults)
  await stranger.context.close()
  const { page, context, faults } = await portal.signIn('admin', undefined, look)
  for (const [name, path] of paths) {
    await open(page, path)
    await page.locator('h1').first().waitFor()
    if (name === 'screen') await waitForScreen(page)
    await examine(name, page, faults)
  }
  await context.close()
  return found
}

describe('every page', () => {
  it.each(looks.map(look => [nameOf(look), look] as const))('is sound at %s', async (_name, look) => {
    expect(await lookAt(look, true)).toEqual([])
  })

  it.each([1280, 390])('holds words that are 40 %% longer at %i px', async width => {
    const look: Look = { width, height: 844, scheme: 'light', language: 'pseudo' }
    expect(await lookAt(look, true)).toEqual([])
  })
})
