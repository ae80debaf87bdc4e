/** Serves the built web client: its files as they are, its one page with a fresh nonce for every other path. */
import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Context } from 'hono'
import { contentPolicy } from './headers.ts'

const gzipAsync = promisify(gzip)

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
  '.map': 'application/json',
}
const packed = new Set(['.js', '.css', '.json', '.svg', '.wasm', '.txt', '.webmanifest'])
/** Built by Vite with a hash of the content in the name: never another content under one name. */
const hashed = /^\/assets\//
/** Names of parts without a dot before them: neither `..` nor hidden files can be asked for. */
const fileForm = /^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/

interface Kept {
  changedMs: number
  plain: Buffer<ArrayBuffer>
  gzipped: Buffer<ArrayBuffer> | undefined
}

export interface Pages {
  serve(context: Context): Promise<Response>
}

/** @param connect origins the pages may talk to besides ours. */
export function makePages(folder: string, connect: string[]): Pages {
  const kept = new Map<string, Kept>()

  async function file(path: string): Promise<Kept | undefined> {
    if (!fileForm.test(path)) return undefined
    const full = join(folder, path)
    // Not there is an answer: the path is one of the page's own.
    const found = await stat(full).catch(() => undefined)
    if (!found?.isFile()) return undefined
    const known = kept.get(path)
    if (known?.changedMs === found.mtimeMs) return known
    const plain = await readFile(full)
    const entry = {
      changedMs: found.mtimeMs,
      plain,
      gzipped: packed.has(extname(path)) ? await gzipAsync(plain) : undefined,
    }
    kept.set(path, entry)
    return entry
  }

  async function page(): Promise<Response> {
    const index = await file('/index.html')
    if (!index) return notBuilt()
    const nonce = randomBytes(16).toString('base64')
    return new Response(withNonce(index.plain.toString('utf8'), nonce), {
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': contentPolicy(nonce, connect),
        'cache-control': 'no-store',
      },
    })
  }

  return {
    async serve(context) {
      const path = context.req.path
      const found = path === '/index.html' ? undefined : await file(path)
      // A file that is gone (an old page after an update) must not come back as the page: its script would be HTML.
      if (!found) return hashed.test(path) ? new Response(null, { status: 404 }) : page()
      const gzipped = found.gzipped && /\bgzip\b/.test(context.req.header('accept-encoding') ?? '')
      const headers = new Headers({
        'content-type': types[extname(path)] ?? 'application/octet-stream',
        'cache-control': hashed.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
        vary: 'accept-encoding',
        // A worker lives under the policy of its own script, not of the page that started it.
        ...(extname(path) === '.js' && { 'content-security-policy': contentPolicy(null, connect) }),
      })
      if (gzipped) headers.set('content-encoding', 'gzip')
      return new Response(gzipped ? found.gzipped : found.plain, { headers })
    },
  }
}

/** The nonce where the page's script finds it, to hand it to what adds style elements. */
export function withNonce(html: string, nonce: string): string {
  const meta = `<meta name="csp-nonce" content="${nonce}">`
  const placed = html.replace(/<meta\s+name="csp-nonce"[^>]*>/, meta)
  return placed === html ? html.replace(/<head[^>]*>/, head => `${head}${meta}`) : placed
}

function notBuilt(): Response {
  const text = 'The pages are not built yet: npm run build. The API is here: /api/docs\n'
  return new Response(text, { status: 503, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
