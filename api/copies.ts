import { z } from '@hono/zod-openapi'
import { copyMake, copyRemove } from '../broker/copies.ts'
import { templateGet } from '../broker/templates.ts'
import { idParams, route } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'
import { templateSchema } from './templates.ts'

const versionParams = idParams.extend({ number: z.coerce.number().int().positive() })
const copyParams = versionParams.extend({ clusterId: z.uuid() })

export const copyRoutes = [
  route({
    method: 'put',
    path: '/api/v1/templates/{id}/versions/{number}/copies/{clusterId}',
    operationId: 'copyMake',
    summary: 'Copy a version to another cluster; asked for again, it goes on where it broke off',
    permission: 'template.write',
    params: copyParams,
    body: z.object({
      /** At most; null: as fast as it goes. */
      bytesPerSecond: z.number().int().min(1024).max(1e12).nullable().default(null),
    }),
    answers: { 202: z.object({ template: templateSchema, task: taskSchema }) },
    handle: async ({ broker, principal, params, body }) => {
      const ask = { clusterId: params.clusterId, ...body }
      const task = await copyMake(broker, principal, params.id, params.number, ask)
      const template = await templateGet(broker, principal, params.id)
      return accepted({ template, task })
    },
  }),
  route({
    method: 'delete',
    path: '/api/v1/templates/{id}/versions/{number}/copies/{clusterId}',
    operationId: 'copyRemove',
    summary: 'Remove a version from a cluster that it was copied to; refused while desktops there stand on it',
    permission: 'template.write',
    params: copyParams,
    answers: { 200: templateSchema },
    handle: async ({ broker, principal, params }) => {
      await copyRemove(broker, params.id, params.number, params.clusterId)
      return { status: 200, body: await templateGet(broker, principal, params.id) }
    },
  }),
]
