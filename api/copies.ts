import { z } from '@hono/zod-openapi'
import { copyMake, copyRemove } from '../broker/copies.ts'
import { copyPlan } from '../broker/copy-plan.ts'
import { templateGet } from '../broker/templates.ts'
import { route, versionParams } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'
import { templateSchema } from './templates.ts'

const bytes = z.number().int().nonnegative()
const hostStateSchema = z.enum(['online', 'suspect', 'lost', 'maintenance', 'joining'])

export const copyPlanSchema = z
  .object({
    clusterId: z.uuid(),
    clusterName: z.string(),
    /** Of the image. */
    sizeBytes: bytes,
    /** To all storages of the cluster, less what came before a cut. */
    bytesToSend: bytes,
    /** Every storage of the cluster gets it; hosts that share one fetch it once. */
    storages: z.array(
      z.object({
        storageId: z.string(),
        hosts: z.array(z.object({ id: z.uuid(), name: z.string(), state: hostStateSchema })),
        capacityBytes: bytes,
        freeBytes: bytes,
        /** Its reserve. */
        keptBytes: bytes,
        /** `partly`: it goes on where it broke off. */
        state: z.enum(['there', 'partly', 'missing']),
        bytesToSend: bytes,
        freeAfterBytes: bytes,
        fits: z.boolean(),
      }),
    ),
    /** Hosts that have not told yet what they keep images on: they fetch it when they are there. */
    hostsUnknown: z.array(z.string()),
    /** Hosts of other clusters that have it; `up`: they serve it now. */
    sources: z.array(z.object({ hostId: z.uuid(), hostName: z.string(), clusterName: z.string(), up: z.boolean() })),
    /** By the limit, or as the last copies there went, whichever is slower; null: nothing is known. */
    bytesPerSecond: bytes.nullable(),
    paceBy: z.enum(['limit', 'past']).nullable(),
    /** About so long; null: not known. */
    ms: bytes.nullable(),
    /** Of pools of the template that are on a network of the site: what that is there. */
    networks: z.array(
      z.object({
        poolId: z.uuid(),
        poolName: z.string(),
        /** The pool may have desktops in the cluster, as it stands. */
        usesCluster: z.boolean(),
        /** With its VLAN: `office`, `eth0.100`. */
        network: z.string(),
        here: z.string(),
        /** The cluster says where; false: it is looked for under its own name. */
        mapped: z.boolean(),
        hosts: z.array(z.string()),
        hostsWithout: z.array(z.string()),
      }),
    ),
    /** What is not well is waited for, or has to be changed. */
    checks: z.array(
      z.object({ name: z.enum(['hosts', 'room', 'source', 'networks']), ok: z.boolean(), text: z.string() }),
    ),
  })
  .openapi('CopyPlan')

const copyParams = versionParams.extend({ clusterId: z.uuid() })

export const copyRoutes = [
  route({
    method: 'put',
    path: '/api/v1/templates/{id}/versions/{number}/copies/{clusterId}',
    operationId: 'copyMake',
    summary:
      'Copy a version to another cluster; asked for again, it goes on where it broke off; `dryRun` only says where it would lie, whether there is room, how long it takes, and which networks of its pools are there',
    permission: 'template.write',
    params: copyParams,
    body: z.object({
      /** At most; null: as fast as it goes. */
      bytesPerSecond: z.number().int().min(1024).max(1e12).nullable().default(null),
      dryRun: z.boolean().default(false),
    }),
    answers: { 200: copyPlanSchema, 202: z.object({ template: templateSchema, task: taskSchema }) },
    handle: async ({ broker, principal, params, body: { dryRun, ...body } }) => {
      const ask = { clusterId: params.clusterId, ...body }
      if (dryRun) return { status: 200, body: await copyPlan(broker, params.id, params.number, ask) }
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
