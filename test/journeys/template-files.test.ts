import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tarOf, virtualBoxOvf } from '../support/appliances.ts'
import { axeFaults, layoutFaults, settle } from '../support/browser.ts'
import { open, openPortal, type Portal } from '../support/portal.ts'

let portal: Portal
beforeAll(async () => {
  portal = await openPortal('template-files')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

it('an administrator takes a version away as a file, and brings it and an appliance in as templates', async () => {
  const { page, context, faults } = await portal.signIn()
  const [tiny] = (await portal.admin.templateList({ query: { name: 'tiny' } })).items
  await open(page, `/admin/templates/${tiny?.id}`)
  const version = page.getByRole('region', { name: /^Version 1/ })
  await version.getByText('Ready to use').waitFor({ timeout: 60_000 })
  await version.getByRole('button', { name: 'Export' }).click()
  await settle(page)
  await page.screenshot({ path: 'test/out/export-menu.png' })
  await page.getByRole('menuitem', { name: /^HDCS template/ }).click()
  await version.getByRole('link', { name: 'Download' }).waitFor({ timeout: 30_000 })
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/export-ready.png', fullPage: true })
  const coming = page.waitForEvent('download')
  await version.getByRole('link', { name: 'Download' }).click()
  const download = await coming
  expect(download.suggestedFilename()).toBe('tiny-1.hdcs.tar')
  const bytes = readFileSync(await download.path())
  await version.getByText(createHash('sha256').update(bytes).digest('hex')).waitFor()

  await open(page, '/admin/templates')
  await page.getByRole('button', { name: 'Upload an image' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'New template' })
  const choose = async (name: string, buffer: Buffer) => {
    const asked = page.waitForEvent('filechooser')
    await dialog.getByRole('button', { name: 'File' }).click()
    await (await asked).setFiles({ name, mimeType: 'application/octet-stream', buffer })
  }
  await choose('tiny-1.hdcs.tar', bytes)
  await dialog.getByText('A template that HDCS exported', { exact: true }).waitFor()
  await expect.poll(() => dialog.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('tiny')
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.screenshot({ path: 'test/out/import-says.png' })

  const ovf = virtualBoxOvf('disk.vmdk')
  await dialog.getByRole('textbox', { name: 'Name' }).fill('')
  await choose(
    'My Box.ova',
    tarOf([
      ['My Box.ovf', ovf],
      ['disk.vmdk', 'what a simulated host does not look at'],
    ]),
  )
  await dialog.getByText('An appliance of another program', { exact: true }).waitFor()
  await dialog.getByText('2 GiB').waitFor()
  await dialog.getByRole('button', { name: 'Upload an image' }).click()
  await settle(page)
  await page.screenshot({ path: 'test/out/import-ova.png' })
  await page.getByRole('heading', { name: 'my-box' }).waitFor()
  await page.getByText('Ready to use').waitFor({ timeout: 30_000 })
  expect(faults).toEqual([])
  await context.close()

  const small = { width: 390, height: 844, scheme: 'dark', language: 'zh' } as const
  const phone = await portal.signIn(undefined, undefined, small)
  await open(phone.page, `/admin/templates/${tiny?.id}`)
  await phone.page.getByText('HDCS 模板（.hdcs.tar）').waitFor()
  await settle(phone.page)
  expect(await layoutFaults(phone.page)).toEqual([])
  await phone.page.screenshot({ path: 'test/out/export-phone.png', fullPage: true })
  await phone.context.close()
})
