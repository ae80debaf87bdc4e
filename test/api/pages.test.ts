import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withNonce } from '../../api/pages.ts'
import { startApi, type TestApi } from '../support/api.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-pages-'))
const dist = join(folder, 'dist')
let api: TestApi
beforeAll(async () => {
  mkdirSync(join(dist, 'assets'), { recursive: true })
  writeFileSync(
    join(dist, 'index.html'),
    '<!doctype html><html><head><meta name="csp-nonce" content=""><title>x</title></head><body></body></html>',
  )
  writeFileSync(join(dist, 'assets/main-a1b2.js'), 'console.log(1)')
  writeFileSync(join(dist, 'logo.svg'), '<svg/>')
  writeFileSync(join(dist, '.hidden'), 'hidden')
  writeFileSync(join(folder, 'outside.txt'), 'outside')
  api = await startApi({ pagesFolder: dist })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

describe('pages', () => {
  it('are one page for every address of theirs, with a nonce of its own each time', async () => {
    const nonces = new Set<string>()
    for (const path of ['/', '/desktops/1', '/index.html', '/admin/pools?x=1']) {
      const response = await api.request(path)
      const nonce = /<meta name="csp-nonce" content="([^"]{24})">/.exec(await response.text())?.[1] ?? ''
      expect(response.headers.get('content-security-policy')).toContain(`style-src 'self' 'nonce-${nonce}'`)
      expect(response.headers.get('cache-control')).toBe('no-store')
      nonces.add(nonce)
    }
    expect(nonces.size).toBe(4)
  })

  it('allow no script but ours, no frame around them and no other base', async () => {
    const policy = (await api.request('/')).headers.get('content-security-policy') ?? ''
    for (const rule of [
      "script-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "object-src 'none'",
      "connect-src 'self'",
    ])
      expect(policy.split('; ')).toContain(rule)
    expect(policy).not.toContain('unsafe')
  })

  it('have files that are kept for ever under names that change with them, and packed', async () => {
    const response = await api.request('/assets/main-a1b2.js', { headers: { 'accept-encoding': 'gzip, br' } })
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(gunzipSync(await response.bytes()).toString()).toBe('console.log(1)')
    expect(await (await api.request('/assets/main-a1b2.js')).text()).toBe('console.log(1)')
    expect((await api.request('/logo.svg')).headers.get('cache-control')).toBe('no-cache')
  })

  it('never answer for an old script with a page', async () => {
    expect((await api.request('/assets/main-gone.js')).status).toBe(404)
  })

  it.each([
    '/../outside.txt',
    '/..%2foutside.txt',
    '/assets/..%2f..%2foutside.txt',
    '/.hidden',
    '/%2e%2e/outside.txt',
    '/assets/%00',
  ])('hand out nothing that is not theirs: %s', async path => {
    const text = await (await api.request(path)).text()
    expect(text).not.toContain('outside')
    expect(text).not.toBe('hidden')
  })

  it('have their nonce also where the built page has no place for it', () => {
    expect(withNonce('<html><head lang="en"><title>', 'N')).toBe(
      '<html><head lang="en"><meta name="csp-nonce" content="N"><title>',
    )
  })

  it('may be missing: the API says so and works', async () => {
    await using bare = await startApi({ pagesFolder: join(folder, 'nowhere') })
    const response = await bare.request('/')
    expect([response.status, await response.text()]).toEqual([503, expect.stringContaining('npm run build')])
    expect((await bare.request('/healthz')).status).toBe(200)
  })
})

describe('every answer', () => {
  it.each(['/', '/api/v1/pools', '/healthz', '/api/docs', '/nowhere', '/metrics'])(
    'of %s tells the browser what not to do',
    async path => {
      const { headers } = await api.request(path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    },
  )
})

describe('the API page', () => {
  it('needs no other server', async () => {
    const page = await (await api.request('/api/docs')).text()
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(match => match[1] ?? '')
    expect(files).toHaveLength(3)
    for (const file of files) {
      expect(file).toMatch(/^\/api\/docs-files\//)
      expect((await api.request(file)).status).toBe(200)
    }
  })
})

describe('health', () => {
  it('is alive whatever happens, and ready when the database answers and somebody leads', async () => {
    const ready = async () => {
      const response = await api.request('/readyz')
      return [response.status, ((await response.json()) as { reason?: string }).reason]
    }
    expect(await ready()).toEqual([200, undefined])
    api.health.leader = false
    expect(await ready()).toEqual([503, 'No process leads the reconcilers yet.'])
    const answers = api.health.databaseAnswers
    api.health.databaseAnswers = () => Promise.reject(new Error('away'))
    expect(await ready()).toEqual([503, 'The database does not answer.'])
    expect((await api.request('/healthz')).status).toBe(200)
    api.health.databaseAnswers = answers
    api.health.leader = true
  })

  it('is told to Prometheus: requests, their durations, desktops by phase', async () => {
    await api.request('/api/v1/me')
    const text = await (await api.request('/metrics')).text()
    expect(text).toContain('hdcs_http_requests_total{operation="meGet",status="401"} 1')
    expect(text).toContain('hdcs_http_request_duration_seconds_count{operation="meGet"} 1')
    expect(text).toContain('hdcs_desktops{phase="ready"} 2')
  })
})
