/** The product with simulated hosts, and people at real browsers in front of it. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import type { Client } from '../../api/client.ts'
import { type Look, launchBrowser, type Visit, visit, wide } from './browser.ts'
import { adminPassword, makeProduct, type Product } from './product.ts'

export interface Portal extends AsyncDisposable {
  product: Product
  browser: Browser
  /** The first administrator over HTTP. */
  admin: Client
  /** A browser in which somebody has signed in, at the page that comes then. */
  signIn(name?: string, password?: string, look?: Look): Promise<Visit>
  /** Adds a person who may sign in with this password. */
  person(name: string, more?: Partial<Parameters<Client['userCreate']>[0]['body']>): Promise<void>
}

export const personPassword = 'lantern-harbour-42'

export async function openPortal(name: string, simHosts = 2): Promise<Portal> {
  if (!existsSync(fileURLToPath(new URL('../../web/dist/index.html', import.meta.url))))
    throw new Error('The pages are not built: npm run build.')
  const product = await makeProduct(name, { simHosts })
  await product.start()
  const browser = await launchBrowser()
  const admin = await product.client()
  return {
    product,
    browser,
    admin,
    async signIn(user = 'admin', password = adminPassword, look = wide) {
      const visitor = await visit(browser, product.url, look)
      await open(visitor.page, '/')
      await fillSignIn(visitor.page, user, password)
      // The address is the next page's before the page is: its controls would be those of the one that goes.
      await visitor.page.locator('input[autocomplete="current-password"]').waitFor({ state: 'detached' })
      await visitor.page.locator('h1').first().waitFor()
      return visitor
    },
    async person(user, more = {}) {
      await admin.userCreate({ body: { name: user, password: personPassword, ...more } })
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      await product[Symbol.asyncDispose]()
    },
  }
}

export async function fillSignIn(page: Page, user: string, password: string): Promise<void> {
  await page.locator('input[autocomplete="username"]').fill(user)
  await page.locator('input[autocomplete="current-password"]').fill(password)
  await page.keyboard.press('Enter')
}

/**
 * Goes to a page, once more when Chromium cut the load because the machine's own network changed: bridges of libvirt
 * come and go beside the journeys.
 */
export async function open(page: Page, path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    let cut = false
    const listen = (message: { text(): string }) => {
      cut ||= message.text().includes('ERR_NETWORK_CHANGED')
    }
    page.on('console', listen)
    try {
      await page.goto(path)
      await page.waitForFunction(() => document.querySelector('#root')?.childElementCount)
      if (!cut) return
    } catch (thrown) {
      if (attempt === 3) throw thrown
    } finally {
      page.off('console', listen)
    }
    if (attempt === 3) return
  }
}

/** The picture of the desktop's screen, as bytes: two are equal when nothing on it changed. */
export async function screenOf(page: Page): Promise<string> {
  return (await page.locator('main canvas').screenshot()).toString('base64')
}

/** Waits until the desktop's screen is drawn and live. */
export async function waitForScreen(page: Page): Promise<void> {
  await page.locator('main[data-state="ready"] canvas').waitFor()
}
