import { z } from '@hono/zod-openapi'
import { clusterStorages } from '../broker/storages.ts'
import { idParams, route } from './route.ts'

const bytes = z.number().int()

export const rootStorageSchema = z
  .object({
    storageId: z.string(),
    /** Those that share it. */
    hosts: z.array(z.object({ id: z.uuid(), name: z.string() })),
    desktops: z.number().int(),
    capacityBytes: bytes,
    freeBytes: bytes,
    /** Never given to new disks. */
    keptBytes: bytes,
    /** Of its desktops' disks, as their guests see them. */
    virtualBytes: bytes,
    /** The same, of all that lies on its file systems: root folders and storage pools. */
    promisedBytes: bytes,
    /** `promisedBytes` ÷ what there is. */
    thinRatio: z.number().nullable(),
    level: z.enum(['ok', 'warning', 'critical', 'full']),
    /** What to know and to do; null while all is well. */
    warning: z.string().nullable(),
  })
  .openapi('RootStorage')

export const storageRoutes = [
  route({
    method: 'get',
    path: '/api/v1/clusters/{id}/storages',
    operationId: 'clusterStorages',
    summary: 'What a cluster’s hosts keep images and desktops on: how full, and how much is promised of it',
    permission: 'host.read',
    params: idParams,
    answers: { 200: z.object({ items: z.array(rootStorageSchema) }) },
    handle: async ({ broker, params }) => ({ status: 200, body: { items: await clusterStorages(broker, params.id) } }),
  }),
]
