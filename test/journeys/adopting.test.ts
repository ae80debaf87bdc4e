import { afterAll, beforeAll, expect, it } from 'vitest'
import { axeFaults, settle } from '../support/browser.ts'
import { open, openPortal, type Portal } from '../support/portal.ts'

let portal: Portal
beforeAll(async () => {
  portal = await openPortal('adopting')
  await portal.person('ana')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

it('lets an administrator adopt a machine that is on a host already, and tells why another cannot be', async () => {
  const [host] = (await portal.admin.hostList({ query: {} })).items
  const { page, context, faults } = await portal.signIn()
  await open(page, `/admin/hosts/${host?.id}`)
  const strangers = page.getByRole('region', { name: 'Machines made without HDCS' })
  await strangers.getByText('Cannot be adopted: it runs: shut it down first.').waitFor()
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/foreign-machines.png', fullPage: true })
  await strangers.getByRole('button', { name: 'Adopt' }).first().click()

  const dialog = page.getByRole('dialog', { name: 'Adopt accounts-2019' })
  await dialog.getByText(/^Its UEFI settings are not taken over/).waitFor()
  await dialog.getByRole('button', { name: 'Adopt' }).click()
  await dialog.getByText('Choose the person who gets it.').waitFor()
  const person = dialog
    .getByRole('combobox', { name: 'Whose it is' })
    .or(dialog.getByRole('textbox', { name: 'Whose it is' }))
  await person.fill('ana')
  await page.getByRole('option', { name: /ana/ }).click()
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/foreign-adopt.png' })
  await dialog.getByRole('button', { name: 'Adopt' }).click()

  await page.getByRole('heading', { name: 'accounts-2019' }).waitFor()
  await page.getByRole('button', { name: 'Start' }).click()
  await page.getByText('Running').first().waitFor()
  expect(faults).toEqual([])
  await context.close()
})
