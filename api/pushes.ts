import { z } from '@hono/zod-openapi'
import {
  pushCancel,
  pushDesktopList,
  pushGet,
  pushList,
  pushMake,
  pushPlan,
  pushRollback,
  pushUpdate,
} from '../broker/pushes.ts'
import { actionSchema, idCursor, idParams, listOf, pageQuery, route, timestamp } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'
import { textLines } from './texts.ts'

/** Minutes between the word and the taking: a week at most. */
const noticeMinutes = z.number().int().min(0).max(10_080)
const time = z.iso.datetime({ offset: true }).transform(text => new Date(text))
const count = z.number().int()
const notes = textLines(500)

/** Where a desktop is on the way: `inUse` is remade when given back, `lost` when its host is back, `kept` not at all. */
const placeSchema = z.enum(['done', 'remaking', 'waiting', 'inUse', 'failed', 'lost', 'kept'])

export const pushSchema = z
  .object({
    id: z.uuid(),
    poolId: z.uuid(),
    poolName: z.string(),
    version: z.number().int(),
    /** What the pool was made of before; null until it has begun. */
    fromVersion: z.number().int().nullable(),
    at: timestamp,
    /** Null: people give back when they like. */
    force: z.object({ noticeMinutes }).nullable(),
    notes: z.string(),
    state: z.enum(['scheduled', 'running', 'done', 'cancelled']),
    /** What it waits for, or why it ended. */
    text: z.string(),
    startedAt: timestamp.nullable(),
    /** When desktops that people have are given back by force. */
    forceAt: timestamp.nullable(),
    endedAt: timestamp.nullable(),
    requestedBy: z.string(),
    taskId: z.uuid(),
    /** How many desktops are where; `total` without those that are kept. Null until it has begun. */
    counts: z
      .object({
        done: count,
        remaking: count,
        waiting: count,
        inUse: count,
        failed: count,
        lost: count,
        kept: count,
        total: count,
      })
      .nullable(),
    actions: z.array(actionSchema),
    createdAt: timestamp,
  })
  .openapi('Push')

export const pushPlanSchema = z
  .object({
    version: z.number().int(),
    fromVersion: z.number().int().nullable(),
    /** The pool follows the newest version; from now on it stays on the one that is pushed. */
    follows: z.boolean(),
    /** What must hold before it begins; what does not is made or waited for. */
    checks: z.array(
      z.object({ name: z.enum(['sealed', 'images', 'disk', 'hosts']), ok: z.boolean(), text: z.string() }),
    ),
    remadeAtOnce: z.number().int(),
    remadeWhenGivenBack: z.number().int(),
    givenBackByForce: z.number().int(),
    /** Of persistent pools: people keep theirs as they are. */
    kept: z.number().int(),
    already: z.number().int(),
    /** Who has an older one; the first 200. */
    people: z.array(
      z.object({
        desktopId: z.uuid(),
        desktopName: z.string(),
        userName: z.string().nullable(),
        connected: z.boolean(),
      }),
    ),
    actions: z.array(actionSchema),
  })
  .openapi('PushPlan')

const made = z.object({ task: taskSchema, push: pushSchema })

export const pushRoutes = [
  route({
    method: 'post',
    path: '/api/v1/pools/{id}/pushes',
    operationId: 'pushMake',
    summary:
      'Bring a pool to another template version, now or at a set time; `dryRun` only says what would happen to whom',
    permission: 'pool.write',
    params: idParams,
    body: z.object({
      version: z.number().int().positive(),
      /** Now unless given. */
      at: time.optional(),
      /** People who have an older one are told, and so long later it is given back. */
      force: z.object({ noticeMinutes }).optional(),
      notes: notes.default(''),
      dryRun: z.boolean().default(false),
    }),
    answers: { 200: pushPlanSchema, 202: made },
    handle: async ({ broker, principal, params, body }) => {
      const { version, at, notes } = body
      const ask = { version, at, notes, noticeMinutes: body.force?.noticeMinutes }
      if (body.dryRun) return { status: 200, body: await pushPlan(broker, principal, params.id, ask) }
      const { task, push } = await pushMake(broker, principal, params.id, ask)
      return accepted({ task, push })
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/pools/{id}/pushes',
    operationId: 'pushList',
    summary: 'Pushes of a pool, newest first',
    permission: 'pool.read',
    params: idParams,
    query: pageQuery.extend({ cursor: idCursor.optional() }),
    answers: { 200: listOf(pushSchema) },
    handle: async ({ broker, principal, params, query }) => ({
      status: 200,
      body: await pushList(broker, principal, params.id, query),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/pushes/{id}',
    operationId: 'pushGet',
    summary: 'One push: how many desktops are on it, and how many are not yet',
    permission: 'pool.read',
    params: idParams,
    answers: { 200: pushSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await pushGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/pushes/{id}/desktops',
    operationId: 'pushDesktopList',
    summary: 'Where each desktop of the pool is on the way of a push, and who still has an older one',
    permission: 'desktop.read',
    params: idParams,
    query: pageQuery.extend({ place: placeSchema.optional() }),
    answers: {
      200: listOf(
        z.object({
          id: z.uuid(),
          name: z.string(),
          version: z.number().int(),
          place: placeSchema,
          userId: z.uuid().nullable(),
          userName: z.string().nullable(),
          connected: z.boolean(),
          /** When it is given back by force. */
          backAt: timestamp.nullable(),
          trouble: z.string().nullable(),
        }),
      ),
    },
    handle: async ({ broker, params, query }) => ({
      status: 200,
      body: await pushDesktopList(broker, params.id, query),
    }),
  }),
  route({
    method: 'patch',
    path: '/api/v1/pushes/{id}',
    operationId: 'pushUpdate',
    summary: 'Another time, as long as it has not begun; another notice, or none, as long as it has not ended',
    permission: 'pool.write',
    params: idParams,
    body: z.object({
      at: time.optional(),
      /** Counts from now when it has begun; null: nobody is made to give back. */
      force: z.object({ noticeMinutes }).nullable().optional(),
      notes: notes.optional(),
    }),
    answers: { 200: pushSchema },
    handle: async ({ broker, principal, params, body }) => {
      const { at, notes, force } = body
      const ask = { at, notes, noticeMinutes: force === null ? null : force?.noticeMinutes }
      return { status: 200, body: await pushUpdate(broker, principal, params.id, ask) }
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/pushes/{id}/actions/cancel',
    operationId: 'pushCancel',
    summary: 'Call a push off; what was remade stays so until it is given back, and nothing more is remade',
    permission: 'pool.write',
    params: idParams,
    answers: { 200: pushSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await pushCancel(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/pushes/{id}/actions/rollback',
    operationId: 'pushRollback',
    summary: 'Back to the version before, at once: a push of it',
    permission: 'pool.write',
    params: idParams,
    body: z.object({ force: z.object({ noticeMinutes }).optional() }),
    answers: { 202: made },
    handle: async ({ broker, principal, params, body }) => {
      const ask = { noticeMinutes: body.force?.noticeMinutes }
      const { task, push } = await pushRollback(broker, principal, params.id, ask)
      return accepted({ task, push })
    },
  }),
]
