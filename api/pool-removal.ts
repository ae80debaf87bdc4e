import { z } from '@hono/zod-openapi'
import { poolRemovalPlan } from '../broker/pool-removal.ts'
import { idParams, route, timestamp } from './route.ts'

const count = z.number().int()

export const poolRemovalSchema = z
  .object({
    desktops: count,
    /** People who look at theirs right now. */
    sessions: count,
    people: z.array(
      z.object({
        desktopId: z.uuid(),
        desktopName: z.string(),
        userName: z.string(),
        connected: z.boolean(),
        since: timestamp.nullable(),
        /** `disk`: all that is kept on it; `unsaved`: what was not saved elsewhere. */
        loses: z.enum(['disk', 'unsaved']),
        /** False: nothing was ever on it. */
        diskMade: z.boolean(),
      }),
    ),
    /** Template versions made of its desktops: they stay, but for those that are still being made. */
    versions: z.array(
      z.object({
        templateId: z.uuid(),
        templateName: z.string(),
        number: count,
        desktopName: z.string(),
        ends: z.boolean(),
      }),
    ),
    /** Pushes that are called off. */
    pushes: count,
    /** Something goes that nobody can bring back. */
    loss: z.boolean(),
    /** The same in sentences. */
    text: z.string(),
  })
  .openapi('PoolRemoval')

export const poolRemovalRoutes = [
  route({
    method: 'get',
    path: '/api/v1/pools/{id}/removal',
    operationId: 'poolRemovalPlan',
    summary: 'Who would lose what, were the pool removed',
    permission: 'pool.write',
    params: idParams,
    answers: { 200: poolRemovalSchema },
    handle: async ({ broker, params }) => ({ status: 200, body: await poolRemovalPlan(broker, params.id) }),
  }),
]
