import { z } from '@hono/zod-openapi'
import { partStates, taskPartList } from '../broker/task-parts.ts'
import { taskCancel, taskGet, taskKindList, taskList, taskStory } from '../broker/tasks.ts'
import { flag, idCursor, idParams, listOf, pageQuery, route, timestamp, troubleSchema } from './route.ts'

export const taskSchema = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
    progress: z.number().int().min(0).max(100),
    steps: z.array(
      z.object({ name: z.string(), state: z.enum(['done', 'current', 'waiting']), text: z.string().optional() }),
    ),
    error: troubleSchema.nullable(),
    subject: z.object({ type: z.string(), id: z.string(), name: z.string() }),
    startAt: timestamp.nullable(),
    createdAt: timestamp,
    finishedAt: timestamp.nullable(),
    /** How long such tasks usually take, from past runs. */
    estimateMs: z.number().int().nullable(),
    requestedBy: z.string().nullable(),
    requestedById: z.uuid().nullable(),
    /** What it wants to reach, as far as plain values say it; for administrators. */
    goal: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    cancellable: z.boolean(),
    /** What cancelling it takes back, and whether anything is lost by that; null: it cannot be cancelled. */
    takesBack: z.object({ text: z.string(), loss: z.boolean() }).nullable(),
  })
  .openapi('Task')

/** What has begun, and how long it took; scripts by their name, all tries of one together. */
export const logStepsSchema = z.array(
  z.object({
    name: z.string(),
    state: z.enum(['running', 'done', 'failed']),
    ms: z.number().int(),
    exitCode: z.number().int().nullable(),
    attempts: z.number().int(),
  }),
)

export const taskPartSchema = z
  .object({
    /** A desktop; or the person who was refused one. */
    subject: z.object({ type: z.enum(['desktop', 'user']), id: z.uuid(), name: z.string() }),
    /** waiting: not asked for yet; refused: not done, and `error` says why; else as its own task. */
    state: z.enum(partStates),
    progress: z.number().int(),
    /** Its own; null: it has none. */
    taskId: z.uuid().nullable(),
    error: troubleSchema.nullable(),
  })
  .openapi('TaskPart')

const logSummarySchema = z
  .object({
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
    ms: z.number().int(),
    steps: logStepsSchema,
  })
  .openapi('LogSummary')

/** The answer to what only needs time. */
export const accepted = <B extends { task: { id: string } }>(body: B) => ({
  status: 202 as const,
  body,
  headers: { location: `/api/v1/tasks/${body.task.id}` },
})

export const taskRoutes = [
  route({
    method: 'get',
    path: '/api/v1/tasks',
    operationId: 'taskList',
    summary: 'Tasks, newest first: your own, or everybody’s for administrators',
    permission: 'self',
    query: pageQuery.extend({
      cursor: idCursor.optional(),
      state: z
        .enum(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'open', 'ended'])
        .optional()
        .openapi({ description: 'open: queued or running; ended: succeeded, failed or cancelled' }),
      kind: z.string().max(60).optional(),
      search: z
        .string()
        .max(100)
        .optional()
        .openapi({ description: 'a part of the name of its subject, or of who asked' }),
      requestedBy: z
        .union([z.uuid(), z.literal('nobody')])
        .optional()
        .openapi({ description: 'a person’s id; nobody: what HDCS began by itself' }),
      subjectId: z.uuid().optional(),
      mine: flag().optional(),
    }),
    answers: { 200: listOf(taskSchema) },
    handle: async ({ broker, principal, query }) => ({ status: 200, body: await taskList(broker, principal, query) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/task-kinds',
    operationId: 'taskKindList',
    summary: 'The kinds of the tasks one sees, for `?kind=`',
    permission: 'self',
    answers: { 200: z.object({ items: z.array(z.string()) }) },
    handle: async ({ broker, principal }) => ({ status: 200, body: await taskKindList(broker, principal) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/tasks/{id}',
    operationId: 'taskGet',
    summary: 'One task; with `?wait=30s` the answer comes when it reached a final state or the time is over',
    permission: 'self',
    params: idParams,
    query: z.object({
      wait: z
        .string()
        .regex(/^\d{1,3}s$/, 'seconds, as in 30s')
        .transform(text => Math.min(Number.parseInt(text, 10), 300) * 1000)
        .optional(),
    }),
    answers: { 200: taskSchema },
    handle: async ({ broker, principal, params, query, signal }) => ({
      status: 200,
      body: await taskGet(broker, principal, params.id, query.wait ?? 0, signal),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/tasks/{id}/log',
    operationId: 'taskLog',
    summary: 'What happened in a task, line by line',
    permission: 'self',
    params: idParams,
    answers: {
      200: z.object({
        summary: logSummarySchema,
        items: z.array(z.object({ at: timestamp, text: z.string() })),
      }),
    },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await taskStory(broker, principal, params.id),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/tasks/{id}/parts',
    operationId: 'taskPartList',
    summary: 'What a task about many is made of, each with what came of it: what needs somebody first',
    permission: 'self',
    params: idParams,
    answers: { 200: listOf(taskPartSchema) },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await taskPartList(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/tasks/{id}/cancel',
    operationId: 'taskCancel',
    summary: 'Stop a task that has not ended; what it began is undone',
    permission: 'self',
    params: idParams,
    answers: { 200: taskSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await taskCancel(broker, principal, params.id),
    }),
  }),
]
