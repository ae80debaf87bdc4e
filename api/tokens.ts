import { z } from '@hono/zod-openapi'
import { apiTokenDelete, apiTokenList, apiTokenMake } from '../auth/tokens.ts'
import { idParams, route, timestamp } from './route.ts'
import { textLine } from './texts.ts'

const tokenSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    createdAt: timestamp,
    expiresAt: timestamp,
    /** Exact to five minutes. */
    lastUsedAt: timestamp.nullable(),
  })
  .openapi('Token')

export const tokenRoutes = [
  route({
    method: 'get',
    path: '/api/v1/tokens',
    operationId: 'tokenList',
    summary: 'Your API tokens',
    permission: 'self',
    answers: { 200: z.object({ items: z.array(tokenSchema) }) },
    handle: async ({ auth, principal }) => ({
      status: 200,
      body: { items: await apiTokenList(auth.db, principal.userId, auth.clock.now()) },
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/tokens',
    operationId: 'tokenCreate',
    summary: 'An API token for a program of yours: it may what you may; shown once',
    permission: 'self',
    body: z.object({ name: textLine(100).min(1), days: z.number().int().min(1).max(730).default(90) }),
    answers: { 201: z.object({ id: z.uuid(), name: z.string(), token: z.string(), expiresAt: timestamp }) },
    secret: true,
    handle: async ({ auth, principal, body }) => {
      const { id, token, expiresAt } = await apiTokenMake(auth.db, principal.userId, body, auth.clock.now())
      return { status: 201, body: { id, name: body.name, token, expiresAt: expiresAt.toISOString() } }
    },
  }),
  route({
    method: 'delete',
    path: '/api/v1/tokens/{id}',
    operationId: 'tokenDelete',
    summary: 'End one of your API tokens',
    permission: 'self',
    params: idParams,
    answers: { 204: null },
    handle: async ({ auth, principal, params }) => {
      await apiTokenDelete(auth.db, principal.userId, params.id)
      auth.principals.forget({ tokenId: params.id })
      return { status: 204, body: undefined }
    },
  }),
]
