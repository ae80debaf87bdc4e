import { z } from '@hono/zod-openapi'
import { hostFence } from '../broker/fencing.ts'
import { hostGet } from '../broker/hosts.ts'
import { hostSchema } from './hosts.ts'
import { idParams, route } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

export const fencingRoutes = [
  route({
    method: 'post',
    path: '/api/v1/hosts/{id}/actions/fence',
    operationId: 'hostFence',
    summary:
      'Make sure that a lost host is off, by its cluster’s fence command; `confirmed`: you looked, and it is off',
    permission: 'host.write',
    params: idParams,
    body: z.object({ confirmed: z.boolean().default(false) }),
    answers: { 202: z.object({ task: taskSchema, host: hostSchema }) },
    handle: async ({ broker, principal, params, body }) => {
      const task = await hostFence(broker, principal, params.id, body)
      const host = await hostGet(broker, principal, params.id)
      return accepted({ task, host })
    },
  }),
]
