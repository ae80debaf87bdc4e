/** The only HTTP door: mounts the routes, the pages and what machines ask. */
import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { type Auth, makeAuth } from '../auth/auth.ts'
import type { Broker } from '../broker/broker.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { mountDocs } from './docs.ts'
import { problemResponse } from './errors.ts'
import { dataPolicy, securityHeaders } from './headers.ts'
import { type Health, mountHealth } from './health.ts'
import { mountJoin } from './join.ts'
import { makeMetrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { makePages } from './pages.ts'
import type { AnyRoute } from './route.ts'
import { makeAnonymousDenials, serveRoute } from './serve-route.ts'

export interface AppSettings {
  broker: Broker
  routes: readonly AnyRoute[]
  health: Health
  /** Where `npm run build` put the pages; null: an API without pages. */
  pagesFolder: string | null
  /** How browsers reach us, e.g. `https://desk.example`; null: as each request says. */
  publicUrl?: string | null
  /** A proxy of ours stands before us and sets `X-Forwarded-*`. */
  trustProxy?: boolean
  /** Compares each answer with its schema: for tests. */
  checkAnswers?: boolean
  /** Shared with whoever else asks for principals in this process. */
  auth?: Auth
}

declare module 'hono' {
  interface ContextVariableMap {
    requestId: string
  }
}

/**
 * The whole HTTP side as one function from request to response; WebSockets are the server's own. Further routes (those
 * of machines) may be added to what it returns, before the first request.
 */
export function makeApp(settings: AppSettings): Hono {
  const { broker, health } = settings
  const auth = settings.auth ?? makeAuth(broker.db, broker.clock, broker.log)
  const front = { publicUrl: settings.publicUrl ?? null, trustProxy: settings.trustProxy ?? false }
  const metrics = makeMetrics(() => health.desktopsByPhase())
  const anonymous = makeAnonymousDenials(() => broker.clock.now())
  const serving = { auth, broker, front, metrics, anonymous, checkAnswers: settings.checkAnswers ?? false }
  const connect = broker.gatewayUrl ? socketOrigins(broker.gatewayUrl) : []
  const pages = settings.pagesFolder ? makePages(settings.pagesFolder, connect) : undefined
  const app = new Hono()

  app.use(async (context, next) => {
    // Ours, not the client's: two requests never share a line in the trail.
    context.set('requestId', randomUUID())
    await next()
    const headers = context.res.headers
    for (const [name, value] of Object.entries(securityHeaders)) headers.set(name, value)
    if (!headers.has('content-security-policy')) headers.set('content-security-policy', dataPolicy)
    if (front.publicUrl?.startsWith('https:')) headers.set('strict-transport-security', 'max-age=31536000')
    headers.set('x-request-id', context.get('requestId'))
  })

  mountHealth(app, health, metrics)
  const document = JSON.stringify(openApiDocument(settings.routes))
  app.get('/api/v1/openapi.json', context => context.body(document, 200, { 'content-type': 'application/json' }))
  mountDocs(app)
  mountJoin(app, front)
  const routes = byPrecision(settings.routes)
  for (const route of routes) {
    app.on(route.method.toUpperCase(), patternOf(route), context => serveRoute(serving, route, context))
  }

  for (const [path, methods] of methodsByPath(routes))
    app.all(path, context => {
      const text = `This address takes ${methods}, not ${context.req.method}: see /api/docs.`
      const response = problemResponse(new HdcsError('wrong_method', text), context.get('requestId'))
      response.headers.set('allow', methods)
      return response
    })

  app.notFound(async context => {
    const { method, path } = context.req
    if (path.startsWith('/api/') || !pages || (method !== 'GET' && method !== 'HEAD'))
      return problemResponse(
        new HdcsError('not_found', 'There is nothing at this address: see /api/docs.'),
        context.get('requestId'),
      )
    return pages.serve(context)
  })
  app.onError((thrown, context) => {
    const error = asHdcsError(thrown)
    broker.log.error({ err: error.cause ?? error, requestId: context.get('requestId') }, error.message)
    return problemResponse(error, context.get('requestId'))
  })
  return app
}

/** `/hosts/join-tokens` before `/hosts/{id}`: the first that fits answers. */
function byPrecision(routes: readonly AnyRoute[]): AnyRoute[] {
  const holes = (route: AnyRoute) => route.path.split('{').length
  return [...routes].sort((one, other) => holes(one) - holes(other))
}

const patternOf = ({ path }: AnyRoute) => path.replace(/\{(\w+)\}/g, ':$1')

/** Each address with the methods that it takes, as the header `Allow` names them. */
function methodsByPath(routes: readonly AnyRoute[]): Map<string, string> {
  const methods = Map.groupBy(routes, patternOf)
  return new Map(
    [...methods].map(([path, those]) => [path, those.map(({ method }) => method.toUpperCase()).join(', ')]),
  )
}

/** A gateway is spoken to over HTTP and over WebSockets; `'self'` covers both only for our own origin. */
function socketOrigins(gatewayUrl: string): string[] {
  const { host, protocol } = new URL(gatewayUrl)
  const safe = protocol === 'https:' || protocol === 'wss:'
  return [`${safe ? 'https' : 'http'}://${host}`, `${safe ? 'wss' : 'ws'}://${host}`]
}
