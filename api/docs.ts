/** A page to read and try the API, without any other server: swagger-ui-dist from node_modules. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Hono } from 'hono'
import { contentPolicy } from './headers.ts'

/** The package's own index.html names a demo server: only these two files are handed out. */
const files = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
} as const

const page = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>HDCS API</title><link rel="stylesheet" href="/api/docs-files/swagger-ui.css"></head>
<body><div id="api"></div>
<script src="/api/docs-files/swagger-ui-bundle.js"></script><script src="/api/docs-files/start.js"></script></body>
</html>
`

const start = `SwaggerUIBundle({
  url: '/api/v1/openapi.json',
  dom_id: '#api',
  validatorUrl: null,
  requestInterceptor: request => { request.headers['X-HDCS-CSRF'] = '1'; return request },
})
`

export function mountDocs(app: Hono): void {
  app.get('/api/docs', context => context.html(page, 200, { 'content-security-policy': contentPolicy(null, []) }))
  app.get('/api/docs-files/start.js', context =>
    context.body(start, 200, { 'content-type': 'text/javascript; charset=utf-8' }),
  )
  for (const [name, type] of Object.entries(files)) {
    app.get(`/api/docs-files/${name}`, async context => {
      const path = fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`))
      return context.body(await readFile(path), 200, { 'content-type': type, 'cache-control': 'public, max-age=3600' })
    })
  }
}
