import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { axeFaults, layoutFaults, settle, visit } from '../support/browser.ts'
import { open, openPortal, type Portal } from '../support/portal.ts'

let portal: Portal

beforeAll(async () => {
  portal = await openPortal('making')
  const { admin } = portal
  const [template] = (await admin.templateList({ query: {} })).items
  const body = { name: 'office', kind: 'persistent' as const, templateId: template?.id ?? '', warm: 0 }
  const pool = await admin.poolCreate({ body })
  await admin.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
})
afterAll(() => portal?.[Symbol.asyncDispose]())

/** By its page; it says for how long it is kept. */
async function removed(page: Page) {
  await page.getByRole('button', { name: 'Delete' }).click()
  const question = page.getByRole('dialog', { name: 'Delete by-hand?' })
  await question.getByText('7 days').waitFor()
  await page.screenshot({ path: 'test/out/bin-ask.png' })
  await question.getByRole('button', { name: 'Delete' }).click()
  await page.getByText('In the recycle bin').waitFor()
}

it('makes a desktop by steps that end in checks, deletes it into the recycle bin and restores it from its page, from the list and by “Undo”', async () => {
  const { page, context, faults } = await portal.signIn()
  await open(page, '/admin/desktops')
  await page.getByRole('button', { name: 'Make a desktop…' }).click()
  const dialog = page.getByRole('dialog', { name: 'Make a desktop' })
  await dialog.getByRole('combobox', { name: 'Pool' }).click()
  await page.getByRole('option', { name: /^office/ }).click()
  await dialog.getByRole('button', { name: 'Next' }).click()
  await dialog.getByRole('textbox', { name: 'Name' }).fill('by-hand')
  await dialog.getByRole('button', { name: 'Next' }).click()
  await dialog.getByRole('combobox', { name: 'Firmware' }).click()
  await page.getByRole('option', { name: 'UEFI' }).click()
  await page.screenshot({ path: 'test/out/making-hardware.png' })
  await dialog.getByRole('button', { name: 'Next' }).click()
  await dialog.getByText('by-hand is free').waitFor()
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/making-review.png' })
  await dialog.getByRole('button', { name: 'Make it' }).click()
  await page.getByRole('heading', { name: 'by-hand' }).waitFor()
  await page.getByText('UEFI', { exact: true }).waitFor()
  await page.getByText('Ready', { exact: true }).first().waitFor()
  await removed(page)
  for (const [width, language] of [
    [1280, 'en'],
    [390, 'zh'],
  ] as const) {
    const look = { width, height: 800, scheme: 'light', language } as const
    const other = await visit(portal.browser, portal.product.url, look)
    await other.context.addCookies(await context.cookies())
    await open(other.page, '/admin/recycle-bin')
    await other.page.getByText('by-hand').waitFor()
    await settle(other.page)
    expect([await axeFaults(other.page), await layoutFaults(other.page)]).toEqual([[], []])
    await other.page.screenshot({ path: `test/out/bin-${width}-${language}.png` })
    await other.context.close()
  }
  await page.screenshot({ path: 'test/out/desktop-binned.png' })
  const restored = page.getByText('by-hand was restored.')
  await page.getByRole('button', { name: 'Restore' }).click()
  await restored.waitFor()

  // Of a whole list of what was deleted, one is taken back where it stands.
  await page.reload()
  await removed(page)
  await open(page, '/admin/recycle-bin')
  await page
    .getByRole('row', { name: /by-hand/ })
    .getByRole('button', { name: 'Restore by-hand' })
    .click()
  await restored.waitFor()

  // At once, where it was deleted.
  await page.goBack()
  await removed(page)
  await page.getByRole('button', { name: 'Undo' }).click()
  await restored.waitFor()
  await page.getByText('In the recycle bin').waitFor({ state: 'detached' })
  expect(faults).toEqual([])
  await context.close()
})

it('says why a button is refused to who taps it', async () => {
  const [desktop] = (await portal.admin.desktopList({ query: { name: 'by-hand' } })).items
  const look = { width: 390, height: 844, scheme: 'light', language: 'en' } as const
  const { page, context, faults } = await portal.signIn('admin', undefined, look)
  await open(page, `/admin/desktops/${desktop?.id}`)
  const refused = page.getByRole('button', { name: 'Shut down' })
  // Playwright takes a refused button for one that cannot be pressed.
  await refused.tap({ force: true })
  await page.getByRole('tooltip').filter({ hasText: 'it does not run' }).waitFor()
  await settle(page)
  await page.screenshot({ path: 'test/out/refused-tapped.png' })
  await page.getByRole('heading', { name: 'by-hand' }).tap()
  await page.getByRole('tooltip').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'More' }).tap()
  await page.getByRole('menuitem', { name: 'Save' }).getByText('it is not ready').waitFor()
  await settle(page)
  expect([await axeFaults(page), await layoutFaults(page)]).toEqual([[], []])
  await page.screenshot({ path: 'test/out/desktop-more.png' })
  expect(faults).toEqual([])
  await context.close()
})

it('makes a desktop for each of several people, who are named with theirs beforehand', async () => {
  for (const name of ['lea', 'mia']) await portal.person(name)
  const { page, context, faults } = await portal.signIn()
  await open(page, '/admin/desktops')
  await page.getByRole('button', { name: 'Make a desktop…' }).click()
  const dialog = page.getByRole('dialog', { name: 'Make a desktop' })
  await dialog.getByRole('combobox', { name: 'Pool' }).click()
  await page.getByRole('option', { name: /^office/ }).click()
  await dialog.getByRole('button', { name: 'Next' }).click()
  const people = dialog
    .getByRole('combobox', { name: 'People' })
    .or(dialog.getByRole('textbox', { name: 'People' }))
    .first()
  await people.click()
  await page.getByRole('option', { name: 'lea' }).click()
  await page.getByRole('option', { name: 'mia' }).click()
  // One’s own desktop is not among those that are wished.
  await page.getByRole('option', { name: /\(myself\)$/ }).click()
  await page.keyboard.press('Escape')
  expect(await dialog.getByRole('textbox', { name: 'Name' }).count()).toBe(0)
  await dialog.getByRole('button', { name: 'Next' }).click()
  await dialog.getByRole('button', { name: 'Next' }).click()
  await dialog.getByText(/^lea – gets office-\d{3} on /).waitFor()
  await dialog.getByText(/^mia – gets office-\d{3} on /).waitFor()
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/making-many.png' })
  await dialog.getByRole('button', { name: 'Make 2 desktops' }).click()
  await page.getByRole('heading', { name: 'Many desktops · office: 2 desktops' }).waitFor()
  await page.getByText('Done', { exact: true }).first().waitFor({ timeout: 30_000 })
  // Its page names each of them, with its own task and a way to its desktop.
  const each = page
    .getByRole('table')
    .getByRole('row')
    .filter({ hasText: /^office-/ })
  await expect.poll(() => each.filter({ hasText: 'Done' }).count()).toBe(2)
  await settle(page)
  expect([await axeFaults(page), await layoutFaults(page)]).toEqual([[], []])
  await page.screenshot({ path: 'test/out/task-parts.png', fullPage: true })
  await each
    .first()
    .getByRole('link', { name: /^office-/ })
    .click()
  await page.getByRole('heading', { name: /^office-/, level: 1 }).waitFor()
  const { items } = await portal.admin.desktopList({ query: {} })
  expect(items.flatMap(({ poolName, userName }) => (poolName === 'office' ? [userName] : []))).toEqual(
    expect.arrayContaining(['lea', 'mia']),
  )
  expect(faults).toEqual([])
  await context.close()
})
