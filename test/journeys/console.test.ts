import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { axeFaults, layoutFaults, settle } from '../support/browser.ts'
import { open, openPortal, type Portal } from '../support/portal.ts'

let portal: Portal
beforeAll(async () => {
  portal = await openPortal('console')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

it('opens a desktop’s console in one click, types into it, and is told when somebody else took it', async () => {
  const { admin } = portal
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  const { desktop } = await admin.poolClaim({ params: { id: demo?.id ?? '' } })
  const { id } = desktop
  await vi.waitFor(async () => expect((await admin.desktopGet({ params: { id } })).phase).toBe('ready'), {
    timeout: 30_000,
    interval: 100,
  })
  const { page, context, faults } = await portal.signIn()
  await open(page, `/admin/desktops/${id}`)
  await page.getByRole('button', { name: 'Console' }).click()

  const screen = page.getByRole('log')
  await screen.getByText('Simulated console').waitFor()
  await page.keyboard.type('nime')
  for (const key of ['Backspace', 'Backspace', 'Backspace']) await page.keyboard.press(key)
  await page.keyboard.type('ope')
  await page.keyboard.press('Enter')
  await screen.getByText('nope: not found').waitFor()
  // As an input method or a phone’s keyboard writes: no keys, only text.
  await page.keyboard.insertText('桌面\n')
  await screen.getByText('桌面: not found').waitFor()
  await settle(page)
  expect([...(await axeFaults(page)), ...(await layoutFaults(page))]).toEqual([])
  await page.screenshot({ path: 'test/out/console.png' })

  await admin.desktopConsole({ params: { id } })
  await page.getByText('Somebody else opened it').waitFor()
  await settle(page)
  expect(await axeFaults(page)).toEqual([])
  await page.getByRole('button', { name: 'Open again' }).click()
  await page.getByText('Every key goes to the machine').waitFor()
  await page.keyboard.type('help')
  await page.keyboard.press('Enter')
  await screen.getByText('colours').waitFor()
  expect(faults).toEqual([])
  await context.close()
})
