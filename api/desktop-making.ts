/** Desktops made by an administrator's hand, and many changed at once. */
import { z } from '@hono/zod-openapi'
import { desktopClone } from '../broker/cloning.ts'
import { desktopsAct } from '../broker/desktop-bulk.ts'
import { desktopMakeFor } from '../broker/desktop-making.ts'
import { desktopsMakeFor, desktopsMakePlan } from '../broker/desktops-for-people.ts'
import { makingChecks, makingPlan } from '../broker/making-checks.ts'
import { desktopActions } from './desktops.ts'
import { hardwareSchema } from './hardware.ts'
import { claimSchema } from './pools.ts'
import { idParams, nameSchema, route, troubleSchema } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

export const makingPlanSchema = z
  .object({
    /** All of the checks are. */
    ok: z.boolean(),
    checks: z.array(z.object({ name: z.enum(makingChecks), ok: z.boolean(), text: z.string() })),
    /** Where it would go; null: nowhere. */
    host: z.object({ id: z.uuid(), name: z.string(), why: z.string() }).nullable(),
  })
  .openapi('MakingPlan')

const personResultSchema = z
  .object({
    userId: z.uuid(),
    /** Null: one may not read who there is, or nobody has this id. */
    userName: z.string().nullable(),
    /** What is made, or in a dry run would be (without an id); null: it was refused. */
    desktop: z.object({ id: z.uuid().nullable(), name: z.string(), hostName: z.string().nullable() }).nullable(),
    error: troubleSchema.nullable(),
  })
  .openapi('PersonResult')

export const desktopMakingRoutes = [
  route({
    method: 'post',
    path: '/api/v1/pools/{id}/desktops',
    operationId: 'desktopMake',
    summary:
      'Make one desktop of a persistent pool for a person who may use it, with a name and hardware of its own; `dryRun` only says what speaks for it and against it',
    permission: 'desktop.write',
    params: idParams,
    body: z.object({
      /** Whose it will be; yourself unless given. */
      userId: z.uuid().optional(),
      name: nameSchema.optional(),
      hardware: hardwareSchema.partial().optional(),
      /** A template version that was made of an ISO file: in its drive from the first start. */
      cdrom: z.uuid().nullable().optional(),
      dryRun: z.boolean().default(false),
    }),
    answers: { 200: z.object({ plan: makingPlanSchema }), 202: claimSchema },
    handle: async ({ broker, principal, params, body: { dryRun, ...body } }) => {
      const wish = { ...body, userId: body.userId ?? principal.userId }
      if (dryRun) return { status: 200, body: { plan: await makingPlan(broker, principal, params.id, wish) } }
      const { task, desktop } = await desktopMakeFor(broker, principal, params.id, wish)
      return accepted({ task, desktop })
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/pools/{id}/actions/makeDesktops',
    operationId: 'desktopsMake',
    summary:
      'Make one desktop of a persistent pool for each of these people: what came of each, and a receipt of all; `dryRun` tries it and makes nothing',
    permission: 'desktop.write',
    params: idParams,
    body: z.object({
      userIds: z.array(z.uuid()).min(1).max(100),
      hardware: hardwareSchema.partial().optional(),
      /** A template version that was made of an ISO file: in the drive of each from its first start. */
      cdrom: z.uuid().nullable().optional(),
      dryRun: z.boolean().default(false),
    }),
    answers: {
      200: z.object({ results: z.array(personResultSchema) }),
      202: z.object({ task: taskSchema, results: z.array(personResultSchema) }),
    },
    handle: async ({ broker, principal, params, body: { dryRun, ...wish } }) => {
      if (dryRun) return { status: 200, body: { results: await desktopsMakePlan(broker, principal, params.id, wish) } }
      return accepted(await desktopsMakeFor(broker, principal, params.id, wish))
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/clones',
    operationId: 'desktopClone',
    summary:
      'One more desktop of the same pool with a copy of its disk, on its host: linked to the same image, or `full`, standing on none',
    permission: 'desktop.write',
    params: idParams,
    body: z.object({
      name: nameSchema.optional(),
      /** Whose it will be; yourself unless given. */
      userId: z.uuid().optional(),
      full: z.boolean().default(false),
    }),
    answers: { 202: claimSchema },
    handle: async ({ broker, principal, params, body }) => {
      const ask = { ...body, userId: body.userId ?? principal.userId }
      const { task, desktop } = await desktopClone(broker, principal, params.id, ask)
      return accepted({ task, desktop })
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/actions/{name}',
    operationId: 'desktopsAct',
    summary: 'The same action for many desktops: what came of each, and a receipt of all',
    permission: 'self',
    params: z.object({ name: z.enum(desktopActions) }),
    body: z.object({ ids: z.array(z.uuid()).min(1).max(500) }),
    answers: {
      202: z.object({
        task: taskSchema,
        results: z.array(
          z
            .object({ id: z.uuid(), task: taskSchema.nullable(), error: troubleSchema.nullable() })
            .openapi('BulkResult'),
        ),
      }),
    },
    handle: async ({ broker, principal, params, body }) => {
      const { task, results } = await desktopsAct(broker, principal, params.name, body.ids)
      return accepted({ task, results })
    },
  }),
]
