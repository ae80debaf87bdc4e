/** The test page, bundled as the real pages are and served beside the gateway under the strict rules they have. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import type { Rig } from './rig.ts'

const contentTypes: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }
const policy =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"

export interface TestPages extends AsyncDisposable {
  /** Opens the page against this rig; `connect` answers its tickets. */
  open(
    rig: Rig,
    connect: () => Promise<string>,
    viewport?: { width: number; height: number },
    /** Runs in the page before anything of its own. */
    first?: () => void,
    /** The way to a desktop that closed its screen because it moved; without it, it did not move. */
    follow?: () => Promise<string>,
  ): Promise<Page & { troubles: string[] }>
}

export async function startTestPages(): Promise<TestPages> {
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-page-'))
  const root = fileURLToPath(new URL('./page', import.meta.url))
  await build({
    ...{ root, base: './', logLevel: 'error', configFile: false },
    build: { outDir: folder, emptyOutDir: true, target: 'esnext' },
    worker: { format: 'es' },
  })
  const browser: Browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
  })
  return {
    async open(rig, connect, viewport = { width: 1000, height: 600 }, first, follow) {
      rig.server.removeAllListeners('request')
      rig.server.on('request', async (request, response) => {
        const back = request.url === '/connect?back'
        if (back && !follow) return void response.writeHead(409).end()
        if (back || request.url === '/connect')
          return void (back && follow ? follow() : connect()).then(
            url => response.end(url),
            () => response.writeHead(503).end(),
          )
        const file = join(folder, request.url === '/' ? 'index.html' : (request.url ?? ''))
        if (!existsSync(file)) return void response.writeHead(204).end()
        const type = contentTypes[extname(file)] ?? 'application/octet-stream'
        response.writeHead(200, { 'content-type': type, 'content-security-policy': policy }).end(readFileSync(file))
      })
      const page = await browser.newPage({ viewport })
      if (first) await page.addInitScript(first)
      const troubles: string[] = []
      page.on('pageerror', error => troubles.push(String(error)))
      page.on('console', message => message.type() === 'error' && troubles.push(message.text()))
      await page.goto(`http://${rig.address}/`)
      return Object.assign(page, { troubles })
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
