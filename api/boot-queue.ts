import { z } from '@hono/zod-openapi'
import { bootQueue } from '../broker/boot-queue.ts'
import { idParams, route, timestamp } from './route.ts'

export const bootQueueRoutes = [
  route({
    method: 'get',
    path: '/api/v1/hosts/{id}/boot-queue',
    operationId: 'bootQueueGet',
    summary: 'What a host starts now, and what waits for its turn, next first: pools take turns, persons go first',
    permission: 'host.read',
    params: idParams,
    answers: {
      200: z.object({
        booting: z.number().int(),
        items: z.array(
          z.object({
            desktopId: z.uuid(),
            desktopName: z.string(),
            poolId: z.uuid(),
            poolName: z.string(),
            /** Who waits for it; null: it is prewarmed. */
            userName: z.string().nullable(),
            step: z.enum(['queued', 'booting']),
            /** Exact to 20, in steps of 20 behind; null while it boots. */
            place: z.number().int().nullable(),
            since: timestamp,
          }),
        ),
      }),
    },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await bootQueue(broker, principal, params.id),
    }),
  }),
]
