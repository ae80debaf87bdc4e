import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { visit } from '../support/browser.ts'
import { open, openPortal, type Portal, personPassword, screenOf, waitForScreen } from '../support/portal.ts'
import { adminPassword } from '../support/product.ts'

let portal: Portal

beforeAll(async () => {
  portal = await openPortal('keyboard')
  await portal.person('ana')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

const tabTo = (page: Page, name: RegExp) => moveTo(page, 'Tab', name)

/** Presses the key until what has the focus is named so. */
async function moveTo(page: Page, key: 'Tab' | 'ArrowDown', name: RegExp): Promise<void> {
  const passed: string[] = []
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press(key)
    const focused = await page.evaluate(() => {
      const element = document.activeElement
      return element?.getAttribute('aria-label') || element?.textContent || element?.tagName || ''
    })
    if (name.test(focused)) return
    passed.push(focused.slice(0, 30))
  }
  throw new Error(`no ${key} leads to ${name}; it passed ${passed.join(' | ')}`)
}

/** Whether a person who does not use a pointer can see where they are. */
const focusIsSeen = (page: Page) =>
  page.evaluate(() => {
    const { activeElement } = document
    if (!activeElement || activeElement === document.body) return false
    const style = getComputedStyle(activeElement)
    return style.outlineStyle !== 'none' || style.boxShadow !== 'none' || activeElement.tagName === 'INPUT'
  })

describe('without a pointer', () => {
  it('a person signs in, gets a desktop, types on it and gives it back', async () => {
    const { page, context, faults } = await visit(portal.browser, portal.product.url)
    await open(page, '/')
    await page.locator('input[autocomplete="username"]:focus').waitFor()
    await page.keyboard.type('ana')
    await page.keyboard.press('Tab')
    await page.keyboard.type(personPassword)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'My desktops' }).waitFor()
    await tabTo(page, /^Get/)
    expect(await focusIsSeen(page)).toBe(true)
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/desktop\//)
    await waitForScreen(page)
    const before = await screenOf(page)
    await page.keyboard.type('keys', { delay: 20 })
    await expect.poll(() => screenOf(page), { timeout: 10_000 }).not.toBe(before)

    await page.keyboard.press('Control+Alt+Shift')
    await tabTo(page, /^Leave/)
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: /Disconnect/ }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'My desktops' }).waitFor()

    await tabTo(page, /^More for /)
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: /Give back/ }).waitFor()
    await page.keyboard.press('End')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: /^Give back/ }).waitFor()
    await tabTo(page, /^Give back and delete/)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: /^Get/ }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('an administrator walks the console: commands, a table by arrows, a dialogue that returns the focus', async () => {
    const { page, context, faults } = await portal.signIn('admin', adminPassword)
    await open(page, '/admin')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to content')
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').waitFor()
    await page.keyboard.type('desktops')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Desktops' }).waitFor()
    const rows = page.getByRole('link', { name: /^demo-/ })
    await rows.nth(1).waitFor()
    const [first = '', second = ''] = await rows.allInnerTexts()

    await page.keyboard.press('/')
    await page.keyboard.type('demo')
    await tabTo(page, new RegExp(`^${first}$`))
    await page.keyboard.press('ArrowDown')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(second)
    await page.keyboard.press('Space')
    await page.getByText('1 selected').waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: second }).waitFor()

    const leaves = async (dialog: RegExp, backTo: string) => {
      await page.getByRole('dialog', { name: dialog }).waitFor()
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe(backTo)
    }
    await tabTo(page, /^More$/)
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: /^Reset/ }).waitFor()
    await moveTo(page, 'ArrowDown', /^Reset/)
    await page.keyboard.press('Enter')
    await leaves(/^Reset/, 'More')
    await tabTo(page, /^Delete$/)
    await page.keyboard.press('Enter')
    await leaves(/^Delete/, 'Delete')
    await page.keyboard.press('Shift+?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await page.keyboard.press('Escape')
    expect(faults).toEqual([])
    await context.close()
  })
})
