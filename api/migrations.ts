import { z } from '@hono/zod-openapi'
import { desktopMove, desktopMovePlan, migrationList } from '../broker/migrations.ts'
import { desktopSchema } from './desktops.ts'
import { migrationKindSchema, migrationStateSchema } from './migration-schema.ts'
import { flag, idCursor, idParams, listOf, pageQuery, route, timestamp, troubleSchema } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

const migrationSchema = z
  .object({
    id: z.uuid(),
    desktopId: z.uuid(),
    desktopName: z.string(),
    /** Null: that host was removed since. */
    fromHostId: z.uuid().nullable(),
    fromHostName: z.string(),
    toHostId: z.uuid().nullable(),
    toHostName: z.string(),
    /** `live`: both hosts have its disk; `storage`: live, the disk is copied; `offline`: it does not run meanwhile. */
    kind: migrationKindSchema,
    cause: z.enum(['person', 'start', 'maintenance', 'return', 'balance', 'consolidation']),
    reason: z.string(),
    state: migrationStateSchema,
    progress: z.number().int(),
    text: z.string(),
    trouble: troubleSchema.nullable(),
    taskId: z.uuid().nullable(),
    createdAt: timestamp,
    startedAt: timestamp.nullable(),
    endedAt: timestamp.nullable(),
  })
  .openapi('Migration')

const choiceSchema = z
  .object({
    hostId: z.uuid().nullable(),
    hostName: z.string().nullable(),
    /** Null: it cannot move now, `why` says why. */
    kind: migrationKindSchema.nullable(),
    why: z.string(),
    /** Every host, best first, with what speaks for or against it. */
    hosts: z.array(
      z.object({
        hostId: z.uuid(),
        hostName: z.string(),
        clusterName: z.string(),
        fits: z.boolean(),
        score: z.number().nullable(),
        reason: z.string(),
        /** Whether a person may send it there, if shut down for it; null where a host was named. */
        nameable: z.boolean().nullable(),
      }),
    ),
  })
  .openapi('MoveChoice')

const moved = z.object({ choice: choiceSchema, desktop: desktopSchema })

export const migrationRoutes = [
  route({
    method: 'get',
    path: '/api/v1/migrations',
    operationId: 'migrationList',
    summary: 'Moves of desktops between hosts, newest first',
    permission: 'desktop.read',
    query: pageQuery.extend({
      cursor: idCursor.optional(),
      /** From it or to it. */
      hostId: z.uuid().optional(),
      desktopId: z.uuid().optional(),
      open: flag().optional(),
    }),
    answers: { 200: listOf(migrationSchema) },
    handle: async ({ broker, query }) => ({ status: 200, body: await migrationList(broker, query) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/actions/migrate',
    operationId: 'desktopMigrate',
    summary: 'Move a desktop to another host, running if it runs; `dryRun` only says where it would go and why',
    permission: 'desktop.write',
    params: idParams,
    body: z.object({
      /** The best one of its cluster unless given. */
      hostId: z.uuid().optional(),
      /** Where it cannot move running: shut it down for the move and start it there. */
      restart: z.boolean().default(false),
      dryRun: z.boolean().default(false),
    }),
    answers: { 200: moved, 202: moved.extend({ task: taskSchema }) },
    handle: async ({ broker, principal, params, body }) => {
      const ask = { hostId: body.hostId ?? null, restart: body.restart }
      if (body.dryRun) return { status: 200, body: await desktopMovePlan(broker, principal, params.id, ask) }
      const { task, desktop, choice } = await desktopMove(broker, principal, params.id, ask)
      return accepted({ task, desktop, choice })
    },
  }),
]
