import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../api/client.ts'
import { makeClient } from '../../api/client.ts'
import { axeFaults } from '../support/browser.ts'
import { open, openPortal, type Portal, personPassword, screenOf, waitForScreen } from '../support/portal.ts'
import { startJoinedAgent } from './joined-agent.ts'

let portal: Portal
let admin: Client
let templateId: string
const agents: AsyncDisposable[] = []

beforeAll(async () => {
  portal = await openPortal('many-hosts', 3)
  admin = portal.admin
  const [template] = (await admin.templateList({ query: {} })).items
  templateId = template?.id ?? ''
  for (const name of ['ana', 'ben', 'cem']) await portal.person(name)
})
afterAll(async () => {
  for (const agent of agents) await agent[Symbol.asyncDispose]()
  await portal?.[Symbol.asyncDispose]()
})

const wait = <T>(look: () => Promise<T>) => vi.waitFor(look, { timeout: 60_000, interval: 100 })
const hostNamed = async (name: string) => {
  const [host] = (await admin.hostList({ query: { name } })).items
  if (!host) throw new Error(`no host ${name}`)
  return host
}

/** A desktop that a person has, running. */
async function claimed(person: string, poolId: string) {
  const { token } = await makeClient({ baseUrl: portal.product.url }).login({
    body: { name: person, password: personPassword },
  })
  const { desktop } = await makeClient({ baseUrl: portal.product.url, token }).poolClaim({ params: { id: poolId } })
  return wait(async () => {
    const now = await admin.desktopGet({ params: { id: desktop.id } })
    expect(now.phase).toBe('ready')
    return now
  })
}

async function poolMade(name: string, more: object = {}) {
  const pool = await admin.poolCreate({ body: { name, kind: 'persistent', templateId, warm: 0, ...more } })
  await admin.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
  return pool
}

