import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeClient } from '../../api/client.ts'
import { axeFaults, settle } from '../support/browser.ts'
import { open, openPortal, type Portal, personPassword } from '../support/portal.ts'

let portal: Portal
let poolId: string

beforeAll(async () => {
  portal = await openPortal('templates')
  const { admin } = portal
  const [template] = (await admin.templateList({ query: {} })).items
  const pool = await admin.poolCreate({
    body: { name: 'office', kind: 'persistent', templateId: template?.id ?? '', warm: 0 },
  })
  poolId = pool.id
  await admin.entitlementSet({ params: { id: poolId }, body: { everyone: true } })
  for (const name of ['ana', 'ben', 'cem', 'dora']) await portal.person(name)
})
afterAll(() => portal?.[Symbol.asyncDispose]())

/** A desktop that a person has, running. */
async function claimed(person: string) {
  const { token } = await makeClient({ baseUrl: portal.product.url }).login({
    body: { name: person, password: personPassword },
  })
  const { desktop } = await makeClient({ baseUrl: portal.product.url, token }).poolClaim({ params: { id: poolId } })
  return vi.waitFor(
    async () => {
      const now = await portal.admin.desktopGet({ params: { id: desktop.id } })
      expect(now.phase).toBe('ready')
      return now
    },
    { timeout: 60_000, interval: 100 },
  )
}

describe('an administrator', () => {
  it('makes a new version of a person’s desktop by its page, and its pool follows', async () => {
    const desktop = await claimed('ana')
    const { page, context, faults } = await portal.signIn()
    await open(page, `/admin/desktops/${desktop.id}`)
    const make = page.getByRole('button', { name: 'Make a template…' })
    await make.focus()
    await page.getByRole('tooltip').filter({ hasText: 'it must be shut down for it' }).waitFor()
    await page.getByRole('button', { name: 'Shut down' }).click()
    await page
      .getByRole('dialog', { name: /^Shut down/ })
      .getByRole('button', { name: 'Shut down' })
      .click()
    await expect.poll(() => make.getAttribute('aria-disabled'), { timeout: 30_000 }).toBeNull()
    await make.click()

    const dialog = page.getByRole('dialog', { name: `Make a template of ${desktop.name}` })
    await dialog.getByRole('radio', { name: 'A new version of tiny', checked: true }).waitFor()
    expect(await dialog.getByRole('switch', { name: 'Take out what makes it this machine' }).isChecked()).toBe(true)
    await dialog.getByRole('textbox', { name: 'Notes' }).fill('With the compiler')
    await dialog.getByRole('button', { name: 'Make the version' }).click()

    await page.getByRole('heading', { name: 'tiny' }).waitFor()
    const version = page.getByRole('region', { name: /^Version 2/ })
    await version.getByText('Ready to use').waitFor()
    await version.getByText('With the compiler').waitFor()
    await version.getByText('yes: without machine id').waitFor()
    await version.getByRole('link', { name: desktop.name }).waitFor()

    await open(page, `/admin/pools/${poolId}`)
    await page.getByText('2 (always the newest)').waitFor()
    expect((await claimed('ben')).templateVersion).toBe(2)
    expect(faults).toEqual([])
    await context.close()
  })

  it('makes a new template of a desktop found by its person, and reads why another cannot be taken', async () => {
    await claimed('cem')
    const doras = await claimed('dora')
    await portal.admin.desktopAct({ params: { id: doras.id, name: 'poweroff' } })
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/templates')
    await page.getByRole('button', { name: 'From a desktop' }).click()
    const dialog = page.getByRole('dialog', { name: 'New template' })
    await dialog.getByRole('textbox', { name: 'Name' }).fill('tiny')
    const desktop = dialog
      .getByRole('combobox', { name: 'Desktop' })
      .or(dialog.getByRole('textbox', { name: 'Desktop' }))
    await dialog.getByRole('button', { name: 'Make the version' }).click()
    await dialog.getByText('Choose a desktop.').waitFor()

    await desktop.fill('cem')
    const cems = page.getByRole('option', { name: /cem · office/ })
    await cems.getByText('it must be shut down for it').waitFor()
    expect(await cems.getAttribute('aria-disabled')).toBe('true')
    await settle(page)
    expect(await axeFaults(page)).toEqual([])
    await desktop.fill('dora')
    await page.getByRole('option', { name: /dora · office/ }).click()
    await dialog.getByRole('switch', { name: 'Take out what makes it this machine' }).click()
    await dialog.getByRole('button', { name: 'Make the version' }).click()
    await dialog.locator('.mantine-InputWrapper-error', { hasText: 'A template named tiny already exists' }).waitFor()

    await dialog.getByRole('textbox', { name: 'Name' }).fill('office-image')
    await dialog.getByRole('button', { name: 'Make the version' }).click()
    await page.getByRole('heading', { name: 'office-image' }).waitFor()
    await page.getByText('Ready to use').waitFor()
    await page.getByText('no: the disk as it was').waitFor()
    expect(faults).toEqual([])
    await context.close()
  })
})
