import { z } from '@hono/zod-openapi'
import { clusterBalancePlan } from '../broker/balancing.ts'
import { idParams, route } from './route.ts'

export const stepSchema = z
  .object({
    do: z.enum(['move', 'off', 'on', 'keep']),
    /** Of a move. */
    cause: z.enum(['balance', 'consolidation']).optional(),
    desktopId: z.uuid().optional(),
    desktopName: z.string().optional(),
    fromHostId: z.uuid().optional(),
    fromHostName: z.string().optional(),
    toHostId: z.uuid().optional(),
    toHostName: z.string().optional(),
    /** Of a host that is to be emptied and switched off, or on; or that serves again as it cannot be emptied. */
    hostId: z.uuid().optional(),
    hostName: z.string().optional(),
    because: z.string(),
  })
  .openapi('BalanceStep')

export const balanceRoutes = [
  route({
    method: 'post',
    path: '/api/v1/clusters/{id}/actions/balance',
    operationId: 'clusterBalance',
    summary: 'What rebalancing and consolidation would do now, were they on and the loads old enough',
    permission: 'host.write',
    params: idParams,
    // It is done by rule (the cluster's `balance`), never by hand: only the plan can be asked for.
    body: z.object({ dryRun: z.literal(true) }),
    answers: {
      200: z.object({
        steps: z.array(stepSchema),
        /** Why nothing, or no more, would be done. */
        notes: z.array(z.string()),
        enabled: z.object({ rebalance: z.boolean(), consolidate: z.boolean() }),
      }),
    },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await clusterBalancePlan(broker, principal, params.id),
    }),
  }),
]
