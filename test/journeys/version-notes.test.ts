import { afterAll, beforeAll, expect, it } from 'vitest'
import { axeFaults, settle } from '../support/browser.ts'
import { open, openPortal, type Portal } from '../support/portal.ts'

let portal: Portal
beforeAll(async () => {
  portal = await openPortal('version-notes')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

it('changes the notes of a version where they stand, and leaves them with Escape', async () => {
  const { page, context, faults } = await portal.signIn()
  const [template] = (await portal.admin.templateList({ query: {} })).items
  await open(page, `/admin/templates/${template?.id}`)
  await page.getByRole('button', { name: 'Edit: Notes of version 1' }).click()
  await page.getByRole('textbox', { name: 'Notes of version 1' }).fill('Built for class 7b')
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText('Built for class 7b').waitFor()
  await page.getByRole('button', { name: 'Edit: Notes of version 1' }).click()
  await page.getByRole('textbox', { name: 'Notes of version 1' }).fill('something else')
  await page.keyboard.press('Escape')
  await page.getByText('Built for class 7b').waitFor()
  expect((await portal.admin.templateList({ query: {} })).items[0]?.versions[0]?.notes).toBe('Built for class 7b')
  expect(faults).toEqual([])
  await context.close()
})
