import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeClient } from '../../api/client.ts'
import { axeFaults, settle } from '../support/browser.ts'
import { open, openPortal, type Portal, personPassword } from '../support/portal.ts'
import { startJoinedAgent } from './joined-agent.ts'

let portal: Portal
let poolId: string
let joined: AsyncDisposable | undefined

beforeAll(async () => {
  portal = await openPortal('templates')
  const { admin } = portal
  const [template] = (await admin.templateList({ query: {} })).items
  const pool = await admin.poolCreate({
    body: { name: 'office', kind: 'persistent', templateId: template?.id ?? '', warm: 0 },
  })
  poolId = pool.id
  await admin.entitlementSet({ params: { id: poolId }, body: { everyone: true } })
  for (const name of ['ana', 'ben', 'cem', 'dora', 'eve']) await portal.person(name)
})
afterAll(async () => {
  await joined?.[Symbol.asyncDispose]()
  await portal?.[Symbol.asyncDispose]()
})

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
  it('changes the hardware of one desktop, is told when it applies, and at its field what cannot be', async () => {
    const desktop = await claimed('eve')
    const { page, context, faults } = await portal.signIn()
    await open(page, `/admin/desktops/${desktop.id}`)
    const hardware = page.getByRole('region', { name: /^Hardware/ })
    await hardware.getByText('as its template').waitFor()
    await hardware.getByRole('button', { name: 'Change…' }).click()
    const dialog = page.getByRole('dialog', { name: `Hardware of ${desktop.name}` })
    await dialog.getByRole('textbox', { name: 'Memory' }).fill('192')
    await dialog.getByRole('textbox', { name: 'Disk' }).fill('2')
    await dialog.getByRole('combobox', { name: 'Disk on' }).click()
    await page.getByRole('option', { name: 'SATA' }).click()
    await settle(page)
    expect(await axeFaults(page)).toEqual([])
    await page.screenshot({ path: 'test/out/desktop-hardware.png' })
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByText(/^At once: Disk\. After the next start: Memory \(it was started without room/).waitFor()
    await page.getByText('Disk on (a guest gets another one when it starts)').first().waitFor()
    await hardware.getByText('2 GiB').waitFor()
    await hardware.getByText('SATA', { exact: true }).waitFor()
    await page.getByText(/^52:54(:[0-9a-f]{2}){4}$/).waitFor()
    await hardware.getByRole('button', { name: 'Change…' }).click()
    await dialog.getByRole('textbox', { name: 'Disk' }).fill('1')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.getByText('A disk only grows').first().waitFor()
    await page.keyboard.press('Escape')
    // Asked before it is saved, and then.
    for (const fault of faults) expect(fault).toContain('400 (Bad Request)')
    await context.close()
  })

  it('binds a USB device to a desktop by its page, sees it on its host, and takes it out again', async () => {
    const desktop = await claimed('dora')
    const { page, context, faults } = await portal.signIn()
    await open(page, `/admin/desktops/${desktop.id}`)
    const dongles = page.getByRole('region', { name: 'Dongles' })
    await dongles.getByRole('button', { name: 'Bind…' }).click()
    const dialog = page.getByRole('dialog', { name: `Bind a USB device to ${desktop.name}` })
    await dialog.getByRole('combobox', { name: 'Device' }).click()
    await page.getByRole('option', { name: /Licence key/ }).click()
    await settle(page)
    expect(await axeFaults(page)).toEqual([])
    await page.screenshot({ path: 'test/out/dongle-bind.png' })
    await dialog.getByRole('button', { name: 'Bind' }).click()
    await dongles.getByText('plugged in', { exact: true }).waitFor()
    await page.screenshot({ path: 'test/out/desktop-dongles.png', fullPage: true })
    await open(page, `/admin/hosts/${desktop.hostId}`)
    const usb = page.getByRole('region', { name: 'USB devices' })
    await usb.getByRole('link', { name: desktop.name }).waitFor()
    await page.screenshot({ path: 'test/out/host-usb.png', fullPage: true })
    await usb.getByRole('button', { name: 'Unbind' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Unbind' }).click()
    await usb.getByRole('link', { name: desktop.name }).waitFor({ state: 'detached' })
    expect(faults).toEqual([])
    await context.close()
  })

  it('makes a new version of a person’s desktop by its page, and its pool follows', async () => {
    const desktop = await claimed('ana')
    const { page, context, faults } = await portal.signIn()
    await open(page, `/admin/desktops/${desktop.id}`)
    const more = page.getByRole('button', { name: 'More' })
    const make = page.getByRole('menuitem', { name: 'Make a template…' })
    await more.click()
    await make.getByText('it must be shut down for it').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Shut down' }).click()
    await page
      .getByRole('dialog', { name: /^Shut down/ })
      .getByRole('button', { name: 'Shut down' })
      .click()
    await page.getByText('Stopped', { exact: true }).first().waitFor({ timeout: 30_000 })
    await more.click()
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

  it('copies a version to another cluster, tries again what broke off, and removes it there', async () => {
    const { page, context, faults } = await portal.signIn()
    const [tiny] = (await portal.admin.templateList({ query: { name: 'tiny' } })).items
    const path = `/admin/templates/${tiny?.id}`
    await open(page, path)
    await page
      .getByRole('region', { name: /^Version 1/ })
      .getByText('Every cluster makes it by itself.')
      .waitFor()
    const version = page.getByRole('region', { name: /^Version 2/ })
    const place = (cluster: string) => version.getByRole('listitem').filter({ hasText: cluster })
    const remove = (cluster: string) => place(cluster).getByRole('button', { name: 'Remove from this cluster' })
    await place('main').getByText('In place').waitFor()
    expect(await remove('main').getAttribute('aria-description')).toBe('it was made there: remove the version instead')
    expect(await page.getByRole('button', { name: 'Copy to a cluster…' }).count()).toBe(1)

    // There is no other cluster: it leads to making one.
    await version.getByRole('button', { name: 'Copy to a cluster…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Copy version 2 of tiny to a cluster' })
    await dialog.getByText('Every cluster has it already').waitFor()
    await dialog.getByRole('link', { name: 'New cluster' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('second')
    await page.getByRole('button', { name: 'Make the cluster' }).click()
    await page.getByRole('heading', { name: 'second' }).waitFor()

    await open(page, path)
    await version.getByRole('button', { name: 'Copy to a cluster…' }).click()
    await dialog.getByText('It has no host yet: the copy waits for one.').waitFor()
    const limit = dialog.getByRole('textbox', { name: 'At most' })
    await limit.fill('0')
    await dialog.getByRole('button', { name: 'Copy', exact: true }).click()
    await dialog.getByText('Between 0.01 and 900,000, or empty.').waitFor()
    await limit.fill('20')
    await dialog.getByText('No host of the cluster is there: the copy waits for one.').waitFor()
    await dialog.getByText('What storage is there, is not known yet.').waitFor()
    await settle(page)
    expect(await axeFaults(page)).toEqual([])
    await page.screenshot({ path: 'test/out/copy-plan.png' })
    await dialog.getByRole('button', { name: 'Copy', exact: true }).click()
    await place('second').getByText('Waits for a host of the cluster · at most 20 MiB/s').waitFor()

    // Simulated images come at once: that it broke off is put into the answer, to try it again is not.
    const trouble = { code: 'unreachable', text: 'The line ended before the image did.' }
    await page.route(`**/api/v1/templates/${tiny?.id}`, async route => {
      const response = await route.fetch()
      const { versions, ...rest } = await response.json()
      for (const { copies } of versions)
        for (const copy of copies)
          if (copy.clusterName === 'second') Object.assign(copy, { state: 'failed', progress: 42, trouble })
      await route.fulfill({ response, json: { ...rest, versions } })
    })
    await open(page, path)
    await place('second').getByText(trouble.text).waitFor()
    await place('second').getByText('It broke off at 42 % and goes on from there').waitFor()
    await settle(page)
    expect(await axeFaults(page)).toEqual([])
    await page.unrouteAll({ behavior: 'wait' })
    await place('second').getByRole('button', { name: 'Try again' }).click()
    await page.getByText('It is being copied to second again').waitFor()
    await place('second').getByText('at most 20 MiB/s').waitFor()

    const [second] = (await portal.admin.clusterList({ query: { name: 'second' } })).items
    const { token } = await portal.admin.joinTokenMake({ body: { clusterId: second?.id ?? '' } })
    joined = startJoinedAgent(portal.product.url, token)
    await place('second').getByText('In place').waitFor({ timeout: 60_000 })

    await remove('second').click()
    const question = page.getByRole('dialog', { name: 'Remove version 2 of tiny from second?' })
    await question.getByText('The image of version 2 on the hosts of second.').waitFor()
    await question.getByRole('button', { name: 'Remove' }).click()
    await page.getByText('Version 2 was removed from second').waitFor()
    await place('second').waitFor({ state: 'detached' })
    expect(faults).toEqual([])
    await context.close()
  })
})
