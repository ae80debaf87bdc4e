import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { axeFaults, type Look, layoutFaults, settle } from '../support/browser.ts'
import { open, openPortal, type Portal, personPassword, waitForScreen } from '../support/portal.ts'
import { adminPassword } from '../support/product.ts'

const looks: Look[] = [
  { width: 390, height: 844, scheme: 'dark', language: 'zh' },
  { width: 1280, height: 800, scheme: 'dark', language: 'en' },
  { width: 390, height: 844, scheme: 'light', language: 'pseudo' },
]

let portal: Portal
beforeAll(async () => {
  portal = await openPortal('screens')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

it('takes a person’s screen for an administrator who said so, tells the person why, and gives it back to them', async () => {
  const { admin } = portal
  await portal.person('ana')
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  const client = await portal.product.client('ana', personPassword)
  const { id } = (await client.poolClaim({ params: { id: demo?.id ?? '' } })).desktop
  const is = (state: 'connected' | 'disconnected' | undefined) =>
    vi.waitFor(async () => expect((await admin.desktopGet({ params: { id } })).session?.state).toBe(state), {
      timeout: 30_000,
      interval: 100,
    })
  await vi.waitFor(async () => expect((await admin.desktopGet({ params: { id } })).phase).toBe('ready'), {
    timeout: 30_000,
    interval: 100,
  })
  // Nobody looks: one click, from the list.
  const { page, context, faults } = await portal.signIn()
  await open(page, '/admin/desktops')
  await page.getByRole('link', { name: `Screen of ${(await admin.desktopGet({ params: { id } })).name}` }).click()
  await waitForScreen(page)
  await page.screenshot({ path: 'test/out/watch.png' })
  await is(undefined)

  const ana = await portal.signIn('ana', personPassword)
  await open(ana.page, `/desktop/${id}`)
  await waitForScreen(ana.page)
  await page.getByText('is looking at this screen').waitFor()
  await is('connected')
  await settle(page)
  expect([...(await axeFaults(page)), ...(await layoutFaults(page))]).toEqual([])
  await page.screenshot({ path: 'test/out/watch-held.png' })
  await page.getByRole('button', { name: 'Take the screen' }).click()
  await waitForScreen(page)
  await ana.page.getByText('An administrator opened this screen').waitFor()
  await is('disconnected')
  await settle(ana.page)
  expect(await axeFaults(ana.page)).toEqual([])
  await ana.page.screenshot({ path: 'test/out/watch-person.png' })
  await ana.page.getByRole('button', { name: 'Show it here' }).click()
  await waitForScreen(ana.page)
  await page.getByText('ana is looking at this screen').waitFor()
  expect([...faults, ...ana.faults]).toEqual([])
  await ana.context.close()
  await context.close()
})

it('shows what a machine shows on its page, anew while one looks, and opens it with a click', async () => {
  const { admin } = portal
  const running = async () => (await admin.desktopList()).items.find(({ phase }) => phase === 'ready')
  const { id, name } = await vi.waitFor(async () => (await running()) ?? Promise.reject(new Error('none runs')), 30_000)
  const { page, context, faults } = await portal.signIn()
  await open(page, `/admin/desktops/${id}`)
  const picture = page.getByRole('img', { name: `What ${name} shows` })
  await picture.waitFor()
  const first = await picture.getAttribute('src')
  await vi.waitFor(async () => expect(await picture.getAttribute('src')).not.toBe(first), { timeout: 15_000 })
  await settle(page)
  expect([...(await axeFaults(page)), ...(await layoutFaults(page))]).toEqual([])
  await page.screenshot({ path: 'test/out/desktop-screen.png', fullPage: true })
  for (const [at, look] of looks.entries()) {
    const other = await portal.signIn('admin', adminPassword, look)
    await open(other.page, `/admin/desktops/${id}`)
    await other.page.locator('main img').first().waitFor()
    await settle(other.page)
    expect(await layoutFaults(other.page)).toEqual([])
    await other.page.screenshot({ path: `test/out/desktop-screen-${at}.png` })
    await other.context.close()
  }
  await page.getByRole('link', { name: `Screen of ${name}` }).click()
  await waitForScreen(page)
  expect(faults).toEqual([])
  await context.close()
})
