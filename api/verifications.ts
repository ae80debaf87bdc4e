import { z } from '@hono/zod-openapi'
import {
  verificationDesktopList,
  verificationGet,
  verificationList,
  verificationMake,
} from '../broker/verifications.ts'
import { idCursor, idParams, listOf, pageQuery, route, timestamp } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

const count = z.number().int()

export const verificationSchema = z
  .object({
    id: z.uuid(),
    poolId: z.uuid(),
    state: z.enum(['running', 'done', 'cancelled']),
    batch: count,
    taskId: z.uuid(),
    requestedBy: z.string(),
    counts: z.object({ ok: count, failed: count, skipped: count, waiting: count, looking: count }),
    createdAt: timestamp,
    endedAt: timestamp.nullable(),
  })
  .openapi('Verification')

const stateSchema = z.enum(['waiting', 'starting', 'asking', 'ok', 'failed', 'skipped'])

export const verifiedSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  state: stateSchema,
  /** What is wrong, or why it was left out. */
  text: z.string(),
  since: timestamp,
})

export const verificationRoutes = [
  route({
    method: 'post',
    path: '/api/v1/pools/{id}/actions/verify',
    operationId: 'verificationMake',
    summary:
      'See that every desktop of a pool is up and has its address; those that stand still and are nobody’s are started for it, a batch at a time, and stopped again',
    permission: 'pool.write',
    params: idParams,
    body: z.object({
      /** So many at the same time; a host boots no more at once than it has cores for. */
      batch: z.number().int().min(1).max(200).default(10),
      /** All of the pool unless given. */
      desktopIds: z.array(z.uuid()).max(10_000).optional(),
    }),
    answers: { 202: z.object({ task: taskSchema, verification: verificationSchema }) },
    handle: async ({ broker, principal, params, body }) => {
      const { task, verification } = await verificationMake(broker, principal, params.id, body)
      return accepted({ task, verification })
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/pools/{id}/verifications',
    operationId: 'verificationList',
    summary: 'Looks at the desktops of a pool, newest first',
    permission: 'pool.read',
    params: idParams,
    query: pageQuery.extend({ cursor: idCursor.optional() }),
    answers: { 200: listOf(verificationSchema) },
    handle: async ({ broker, params, query }) => ({
      status: 200,
      body: await verificationList(broker, params.id, query),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/verifications/{id}',
    operationId: 'verificationGet',
    summary: 'One look at the desktops of a pool: how many work',
    permission: 'pool.read',
    params: idParams,
    answers: { 200: verificationSchema },
    handle: async ({ broker, params }) => ({ status: 200, body: await verificationGet(broker, params.id) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/verifications/{id}/desktops',
    operationId: 'verificationDesktopList',
    summary: 'What came of each desktop',
    permission: 'desktop.read',
    params: idParams,
    query: pageQuery.extend({ state: stateSchema.optional() }),
    answers: { 200: listOf(verifiedSchema) },
    handle: async ({ broker, params, query }) => ({
      status: 200,
      body: await verificationDesktopList(broker, params.id, query),
    }),
  }),
]
