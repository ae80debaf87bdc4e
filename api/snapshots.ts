import { z } from '@hono/zod-openapi'
import { snapshotList, snapshotRemove, snapshotRevert, snapshotTake } from '../broker/snapshots.ts'
import { actionSchema, idParams, nameSchema, route, timestamp } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'
import { textLines } from './texts.ts'

export const snapshotSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    note: z.string(),
    state: z.enum(['taking', 'ready', 'removing']),
    takenAt: timestamp.nullable(),
    takenBy: z.string().nullable(),
    /** Virtual size of the disk then. */
    diskBytes: z.number().int().nullable(),
    /** Whether its file systems stood still for it; null: it did not run. */
    frozen: z.boolean().nullable(),
    actions: z.array(actionSchema),
  })
  .openapi('Snapshot')

const snapshots = z.object({
  /** Newest first. */
  items: z.array(snapshotSchema),
  /** More are refused. */
  most: z.number().int(),
  actions: z.array(actionSchema),
})
const namedParams = idParams.extend({ name: nameSchema })
const answered = snapshots.extend({ task: taskSchema })

export const snapshotRoutes = [
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/snapshots',
    operationId: 'snapshotList',
    summary: 'The snapshots of a persistent desktop’s disk',
    permission: 'desktop.read',
    params: idParams,
    answers: { 200: snapshots },
    handle: async ({ broker, params }) => ({ status: 200, body: await snapshotList(broker, params.id) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/snapshots',
    operationId: 'snapshotTake',
    summary: 'Keep a desktop’s disk as it is now; one that runs is frozen for it if its guest can',
    permission: 'desktop.write',
    params: idParams,
    body: z.object({ name: nameSchema, note: textLines(500).trim().default('') }),
    answers: { 202: answered },
    handle: async ({ broker, principal, params, body }) =>
      accepted(await snapshotTake(broker, principal, params.id, body)),
  }),
  route({
    method: 'delete',
    path: '/api/v1/desktops/{id}/snapshots/{name}',
    operationId: 'snapshotRemove',
    summary: 'Forget a snapshot; the disk stays as it is',
    permission: 'desktop.write',
    params: namedParams,
    answers: { 202: answered },
    handle: async ({ broker, principal, params }) =>
      accepted(await snapshotRemove(broker, principal, params.id, params.name)),
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/snapshots/{name}/revert',
    operationId: 'snapshotRevert',
    summary: 'A stopped desktop’s disk becomes as it was then; what came after is lost',
    permission: 'desktop.write',
    params: namedParams,
    answers: { 202: answered },
    handle: async ({ broker, principal, params }) =>
      accepted(await snapshotRevert(broker, principal, params.id, params.name)),
  }),
]
