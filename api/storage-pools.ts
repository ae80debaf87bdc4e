import { z } from '@hono/zod-openapi'
import {
  storagePoolCreate,
  storagePoolGet,
  storagePoolList,
  storagePoolRead,
  storagePoolRemove,
  storagePoolUpdate,
} from '../broker/storage-pools.ts'
import { actionSchema, idParams, listOf, nameSchema, pageQuery, route, timestamp, troubleSchema } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

/** A folder of a host: plain letters, so that it means the same to everybody who is told of it. */
const folder = z
  .string()
  .max(200)
  .regex(/^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/, 'a whole path of letters, digits, dots and dashes, as in /srv/volumes')
const server = z
  .string()
  .max(255)
  .regex(/^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\])$/, 'a host name or an address')
const monitor = z
  .string()
  .max(255)
  .regex(
    /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\])(:\d{1,5})?$/,
    'a host name or an address, with its port where it is not the usual one',
  )
const cephName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, dots, dashes, 64 at most')

/** Of the user, base64, as `ceph auth print-key` shows it. */
const cephKey = z.base64().max(500)

const sourceBody = z.discriminatedUnion('type', [
  /** A folder of each host's own, or of all, where that is on storage which they share. */
  z.object({ type: z.literal('dir'), target: folder }),
  /** NFS; `target`: where it is mounted on the hosts. */
  z.object({ type: z.literal('netfs'), server, path: folder, target: folder.optional() }),
  /** Ceph; `key`: of the user. */
  z.object({
    type: z.literal('rbd'),
    monitors: z.array(monitor).min(1).max(9),
    pool: cephName,
    user: cephName.optional(),
    key: cephKey.optional(),
  }),
])
const sourceSchema = z.object({
  type: z.enum(['dir', 'netfs', 'rbd']),
  target: z.string().optional(),
  server: z.string().optional(),
  path: z.string().optional(),
  monitors: z.array(z.string()).optional(),
  pool: z.string().optional(),
  user: z.string().nullable().optional(),
})

/** Share of its capacity that new volumes leave free. */
const reserve = z.number().min(0, 'must be from 0 to 0.5').max(0.5, 'must be from 0 to 0.5')
const bytes = z.number().int()

export const storagePoolSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    clusterId: z.uuid(),
    clusterName: z.string(),
    source: sourceSchema,
    reserve: z.number(),
    state: z.enum(['waiting', 'making', 'ready', 'degraded', 'failed', 'removing']),
    /** Which host has which trouble with it, and what to do. */
    text: z.string(),
    /** Of all places where it lies; what hosts share counts once. */
    capacityBytes: bytes,
    allocationBytes: bytes,
    freeBytes: bytes,
    /** Sizes of its volumes as their guests see them. */
    virtualBytes: bytes,
    /** The same, of all that lies on its file systems: root folders and storage pools. */
    promisedBytes: bytes,
    /** `promisedBytes` ÷ what there is; null while nothing is known of it. */
    thinRatio: z.number().nullable(),
    level: z.enum(['ok', 'warning', 'critical', 'full']),
    warning: z.string().nullable(),
    volumes: z.number().int(),
    hosts: z.array(
      z.object({
        hostId: z.uuid(),
        hostName: z.string(),
        hostState: z.enum(['joining', 'online', 'suspect', 'lost', 'maintenance']),
        state: z.enum(['making', 'ready', 'failed', 'gone']),
        /** Hosts with the same one share what lies there. */
        storageId: z.string().nullable(),
        capacityBytes: bytes.nullable(),
        allocationBytes: bytes.nullable(),
        freeBytes: bytes.nullable(),
        trouble: troubleSchema.nullable(),
      }),
    ),
    actions: z.array(actionSchema),
    createdAt: timestamp,
  })
  .openapi('StoragePool')

const asked = z.object({ task: taskSchema, storagePool: storagePoolSchema })

export const storagePoolRoutes = [
  route({
    method: 'get',
    path: '/api/v1/storage-pools',
    operationId: 'storagePoolList',
    summary: 'Storage pools of clusters: how full they are and how their hosts have them',
    permission: 'host.read',
    query: pageQuery.extend({ name: z.string().optional(), clusterId: z.uuid().optional() }),
    answers: { 200: listOf(storagePoolSchema) },
    handle: async ({ broker, principal, query }) => ({
      status: 200,
      body: await storagePoolList(broker, principal, query),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/storage-pools/{id}',
    operationId: 'storagePoolGet',
    summary: 'One storage pool',
    permission: 'host.read',
    params: idParams,
    answers: { 200: storagePoolSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await storagePoolGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/storage-pools',
    operationId: 'storagePoolCreate',
    summary: 'Add a storage pool to a cluster: its hosts make it ready',
    permission: 'host.write',
    body: z
      .object({ name: nameSchema, clusterId: z.uuid().optional(), source: sourceBody, reserve: reserve.default(0.05) })
      .openapi('StoragePoolCreate'),
    answers: { 202: asked },
    handle: async ({ broker, principal, body }) => accepted(await storagePoolCreate(broker, principal, body)),
  }),
  route({
    method: 'patch',
    path: '/api/v1/storage-pools/{id}',
    operationId: 'storagePoolUpdate',
    summary:
      'Change a storage pool’s name or reserve, the key of a Ceph pool, or the source of a pool that no host has and no volume lies on',
    permission: 'host.write',
    params: idParams,
    body: z.object({ name: nameSchema, reserve, key: cephKey, source: sourceBody }).partial(),
    answers: { 200: storagePoolSchema },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await storagePoolUpdate(broker, principal, params.id, body),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/storage-pools/{id}/actions/refresh',
    operationId: 'storagePoolRefresh',
    summary: 'Have a storage pool’s hosts read it anew',
    permission: 'host.write',
    params: idParams,
    answers: { 202: asked },
    handle: async ({ broker, principal, params }) => accepted(await storagePoolRead(broker, principal, params.id)),
  }),
  route({
    method: 'delete',
    path: '/api/v1/storage-pools/{id}',
    operationId: 'storagePoolDelete',
    summary: 'Forget a storage pool; refused while volumes lie on it, and no file on it is touched',
    permission: 'host.write',
    params: idParams,
    answers: { 202: asked },
    handle: async ({ broker, principal, params }) => accepted(await storagePoolRemove(broker, principal, params.id)),
  }),
]