describe('the tree of hosts', () => {
  it('shows every host with how full it is, and follows what starts there', async () => {
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/hosts')
    const row = page.getByRole('row', { name: /^sim-1/ })
    await row.getByText('Online').waitFor()
    for (const name of ['sim-2', 'sim-3']) await page.getByRole('row', { name: new RegExp(`^${name}`) }).waitFor()
    const before = await page.getByText(/ of \d+$/).allInnerTexts()
    const pool = await admin.poolCreate({ body: { name: 'bars', kind: 'floating', templateId, warm: 6 } })
    await expect.poll(() => page.getByText(/ of \d+$/).allInnerTexts(), { timeout: 20_000 }).not.toEqual(before)
    await admin.poolDelete({ params: { id: pool.id }, query: { force: true } })
    expect(faults).toEqual([])
    await context.close()
  })

  it('is walked by keyboard, and a branch that was closed stays closed', async () => {
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/hosts')
    await page.getByRole('link', { name: 'sim-1' }).focus()
    await page.keyboard.press('ArrowDown')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('sim-2')
    const branch = page.getByRole('button', { name: /^main \d hosts/ })
    await branch.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'sim-1' }).waitFor({ state: 'detached' })
    await open(page, '/admin/hosts')
    await branch.waitFor()
    expect(await branch.getAttribute('aria-expanded')).toBe('false')
    await branch.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'sim-1' }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('sim-3')
    await page.getByRole('link', { name: 'sim-1' }).waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'sim-3' }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('grows by a site and a cluster, which say why they stay, and go when they are empty', async () => {
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/hosts')
    await page.getByRole('button', { name: 'New site' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('North Campus')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Lower-case letters, digits and dashes; 40 at most').waitFor()
    await page.getByRole('textbox', { name: 'Name' }).fill('north')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'New cluster in north' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('labs')
    await page.getByRole('button', { name: 'More settings' }).click()
    await page.getByRole('textbox', { name: 'Silent is lost after' }).fill('5')
    await page.getByRole('textbox', { name: 'Silent is suspect after' }).fill('6')
    await page.getByRole('button', { name: 'Make the cluster' }).click()
    await page.getByText('Must be longer than “suspect”').waitFor()
    await page.getByRole('textbox', { name: 'Silent is lost after' }).fill('30')
    const network = page.getByRole('textbox', { name: 'Network', exact: true })
    await network.fill('10.128.4.0/22')
    await page.getByRole('button', { name: 'More settings' }).click()
    await page.getByRole('button', { name: 'Make the cluster' }).click()
    await page.getByText('The network 10.128.4.0/22 touches').waitFor()
    expect(await network.getAttribute('aria-invalid')).toBe('true')
    expect(await network.evaluate(field => field === document.activeElement)).toBe(true)
    expect(await page.getByRole('dialog').getByText('That did not work').count()).toBe(0)
    await network.fill('')
    await page.getByRole('button', { name: 'Make the cluster' }).click()
    await page.getByRole('heading', { name: 'labs' }).waitFor()
    await page.getByText('30 secs').waitFor()

    await open(page, '/admin/hosts')
    await page.getByRole('button', { name: 'Edit the site north' }).click()
    const refused = page.getByRole('dialog').getByRole('button', { name: 'Remove' })
    expect(await refused.getAttribute('aria-description')).toBe('a cluster is in it')
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Resource pool and rules of labs' }).click()
    await page.getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('dialog', { name: 'Remove labs?' }).getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('button', { name: 'Edit the site north' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByText('The site north was removed').waitFor()
    await page.getByRole('heading', { name: /^north/ }).waitFor({ state: 'detached' })
    expect(faults).toEqual([])
    await context.close()
  })

  it('says who waits for a start, with links that are seen as such', async () => {
    const { page, context, faults } = await portal.signIn()
    const host = await hostNamed('sim-1')
    // Simulated desktops start before anybody could look.
    const waits = { desktopId: host.id, desktopName: 'demo-9', userName: 'ana', step: 'queued', place: 1 }
    await page.route('**/boot-queue', route => route.fulfill({ json: { booting: 2, items: [waits] } }))
    await open(page, `/admin/hosts/${host.id}`)
    await page.getByRole('link', { name: 'demo-9' }).waitFor()
    expect(await axeFaults(page)).toEqual([])
    expect(faults).toEqual([])
    await context.close()
  })

  it('greets a server that joins by its one line, while one watches, and the pool has grown', async () => {
    const { page, context, faults } = await portal.signIn()
    const [main] = (await admin.clusterList({ query: { name: 'main' } })).items
    await open(page, '/admin/hosts')
    await page.getByRole('button', { name: 'Add a server to main' }).click()
    const dialog = page.getByRole('dialog', { name: 'Add a server' })
    await dialog.getByRole('button', { name: 'Make the line' }).click()
    await dialog.getByText('Waiting for it to report').waitFor()
    // This site listens on the loopback: no other machine would find the script there.
    await dialog.getByText('Another server cannot reach this address').waitFor()
    const line = await dialog.locator('pre').innerText()
    expect(line).toMatch(/^\(echo HDCS_JOIN_TOKEN=[\w-]+; curl -fsSL 'http:\S+\/join'\) \| bash$/)
    const token = /HDCS_JOIN_TOKEN=([\w-]+)/.exec(line)?.[1] ?? ''
    agents.push(startJoinedAgent(portal.product.url, token))
    await dialog.getByText('has arrived').waitFor({ timeout: 60_000 })
    await dialog.getByRole('link', { name: /^Look at/ }).click()
    await page.getByText('How the capacity comes about').waitFor()
    const after = await wait(async () => {
      const now = await admin.clusterGet({ params: { id: main?.id ?? '' } })
      expect(now.resources.desktops.total).toBeGreaterThan(main?.resources.desktops.total ?? 0)
      return now
    })
    expect(after.hosts).toBe(4)
    // Simulated hosts of two processes cannot reach each other: nothing shall be placed on this one.
    const joined = new URL(page.url()).pathname.split('/').at(-1) ?? ''
    await admin.hostEnterMaintenance({ params: { id: joined }, body: { evacuate: false } })
    expect(faults).toEqual([])
    await context.close()
  })
})

describe('where desktops go', () => {
  it('is asked before it happens, and follows what a pool needs', async () => {
    const { page, context, faults } = await portal.signIn()
    const gpu = await hostNamed('sim-2')
    await open(page, `/admin/hosts/${gpu.id}`)
    await page
      .getByRole('textbox', { name: 'Tags' })
      .or(page.getByRole('combobox', { name: 'Tags' }))
      .fill('gpu')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The tags of sim-2 were saved').waitFor()

    await open(page, '/admin/pools/new')
    await page.getByRole('textbox', { name: 'Name' }).fill('drawing')
    await page.getByRole('button', { name: 'Change placement and network' }).click()
    await page
      .getByRole('textbox', { name: 'Needs of a host' })
      .or(page.getByRole('combobox', { name: 'Needs of a host' }))
      .fill('gpu')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Add a line' }).click()
    await page.getByRole('textbox', { name: 'Addresses' }).fill('the library')
    await page.getByRole('textbox', { name: 'Description' }).focus()
    await page.getByText('An address or a network, as 10.0.0.0/8.').waitFor()
    await page.getByRole('textbox', { name: 'Addresses' }).fill('10.9.0.0/16')
    await page.getByRole('button', { name: 'Show me' }).click()
    await page.getByText('All of them find a place').waitFor()
    await page.getByText('10 desktops', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Why there?' }).click()
    const reasons = page.getByRole('dialog', { name: 'Where the first of them goes, and why' })
    await reasons.getByRole('row', { name: /sim-1.*Does not fit.*no gpu/ }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Make the pool' }).click()
    await page.getByRole('heading', { name: 'drawing' }).waitFor()
    await page.getByText('10.9.0.0/16').waitFor()
    const pool = (await admin.poolList({ query: { name: 'drawing' } })).items[0]
    const [made] = await wait(async () => {
      const { items } = await admin.desktopList({ query: { poolId: pool?.id ?? '' } })
      expect(items.length).toBeGreaterThan(0)
      return items
    })
    expect(made?.hostName).toBe('sim-2')

    await open(page, `/admin/desktops/${made?.id}`)
    await page.getByRole('button', { name: 'Why here?' }).click()
    const why = page.getByRole('dialog', { name: `Why is ${made?.name} here?` })
    await why.getByText('sim-2 was chosen').waitFor()
    await why.getByRole('row', { name: /sim-3.*Does not fit.*no gpu/ }).waitFor()
    // Nobody but sim-2 can have it: it could not leave.
    await admin.poolDelete({ params: { id: pool?.id ?? '' }, query: { force: true } })
    expect(faults).toEqual([])
    await context.close()
  })
})

describe('a move', () => {
  it('is foreseen, asked for, watched and found in the history, while the person’s screen stays', async () => {
    const pool = await poolMade('office')
    const desktop = await claimed('ana', pool.id)
    const ana = await portal.signIn('ana', personPassword)
    await open(ana.page, `/desktop/${desktop.id}`)
    await waitForScreen(ana.page)

    const { page, context, faults } = await portal.signIn()
    await open(page, `/admin/desktops/${desktop.id}`)
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Move…' }).click()
    const dialog = page.getByRole('dialog', { name: `Move ${desktop.name}` })
    const target = desktop.hostName === 'sim-1' ? 'sim-2' : 'sim-1'
    await dialog.getByRole('radio', { name: `${target} (main)` }).click()
    await dialog.getByText(new RegExp(`^To ${target}, while it runs`)).waitFor()
    await dialog.getByRole('button', { name: 'Move', exact: true }).click()
    await page.getByText(`Move: asked for ${desktop.name}`).waitFor()
    await page.getByRole('link', { name: target }).first().waitFor({ timeout: 60_000 })
    await page.getByRole('heading', { name: 'Moves' }).waitFor()
    await page.getByRole('row', { name: new RegExp(`${target}.*asked for.*Moved`) }).waitFor()

    await waitForScreen(ana.page)
    const before = await screenOf(ana.page)
    await ana.page.keyboard.type('still here', { delay: 20 })
    await expect.poll(() => screenOf(ana.page), { timeout: 20_000 }).not.toBe(before)
    expect(faults).toEqual([])
    await ana.context.close()
    await context.close()
  })

  it('that fails says why, and the desktop stays where it was', async () => {
    const pool = await poolMade('fail-move')
    const desktop = await claimed('ben', pool.id)
    const { page, context, faults } = await portal.signIn()
    await open(page, `/admin/desktops/${desktop.id}?show=move`)
    const dialog = page.getByRole('dialog', { name: `Move ${desktop.name}` })
    await dialog.getByText(/^To .*while it runs/).waitFor()
    await dialog.getByRole('button', { name: 'Move', exact: true }).click()
    await page.getByRole('row', { name: /Failed.*the move broke off/ }).waitFor({ timeout: 60_000 })
    expect((await admin.desktopGet({ params: { id: desktop.id } })).hostId).toBe(desktop.hostId)
    // It would fail to leave a host for ever.
    await admin.poolDelete({ params: { id: pool.id }, query: { force: true } })
    expect(faults).toEqual([])
    await context.close()
  })
})

describe('balancing', () => {
  it('says what it would do before it is turned on', async () => {
    const { page, context, faults } = await portal.signIn()
    const [main] = (await admin.clusterList({ query: { name: 'main' } })).items
    await open(page, `/admin/hosts/clusters/${main?.id}`)
    await page.getByRole('button', { name: 'What would happen?' }).click()
    await page.getByText(/^With both on/).waitFor()
    const busy = page.getByRole('textbox', { name: 'Busy above' })
    await busy.fill('30')
    expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true)
    await busy.fill('70')
    await page.getByRole('switch', { name: 'Even hosts out' }).click()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The cluster main was saved').waitFor()
    const { balance } = await admin.clusterGet({ params: { id: main?.id ?? '' } })
    expect(balance).toMatchObject({
      rebalance: { enabled: true, thresholdPercent: 70 },
      consolidate: { enabled: false },
    })
    await admin.clusterUpdate({ params: { id: main?.id ?? '' }, body: { balance: { rebalance: { enabled: false } } } })
    expect(faults).toEqual([])
    await context.close()
  })
})

describe('maintenance', () => {
  it('shows its plan, empties the host, and brings everything back', async () => {
    const pool = await poolMade('homes')
    const desktop = await claimed('cem', pool.id)
    const { page, context, faults } = await portal.signIn()
    await open(page, `/admin/hosts/${desktop.hostId}`)
    await page.getByRole('button', { name: 'Enter maintenance' }).click()
    const dialog = page.getByRole('dialog', { name: /into maintenance/ })
    await dialog.getByRole('row', { name: new RegExp(`^${desktop.name}.*Moves`) }).waitFor()
    await dialog.getByRole('button', { name: 'Enter maintenance' }).click()
    await page.getByText('the server can be switched off and serviced').waitFor({ timeout: 60_000 })
    const away = await admin.desktopGet({ params: { id: desktop.id } })
    expect(away).toMatchObject({ phase: 'ready' })
    expect(away.hostId).not.toBe(desktop.hostId)
    await page.getByRole('tab', { name: 'Moves' }).click()
    await page.getByRole('row', { name: new RegExp(`^${desktop.name}.*leaves to.*maintenance.*Moved`) }).waitFor()
    await page.getByRole('tab', { name: 'History' }).click()
    await page.getByRole('row', { name: /^Enter maintenance.*Done/ }).waitFor()

    await page.getByRole('button', { name: 'End maintenance' }).click()
    const back = page.getByRole('dialog', { name: /^End the maintenance/ })
    await back.getByRole('row', { name: new RegExp(`^${desktop.name}`) }).waitFor()
    await back.getByRole('button', { name: 'End maintenance' }).click()
    await wait(async () => expect((await admin.desktopGet({ params: { id: desktop.id } })).hostId).toBe(desktop.hostId))
    await page.getByRole('tab', { name: 'Moves' }).click()
    await page.getByRole('row', { name: new RegExp(`^${desktop.name}.*comes from.*back after.*Moved`) }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })
})
