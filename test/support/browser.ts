/** Real Chromium for journeys, with an ear for everything a good page never does. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

const require = createRequire(import.meta.url)
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.HDCS_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })

export interface Look {
  width: number
  height: number
  scheme: 'light' | 'dark'
  language: 'en' | 'zh' | 'pseudo'
}

export const wide: Look = { width: 1280, height: 800, scheme: 'light', language: 'en' }

export interface Visit {
  context: BrowserContext
  page: Page
  /** What went wrong so far, in words. Empty is well. */
  faults: string[]
}

/**
 * No console errors of ours: Chromium notes every refusal that a journey provokes on purpose, and every request it cut
 * because the machine's own network changed (a bridge of libvirt came up).
 */
const expected =
  /Failed to load resource: (the server responded with a status of (401|403|404|409|429)|net::ERR_NETWORK_CHANGED)/

/** A fresh person at a browser: no cookie, nothing kept. */
export async function visit(browser: Browser, baseUrl: string, look: Look = wide): Promise<Visit> {
  const context = await browser.newContext({
    baseURL: baseUrl,
    viewport: { width: look.width, height: look.height },
    colorScheme: look.scheme,
    locale: look.language === 'zh' ? 'zh-CN' : 'en-GB',
    reducedMotion: 'reduce',
    hasTouch: look.width < 500,
  })
  await context.addInitScript(language => {
    // Chromium's own error pages run this as well and have no storage.
    if (location.protocol.startsWith('http')) localStorage.setItem('hdcs.language', language)
  }, look.language)
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', message => {
    if (message.type() !== 'error' || expected.test(message.text())) return
    faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', error => faults.push(`uncaught: ${error.message}`))
  const { host } = new URL(baseUrl)
  page.on('request', request => {
    const url = new URL(request.url())
    if (/^(https?|wss?):$/.test(url.protocol) && url.host !== host) faults.push(`foreign request: ${request.url()}`)
  })
  return { context, page, faults }
}

interface AxeViolation {
  id: string
  impact: string
  nodes: { target: string[]; failureSummary: string }[]
}

/** WCAG 2.2 AA by axe. @returns what it found, in words */
export async function axeFaults(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(on: Document, how: object): Promise<{ violations: AxeViolation[] }> }
    }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    return (await axe.run(document, { runOnly: tags })).violations
  })
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(node => `axe ${id}: ${node.target.join(' ')} ${node.failureSummary.split('\n').slice(1).join(' ')}`),
  )
}

/** Text that is cut off, and pages that scroll sideways. @returns what was found, in words */
export async function layoutFaults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const faults: string[] = []
    const root = document.documentElement
    if (root.scrollWidth > root.clientWidth + 1) {
      const wideOnes = [...document.querySelectorAll('body *')].filter(
        element => element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest('[data-scroll-x]'),
      )
      const names = wideOnes.slice(0, 3).map(element => `${element.tagName}.${element.className}`)
      faults.push(`the page scrolls sideways (${root.scrollWidth} in ${root.clientWidth}): ${names.join(', ')}`)
    }
    for (const element of document.querySelectorAll<HTMLElement>(
      'button, a, h1, h2, h3, label, th, td, p, dt, dd, .mantine-Button-label',
    )) {
      const style = getComputedStyle(element)
      if (style.overflowX === 'visible' || style.textOverflow === 'ellipsis' || style.visibility === 'hidden') continue
      const cut = element.scrollWidth - element.clientWidth
      if (cut > 2 && element.clientWidth > 0)
        faults.push(`text is cut off by ${cut} px: ${element.tagName} "${element.textContent?.slice(0, 40)}"`)
    }
    return faults
  })
}

/** Everything is read, every font is there, and nothing is on its way to another colour. */
export const settle = (page: Page) =>
  page.waitForFunction(() => {
    const moving = document.getAnimations().some(one => one instanceof CSSTransition && one.playState === 'running')
    return !moving && !document.querySelector('[aria-busy="true"]') && document.fonts.status === 'loaded'
  })
