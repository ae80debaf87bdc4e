import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { visit } from '../support/browser.ts'
import {
  fillSignIn,
  open,
  openPortal,
  type Portal,
  personPassword,
  screenOf,
  waitForScreen,
} from '../support/portal.ts'

let portal: Portal

beforeAll(async () => {
  portal = await openPortal('person')
  for (const name of ['ana', 'ben', 'cem']) await portal.person(name)
})
afterAll(() => portal?.[Symbol.asyncDispose]())

describe('a person', () => {
  it('is told in words when the password is wrong, and gets in with the right one', async () => {
    const { page, context, faults } = await visit(portal.browser, portal.product.url)
    await open(page, '/')
    await fillSignIn(page, 'ana', 'not-her-password')
    await page.getByRole('alert').getByText('The name or the password is not right').waitFor()
    await fillSignIn(page, 'ana', personPassword)
    await page.getByRole('heading', { name: 'My desktops' }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('gets a desktop with one click, sees its screen and types on it', async () => {
    const { page, context, faults } = await portal.signIn('ana', personPassword)
    await page.getByRole('button', { name: /^Get/ }).click()
    await page.waitForURL(/\/desktop\//)
    await waitForScreen(page)
    const before = await screenOf(page)
    await page.keyboard.type('hello', { delay: 20 })
    await expect.poll(() => screenOf(page), { timeout: 10_000 }).not.toBe(before)
    expect(faults).toEqual([])
    await context.close()
  })

  it('finds the same desktop again after closing the page', async () => {
    const { page, context } = await portal.signIn('ana', personPassword)
    const [mine] = (await portal.admin.desktopList({ query: {} })).items.filter(({ userName }) => userName === 'ana')
    const opener = page.getByRole('link', { name: `Open – ${mine?.name}` })
    await opener.click()
    await waitForScreen(page)
    expect(page.url()).toContain(mine?.id)
    await context.close()
  })

  it('gets another desktop than the one somebody else has', async () => {
    const { page, context } = await portal.signIn('ben', personPassword)
    await page.getByRole('button', { name: /^Get/ }).click()
    await page.waitForURL(/\/desktop\//)
    await waitForScreen(page)
    const given = (await portal.admin.desktopList({ query: {} })).items.filter(({ userName }) => userName)
    expect(given.map(({ userName }) => userName).toSorted()).toEqual(['ana', 'ben'])
    expect(new Set(given.map(({ id }) => id)).size).toBe(2)
    await context.close()
  })

  it('takes the screen over on a second page, and the first says where it went', async () => {
    const first = await portal.signIn('ana', personPassword)
    await first.page.getByRole('link', { name: /^Open – / }).click()
    await waitForScreen(first.page)
    const second = await portal.signIn('ana', personPassword)
    await second.page.getByRole('link', { name: /^Open – / }).click()
    await waitForScreen(second.page)
    await first.page.getByText('Opened somewhere else').waitFor()
    await first.page.getByRole('button', { name: 'Show it here' }).click()
    await waitForScreen(first.page)
    await first.context.close()
    await second.context.close()
  })

  it('uses the controls by keyboard: Ctrl Alt Shift shows them, a menu sends keys', async () => {
    const { page, context, faults } = await portal.signIn('ben', personPassword)
    await page.getByRole('link', { name: /^Open – / }).click()
    await waitForScreen(page)
    await page.keyboard.press('Control+Alt+Shift')
    const keys = page.getByRole('button', { name: 'Keys' })
    await expect.poll(() => keys.evaluate(element => element === document.activeElement)).toBe(true)
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'Send Ctrl + Alt + Del' }).waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    expect(faults).toEqual([])
    await context.close()
  })

  it('is asked before giving a desktop back, with what is lost, and then it is gone', async () => {
    const { page, context, faults } = await portal.signIn('ben', personPassword)
    await page.getByRole('button', { name: /^More for / }).click()
    await page.getByRole('menuitem', { name: /Give back/ }).click()
    const question = page.getByRole('dialog', { name: /^Give back/ })
    await question.getByText('every file kept on it is deleted').waitFor()
    await question.getByRole('button', { name: 'Keep it' }).click()
    await question.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: /^More for / }).click()
    await page.getByRole('menuitem', { name: /Give back/ }).click()
    await question.getByRole('button', { name: 'Give back and delete' }).click()
    await page.getByRole('button', { name: /^Get/ }).waitFor()
    expect(await page.getByRole('link', { name: /^Open – / }).count()).toBe(0)
    expect(faults).toEqual([])
    await context.close()
  })

  it('waits on a page of steps when none is ready, and it opens by itself', async () => {
    const pool = (await portal.admin.poolList({ query: { name: 'demo' } })).items[0]
    if (!pool) throw new Error('no demo pool')
    await portal.admin.poolUpdate({ params: { id: pool.id }, body: { warm: 0 } })
    await expect
      .poll(async () => (await portal.admin.poolGet({ params: { id: pool.id } })).counts.ready, { timeout: 30_000 })
      .toBe(0)
    const { page, context, faults } = await portal.signIn('cem', personPassword)
    await page.getByRole('button', { name: /^Get/ }).click()
    await page.waitForURL(/\/(ready|desktop)\//)
    await waitForScreen(page)
    expect(faults).toEqual([])
    await context.close()
  })

  it('sees no console, and is not let in by its address', async () => {
    const { page, context } = await portal.signIn('cem', personPassword)
    expect(await page.getByRole('link', { name: 'Console' }).count()).toBe(0)
    await open(page, '/admin/people')
    await page.waitForURL(url => url.pathname === '/')
    await context.close()
  })

  it('is told when the session has ended, and is back at the same place after signing in', async () => {
    const { page, context, faults } = await portal.signIn('cem', personPassword)
    await open(page, '/account')
    await page.getByLabel('Current password', { exact: false }).fill(personPassword)
    await page.getByLabel('New password *', { exact: true }).fill('another-lantern-43')
    await page.getByLabel('New password again', { exact: false }).fill('another-lantern-43')
    await context.clearCookies()
    await page.getByRole('button', { name: 'Change password' }).click()
    await page.getByText('You were signed out because your session ended').waitFor()
    await fillSignIn(page, 'cem', personPassword)
    await page.getByRole('heading', { name: 'Account' }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('reads the page in Chinese after one choice, also after coming back', async () => {
    const { page, context } = await portal.signIn('cem', personPassword)
    await page.getByRole('button', { name: /^Language/ }).click()
    await page.getByRole('menuitem', { name: '中文' }).click()
    await page.getByRole('heading', { name: '我的桌面' }).waitFor()
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN')
    await context.close()
  })

  it('is told in words when no desktop starts, and what to do next', async () => {
    const { admin } = portal
    const template = (await admin.templateList({ query: {} })).items[0]
    if (!template) throw new Error('no template')
    const pool = await admin.poolCreate({
      body: { name: 'fail-start', kind: 'floating', templateId: template.id, warm: 0, maxSize: 2 },
    })
    await admin.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
    const { page, context, faults } = await portal.signIn('ben', personPassword)
    await page.getByRole('button', { name: 'Get – fail-start' }).click()
    await page.getByRole('heading', { name: 'Your desktop could not be made ready' }).waitFor()
    await page.getByText('The desktop did not start').waitFor()
    expect(await page.getByText('QEMU').count()).toBe(0)
    await page.getByRole('button', { name: 'Try again' }).waitFor()
    await page.getByRole('link', { name: 'Back to my desktops' }).click()
    await page.getByRole('heading', { name: 'My desktops' }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })
})
