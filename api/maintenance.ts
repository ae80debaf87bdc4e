import { z } from '@hono/zod-openapi'
import { maintenanceEnter, maintenanceLeave } from '../broker/maintenance.ts'
import { hostSchema } from './hosts.ts'
import { migrationKindSchema } from './migration-schema.ts'
import { idParams, route } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

export const planSchema = z
  .object({
    hostId: z.uuid(),
    hostName: z.string(),
    desktops: z.array(
      z.object({
        desktopId: z.uuid(),
        desktopName: z.string(),
        /** Whose it is; null: nobody has it. */
        userName: z.string().nullable(),
        /** `migrate`: moves as it is; `restart`: is shut down, moves, starts again; `remake`: nobody has it, its pool makes another one elsewhere; `remove`: so too, but nowhere is room yet; `wait`: stays for now, `because` says for what. */
        do: z.enum(['migrate', 'restart', 'remake', 'remove', 'wait']),
        kind: migrationKindSchema.nullable(),
        hostId: z.uuid().nullable(),
        hostName: z.string().nullable(),
        because: z.string(),
      }),
    ),
    counts: z.object({
      migrate: z.number().int(),
      restart: z.number().int(),
      remake: z.number().int(),
      remove: z.number().int(),
      wait: z.number().int(),
    }),
  })
  .openapi('EvacuationPlan')

const planned = z.object({ plan: planSchema, host: hostSchema })

export const maintenanceRoutes = [
  route({
    method: 'post',
    path: '/api/v1/hosts/{id}/actions/enterMaintenance',
    operationId: 'hostEnterMaintenance',
    summary:
      'Place nothing more on a host and, with `evacuate`, let its desktops leave; `dryRun` only says how they would',
    permission: 'host.write',
    params: idParams,
    body: z.object({ evacuate: z.boolean().default(false), dryRun: z.boolean().default(false) }),
    answers: { 200: planned, 202: planned.extend({ task: taskSchema }) },
    handle: async ({ broker, principal, params, body }) => {
      const { task, ...answer } = await maintenanceEnter(broker, principal, params.id, body)
      if (!task) return { status: 200, body: answer }
      return accepted({ ...answer, task })
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/hosts/{id}/actions/leaveMaintenance',
    operationId: 'hostLeaveMaintenance',
    summary: 'Use a host again and, with `bringBack`, fetch the desktops that left it; `dryRun` only says which',
    permission: 'host.write',
    params: idParams,
    body: z.object({ bringBack: z.boolean().default(false), dryRun: z.boolean().default(false) }),
    answers: { 200: planned, 202: planned.extend({ task: taskSchema }) },
    handle: async ({ broker, principal, params, body }) => {
      const { task, ...answer } = await maintenanceLeave(broker, principal, params.id, body)
      if (!task) return { status: 200, body: answer }
      return accepted({ ...answer, task })
    },
  }),
]
