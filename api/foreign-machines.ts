import { z } from '@hono/zod-openapi'
import { foreignMachineAdopt, foreignMachineList } from '../broker/foreign-machines.ts'
import { diskBuses, firmwares } from '../lib/hardware.ts'
import { desktopSchema } from './desktops.ts'
import { actionSchema, idParams, listOf, nameSchema, route } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

const foreignSchema = z
  .object({
    /** libvirt's UUID: once adopted it is the desktop's id, where it may be. */
    id: z.guid(),
    name: z.string(),
    power: z.enum(['running', 'paused', 'stopped']),
    vcpus: z.number().int(),
    memoryBytes: z.number().int(),
    video: z.string(),
    firmware: z.enum(firmwares).optional(),
    /** What its disk will be on; absent where it cannot be adopted. */
    diskBus: z.enum(diskBuses).optional(),
    disks: z.array(
      z.object({
        path: z.string().nullable(),
        format: z.string(),
        bus: z.string(),
        sizeBytes: z.number().int().nullable(),
        usedBytes: z.number().int().nullable(),
        backing: z.string().nullable(),
      }),
    ),
    nics: z.array(z.object({ mac: z.string(), network: z.string().nullable() })),
    /** Why it cannot be adopted as it is, each with what to do. */
    obstacles: z.array(z.string()),
    /** What becomes of it, while it does. */
    desktop: z.object({ id: z.uuid(), name: z.string() }).nullable(),
    actions: z.array(actionSchema),
  })
  .openapi('ForeignMachine')

export const foreignMachineRoutes = [
  route({
    method: 'get',
    path: '/api/v1/hosts/{id}/foreign-machines',
    operationId: 'foreignMachineList',
    summary: 'Machines of a host that somebody made without HDCS, and which of them can be adopted',
    permission: 'host.read',
    params: idParams,
    answers: { 200: listOf(foreignSchema) },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await foreignMachineList(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/hosts/{id}/foreign-machines/{foreignId}/adopt',
    operationId: 'foreignMachineAdopt',
    summary:
      'Make such a machine a person’s desktop: its disk is copied, then libvirt forgets the original, whose file stays',
    permission: 'desktop.write',
    params: idParams.extend({ foreignId: z.guid() }),
    body: z.object({
      userId: z.uuid(),
      /** Of the desktop; its own, as far as it may be, unless given. */
      name: nameSchema.optional(),
      /** A persistent pool whose template is an empty disk; `adopted`, which is made for it, unless given. */
      poolId: z.uuid().optional(),
    }),
    answers: { 202: z.object({ task: taskSchema, desktop: desktopSchema }) },
    handle: async ({ broker, principal, params, body }) => {
      const place = { hostId: params.id, foreignId: params.foreignId }
      const { task, desktop } = await foreignMachineAdopt(broker, principal, place, body)
      return accepted({ task, desktop })
    },
  }),
]
