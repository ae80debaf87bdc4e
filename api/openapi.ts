/** The OpenAPI 3.1 document, printed from the route values. */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { problemSchema } from './errors.ts'
import type { AnyRoute } from './route.ts'

const descriptions = {
  200: 'Done',
  201: 'Made',
  202: 'Begun: follow the task',
  204: 'Done, nothing to say',
  206: 'A part of it, as the range says',
  416: 'The range lies behind its end',
} as const

export type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>

export function openApiDocument(routes: readonly AnyRoute[]): OpenApiDocument {
  const app = new OpenAPIHono()
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'From `POST /api/v1/login`, or an API token from `POST /api/v1/tokens`.',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: 'hdcs_session',
    description: 'Set by `POST /api/v1/login`; writes also need the header `X-HDCS-CSRF: 1` and the same origin.',
  })
  for (const route of routes) app.openAPIRegistry.registerPath(pathOf(route))
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'HDCS',
      version: '1',
      description:
        'A desktop of their own for every person. Slow actions answer 202 with a task: `GET /api/v1/tasks/{id}?wait=30s` waits for its end. Errors are problem details (RFC 9457) with a `code`.',
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(tagOf))].map(name => ({ name })),
  })
}

type Registered = Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0]

function pathOf(route: AnyRoute): Registered {
  const params = route.params as z.ZodObject | undefined
  const query = route.query as z.ZodObject | undefined
  return {
    method: route.method,
    path: route.path,
    operationId: route.operationId,
    summary: route.summary,
    tags: [tagOf(route)],
    // What a caller needs to be allowed; `GET /api/v1/roles` says who has it.
    'x-permission': route.permission,
    security: route.permission === 'public' ? [] : [{ bearer: [] }, { session: [] }],
    request: {
      ...(params && { params: required(params) }),
      ...(query && { query }),
      ...(route.body && { body: { required: true, content: { 'application/json': { schema: route.body } } } }),
      ...(route.streams && { body: { required: true, content: { 'application/octet-stream': { schema: binary } } } }),
    },
    responses: { ...answersOf(route), default: problem },
  }
}

const binary = z.string().openapi({ format: 'binary' })
const problem = { description: 'Refused or failed', content: { 'application/problem+json': { schema: problemSchema } } }

function answersOf(route: AnyRoute): Registered['responses'] {
  const answers = Object.entries(route.answers).map(([status, schema]) => {
    const description = descriptions[Number(status) as keyof typeof descriptions]
    return [
      status,
      schema ? { description, content: { [route.produces ?? 'application/json']: { schema } } } : { description },
    ]
  })
  return Object.fromEntries(answers)
}

/** A number read from a path is never absent or null, though the coercing schema would take both. */
function required(params: z.ZodObject): z.ZodObject {
  const fields = Object.entries(params.shape).map(([name, field]) => {
    const plain = field instanceof z.ZodNumber ? z.int().min(1) : field
    return [name, plain]
  })
  return z.object(Object.fromEntries(fields))
}

function tagOf(route: AnyRoute): string {
  return route.path.split('/')[3] ?? ''
}
