/** Networks of a cluster, the answers of a template, and how a desktop was made: by their pages, in both languages and widths. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { axeFaults, layoutFaults, settle, visit } from '../support/browser.ts'
import { open, openPortal, type Portal } from '../support/portal.ts'

let portal: Portal
beforeAll(async () => {
  portal = await openPortal('networks')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

/** The same page small and in Chinese, where texts are cut first. */
async function looksWell(page: Page, name: string) {
  await settle(page)
  expect([await axeFaults(page), await layoutFaults(page)]).toEqual([[], []])
  await page.screenshot({ path: `test/out/${name}-1280-en.png`, fullPage: true })
  const look = { width: 390, height: 844, scheme: 'dark', language: 'zh' } as const
  const other = await visit(portal.browser, portal.product.url, look)
  await other.context.addCookies(await page.context().cookies())
  await open(other.page, new URL(page.url()).pathname)
  await other.page.locator('h1').first().waitFor()
  await settle(other.page)
  expect([await axeFaults(other.page), await layoutFaults(other.page)]).toEqual([[], []])
  await other.page.screenshot({ path: `test/out/${name}-390-zh.png`, fullPage: true })
  await other.context.close()
}

it('says where a cluster has a network that pools name, and what of it is wrong', async () => {
  const { page, context, faults } = await portal.signIn()
  const [cluster] = (await portal.admin.clusterList({ query: {} })).items
  await open(page, `/admin/hosts/clusters/${cluster?.id}`)
  const networks = page.getByRole('region', { name: 'Networks of pools' })
  await networks.getByText('Every network is looked for').waitFor()
  await networks.getByRole('button', { name: 'Edit networks' }).click()
  await networks.getByRole('button', { name: 'Add a network' }).click()
  await networks.getByLabel('Network', { exact: true }).first().fill('office')
  await page.keyboard.press('Escape')
  await networks.getByRole('button', { name: 'Save' }).click()
  await networks.getByText('Letters, digits, dots').waitFor()
  await networks.getByLabel('Here it is').first().fill('br7')
  await page.keyboard.press('Escape')
  await networks.getByLabel('VLAN').first().fill('0')
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/cluster-networks-form.png' })
  await networks.getByRole('button', { name: 'Save' }).click()
  await networks.getByText('br7, without VLAN').waitFor()
  await looksWell(page, 'cluster-networks')
  expect(faults).toEqual([])
  await context.close()
})

it('keeps what Windows Setup is answered at the template, and lets go of a secret', async () => {
  const { page, context, faults } = await portal.signIn()
  const [template] = (await portal.admin.templateList({ query: {} })).items
  await open(page, `/admin/templates/${template?.id}`)
  const setup = page.getByRole('region', { name: 'Windows Setup' })
  await setup.getByRole('button', { name: 'Edit answers' }).click()
  const dialog = page.getByRole('dialog', { name: /What Windows Setup is answered/ })
  await dialog.getByRole('switch', { name: 'Set up a generalised Windows' }).check({ force: true })
  await dialog.getByLabel('Password of the local administrator', { exact: true }).fill('Adm1n-geheim')
  await dialog.getByRole('button', { name: 'Show the answer file' }).click()
  await dialog.getByText('<UILanguage>en-US</UILanguage>').waitFor()
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/template-answers-form.png' })
  await dialog.getByRole('button', { name: 'Save' }).click()
  await setup.getByText('kept', { exact: true }).waitFor()
  await setup.getByRole('button', { name: 'Edit answers' }).click()
  await dialog.getByRole('button', { name: 'Remove: Password of the local administrator' }).click()
  await dialog.getByPlaceholder('Removed when saved').waitFor()
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.waitFor({ state: 'detached' })
  await vi.waitFor(async () => {
    const now = await portal.admin.templateGet({ params: { id: template?.id ?? '' } })
    expect(now.answers).toMatchObject({ language: 'en-US', passwordSet: false })
  })
  await looksWell(page, 'template-answers')
  await open(page, '/admin/pools/new')
  await page.getByRole('switch', { name: 'As the template says' }).waitFor()
  expect(await page.getByRole('switch', { name: 'As the template says' }).isChecked()).toBe(true)
  expect(faults).toEqual([])
  await context.close()
})

it('tells how a desktop was made that nobody waited for', async () => {
  const { page, context, faults } = await portal.signIn()
  const desktop = await vi.waitFor(async () => {
    const ready = (await portal.admin.desktopList({ query: {} })).items.find(({ phase }) => phase === 'ready')
    expect(ready).toBeDefined()
    return ready
  }, 30_000)
  await open(page, `/admin/desktops/${desktop?.id}`)
  const made = page.getByRole('region', { name: 'Making and customisation' })
  await made.getByText(/Being made: /).waitFor()
  await made.getByText(/Ready: the guest answers/).waitFor()
  expect(await made.getByRole('combobox', { name: 'Life of its disk' }).inputValue()).toMatch(
    /^1, from .* · ready after/,
  )
  await looksWell(page, 'desktop-lives')
  expect(faults).toEqual([])
  await context.close()
})
