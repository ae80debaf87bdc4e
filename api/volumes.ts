import { z } from '@hono/zod-openapi'
import {
  volumeAttach,
  volumeCreate,
  volumeDelete,
  volumeDetach,
  volumeGet,
  volumeList,
  volumeResize,
} from '../broker/volumes.ts'
import { actionSchema, idParams, listOf, nameSchema, pageQuery, route, timestamp, troubleSchema } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

/** Smaller ones hold no file system; whole sectors, or QEMU rounds. */
const sizeBytes = z
  .number()
  .int()
  .min(2 ** 20, 'must be 1 MiB at least')
  .multipleOf(512, 'must be a multiple of 512')

export const volumeSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    poolId: z.uuid(),
    poolName: z.string(),
    clusterId: z.uuid(),
    /** Who looks after it: of a pool that is each host's own, where it lies. */
    hostId: z.uuid().nullable(),
    hostName: z.string().nullable(),
    format: z.enum(['qcow2', 'raw']),
    /** As its guest sees it. */
    sizeBytes: z.number().int(),
    /** What it takes of its pool. */
    storedBytes: z.number().int().nullable(),
    state: z.enum(['making', 'ready', 'growing', 'failed', 'unknown', 'removing']),
    desktopId: z.uuid().nullable(),
    desktopName: z.string().nullable(),
    /** The desktop that runs with it: another one than `desktopId`, or one without it, while it is plugged in or out. */
    usedById: z.uuid().nullable(),
    usedByName: z.string().nullable(),
    /** The guest has it as `/dev/disk/by-id/virtio-<serial>`. */
    serial: z.string(),
    trouble: troubleSchema.nullable(),
    actions: z.array(actionSchema),
    createdAt: timestamp,
  })
  .openapi('Volume')

const asked = z.object({ task: taskSchema, volume: volumeSchema })
/** When the guest has it, or has it no more. */
const applied = asked.extend({ applies: z.enum(['now', 'nextStart']) })

export const volumeRoutes = [
  route({
    method: 'get',
    path: '/api/v1/volumes',
    operationId: 'volumeList',
    summary: 'Volumes: disks of their own that desktops may have',
    permission: 'host.read',
    query: pageQuery.extend({
      name: z.string().optional(),
      poolId: z.uuid().optional(),
      desktopId: z.uuid().optional(),
    }),
    answers: { 200: listOf(volumeSchema) },
    handle: async ({ broker, principal, query }) => ({ status: 200, body: await volumeList(broker, principal, query) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/volumes/{id}',
    operationId: 'volumeGet',
    summary: 'One volume',
    permission: 'host.read',
    params: idParams,
    answers: { 200: volumeSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await volumeGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/volumes',
    operationId: 'volumeCreate',
    summary: 'Make a volume on a storage pool, thin: what is not written takes no room',
    permission: 'host.write',
    body: z
      .object({
        name: nameSchema,
        poolId: z.uuid(),
        sizeBytes,
        format: z.enum(['qcow2', 'raw']).default('qcow2'),
        /** Where it shall lie, of a pool that is each host's own. */
        hostId: z.uuid().optional(),
      })
      .openapi('VolumeCreate'),
    answers: { 202: asked },
    handle: async ({ broker, principal, body }) => accepted(await volumeCreate(broker, principal, body)),
  }),
  route({
    method: 'post',
    path: '/api/v1/volumes/{id}/actions/resize',
    operationId: 'volumeResize',
    summary: 'Make a volume larger, also under the guest that runs with it; it never shrinks',
    permission: 'host.write',
    params: idParams,
    body: z.object({ sizeBytes }),
    answers: { 202: asked },
    handle: async ({ broker, principal, params, body }) =>
      accepted(await volumeResize(broker, principal, params.id, body.sizeBytes)),
  }),
  route({
    method: 'post',
    path: '/api/v1/volumes/{id}/actions/attach',
    operationId: 'volumeAttach',
    summary: 'Give a volume to a desktop: at once where it runs, else at its next start, as `applies` says',
    permission: 'host.write',
    params: idParams,
    body: z.object({ desktopId: z.uuid() }),
    answers: { 202: applied },
    handle: async ({ broker, principal, params, body }) =>
      accepted(await volumeAttach(broker, principal, params.id, body.desktopId)),
  }),
  route({
    method: 'post',
    path: '/api/v1/volumes/{id}/actions/detach',
    operationId: 'volumeDetach',
    summary: 'Take a volume from its desktop: at once where its guest lets go of it, else at its next start',
    permission: 'host.write',
    params: idParams,
    answers: { 202: applied },
    handle: async ({ broker, principal, params }) => accepted(await volumeDetach(broker, principal, params.id)),
  }),
  route({
    method: 'delete',
    path: '/api/v1/volumes/{id}',
    operationId: 'volumeDelete',
    summary: 'Destroy a volume with all that is on it; refused while a desktop has it',
    permission: 'host.write',
    params: idParams,
    answers: { 202: asked },
    handle: async ({ broker, principal, params }) => accepted(await volumeDelete(broker, principal, params.id)),
  }),
]
