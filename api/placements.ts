import { z } from '@hono/zod-openapi'
import { desktopPlacements, placementDryRun, poolPlace } from '../broker/placements.ts'
import { hardwareSchema } from './hardware.ts'
import { networkSchema } from './pools.ts'
import { idParams, nameSchema, route, timestamp } from './route.ts'

/** One host of a decision: why, or why not. */
export const placementHostSchema = z
  .object({
    hostId: z.uuid(),
    hostName: z.string(),
    clusterName: z.string(),
    fits: z.boolean(),
    /** Of 100, higher is better; null where it does not fit. */
    score: z.number().nullable(),
    reason: z.string(),
  })
  .openapi('PlacementHost')

const decided = {
  why: z.string(),
  /** Best first, those that do not fit last. */
  hosts: z.array(placementHostSchema),
}

const dryRunSchema = z
  .object({
    desktops: z.array(z.object({ hostId: z.uuid(), hostName: z.string(), ...decided })),
    /** How many find no host. */
    short: z.number().int(),
    /** Why; null when all find one. */
    shortReason: z.string().nullable(),
  })
  .openapi('PlacementDryRun')

const asked = {
  count: z.number().int().min(1).max(200).default(1),
  /** `prewarm` leaves alone what clusters keep for persons. */
  priority: z.enum(['person', 'prewarm']).default('person'),
}

export const placementRoutes = [
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/placement',
    operationId: 'placementList',
    summary: 'Why a desktop is where it is, and why not elsewhere: the decisions about it, newest first',
    permission: 'desktop.read',
    params: idParams,
    answers: {
      200: z.object({
        items: z.array(
          z.object({
            at: timestamp,
            cause: z.enum(['make', 'move', 'return']),
            hostId: z.uuid().nullable(),
            hostName: z.string().nullable(),
            ...decided,
          }),
        ),
      }),
    },
    handle: async ({ broker, params }) => ({ status: 200, body: await desktopPlacements(broker, params.id) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/pools/{id}/actions/place',
    operationId: 'poolPlace',
    summary: 'Where the next desktops of a pool would go; changes nothing',
    permission: 'host.read',
    params: idParams,
    body: z.object(asked),
    answers: { 200: dryRunSchema },
    handle: async ({ broker, params, body }) => ({ status: 200, body: await poolPlace(broker, params.id, body) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/placement/dry-run',
    operationId: 'placementDryRun',
    summary: 'Where machines of a template would go that no pool has; changes nothing',
    permission: 'host.read',
    body: z.object({
      templateId: z.uuid(),
      hardware: hardwareSchema.partial().optional(),
      clusterIds: z.array(z.uuid()).max(100).optional(),
      needs: z.array(nameSchema).max(50).optional(),
      network: networkSchema.optional(),
      placement: z.enum(['spread', 'pack', 'balanced']).nullable().optional(),
      ...asked,
    }),
    answers: { 200: dryRunSchema },
    handle: async ({ broker, body }) => ({ status: 200, body: await placementDryRun(broker, body) }),
  }),
]
