import { z } from '@hono/zod-openapi'
import { desktopLog } from '../broker/desktop-log.ts'
import { idParams, route, timestamp } from './route.ts'
import { logStepsSchema } from './tasks.ts'

export const desktopLogSchema = z
  .object({
    /** Newest first. A desktop begins a new life whenever its disk is made anew. */
    lives: z.array(
      z.object({
        life: z.number().int(),
        from: timestamp,
        /** When the next one began; null: it is the one of now. */
        to: timestamp.nullable(),
        /** `ended`: never ready, and over. */
        state: z.enum(['running', 'ready', 'failed', 'ended']),
        /** Until it was ready, or as long as it is not. */
        ms: z.number().int(),
        /** Whose it was, last. */
        userName: z.string().nullable(),
      }),
    ),
    /** The one that the rest is about; null: nothing is known yet. */
    life: z.number().int().nullable(),
    steps: logStepsSchema,
    items: z.array(z.object({ at: timestamp, text: z.string() })),
  })
  .openapi('DesktopLog')

export const desktopLogRoutes = [
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/log',
    operationId: 'desktopLog',
    summary:
      'How a desktop was made and customised, whether anybody waited for it or not: what took how long, then line by line with what its scripts wrote; of one life of its disk',
    permission: 'desktop.read',
    params: idParams,
    /** Absent: the newest. */
    query: z.object({ life: z.coerce.number().int().nonnegative().max(2_147_483_647).optional() }),
    answers: { 200: desktopLogSchema },
    handle: async ({ broker, principal, params, query }) => ({
      status: 200,
      body: await desktopLog(broker, principal, params.id, query.life),
    }),
  }),
]
