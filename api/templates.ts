import { z } from '@hono/zod-openapi'
import {
  templateCreate,
  templateDelete,
  templateGet,
  templateList,
  templateUpdate,
  versionAdd,
  versionDelete,
  versionNote,
  versionRetry,
} from '../broker/templates.ts'
import { answersAskSchema, answersSchema } from './customisation.ts'
import { hardwareSchema } from './hardware.ts'
import {
  actionSchema,
  idParams,
  listOf,
  nameSchema,
  pageQuery,
  route,
  timestamp,
  troubleSchema,
  versionParams,
} from './route.ts'
import { accepted, taskSchema } from './tasks.ts'
import { textLines } from './texts.ts'

export const recipes = ['tiny', 'desktop'] as const
export const uploadFormats = ['qcow2', 'raw', 'vmdk', 'vdi', 'vpc', 'vhdx', 'iso', 'ova', 'hdcs'] as const
export const exportFormats = ['hdcs', 'ova', 'qcow2', 'raw', 'vmdk'] as const

const recipeSchema = z.object({ kind: z.literal('recipe'), recipe: z.enum(recipes) })
/** An empty disk, for machines that are installed from a medium or come with a disk of their own. */
const blankSchema = z.object({ kind: z.literal('blank') })
const uploadSchema = z.object({
  kind: z.literal('upload'),
  format: z.enum(uploadFormats),
  sizeBytes: z.number().int().positive(),
  /** Of the file as uploaded, lower-case hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 checksum: 64 hexadecimal digits in lower case'),
})
const desktopSchema = z.object({
  kind: z.literal('desktop'),
  desktopId: z.uuid(),
  /** Without what makes it this machine: machine id, host keys, host name, leases, logs, histories. */
  seal: z.boolean().default(true),
})

/** Built on the host from Debian packages; or uploaded (`PUT …/upload` follows); or made of a desktop's disk as it is. */
const sourceAskSchema = z.discriminatedUnion('kind', [recipeSchema, blankSchema, uploadSchema, desktopSchema])
const sourceSchema = z.discriminatedUnion('kind', [
  recipeSchema,
  blankSchema,
  uploadSchema,
  z.object({ ...desktopSchema.shape, desktopName: z.string(), seal: z.boolean() }),
])

export const versionSchema = z
  .object({
    id: z.uuid(),
    number: z.number().int(),
    /** `uploading` waits for the file; `sealed` can be used; `failed` says why in `trouble`. */
    state: z.enum(['uploading', 'making', 'sealed', 'failed']),
    progress: z.number().int(),
    text: z.string(),
    source: sourceSchema,
    notes: z.string(),
    virtualBytes: z.number().int().nullable(),
    storedBytes: z.number().int().nullable(),
    sha256: z.string().nullable(),
    desktops: z.number().int(),
    /** Of one that not every cluster makes by itself: the clusters that have it or get it. */
    copies: z.array(
      z.object({
        clusterId: z.uuid(),
        clusterName: z.string(),
        state: z.enum(['waiting', 'copying', 'ready', 'failed']),
        progress: z.number().int(),
        text: z.string(),
        trouble: troubleSchema.nullable(),
        bytesPerSecond: z.number().int().nullable(),
        actions: z.array(actionSchema),
      }),
    ),
    /** Files of it to take away. */
    exports: z.array(
      z.object({
        format: z.enum(exportFormats),
        state: z.enum(['making', 'ready', 'failed']),
        progress: z.number().int(),
        text: z.string(),
        sizeBytes: z.number().int().nullable(),
        sha256: z.string().nullable(),
        trouble: troubleSchema.nullable(),
        /** When it goes by itself. */
        expiresAt: timestamp.nullable(),
        actions: z.array(actionSchema),
      }),
    ),
    trouble: troubleSchema.nullable(),
    createdAt: timestamp,
    actions: z.array(actionSchema),
  })
  .openapi('TemplateVersion')

export const templateSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    description: z.string(),
    hardware: hardwareSchema,
    readyWhen: z.enum(['agent', 'running']),
    /** What Windows Setup is answered in guests of pools that follow it. Shown to administrators only. */
    answers: answersSchema.nullable(),
    versions: z.array(versionSchema),
    pools: z.number().int(),
    desktops: z.number().int(),
    createdAt: timestamp,
    actions: z.array(actionSchema),
  })
  .openapi('Template')

const versionBody = z.object({ source: sourceAskSchema, notes: textLines(2000).default('') })
const withTask = z.object({ template: templateSchema, task: taskSchema })

export const templateRoutes = [
  route({
    method: 'get',
    path: '/api/v1/templates',
    operationId: 'templateList',
    summary: 'Templates with their versions',
    permission: 'template.read',
    query: pageQuery.extend({ name: z.string().optional() }),
    answers: { 200: listOf(templateSchema) },
    handle: async ({ broker, principal, query }) => ({
      status: 200,
      body: await templateList(broker, principal, query),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/templates/{id}',
    operationId: 'templateGet',
    summary: 'One template',
    permission: 'template.read',
    params: idParams,
    answers: { 200: templateSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await templateGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/templates',
    operationId: 'templateCreate',
    summary: 'A new template with its first version: built by recipe, waiting for an upload, or made of a desktop',
    permission: 'template.write',
    body: versionBody.extend({
      name: nameSchema,
      description: textLines(500).default(''),
      hardware: hardwareSchema.partial().default({}),
      /** Unless given: as the desktop that it is made of, else `agent`. */
      readyWhen: z.enum(['agent', 'running']).optional(),
    }),
    answers: { 202: withTask },
    handle: async ({ broker, principal, body }) => accepted(await templateCreate(broker, principal, body)),
  }),
  route({
    method: 'patch',
    path: '/api/v1/templates/{id}',
    operationId: 'templateUpdate',
    summary:
      'Change description, default hardware, and what Windows Setup is answered: pools that follow it make what nobody has anew',
    permission: 'template.write',
    params: idParams,
    body: z
      .object({
        description: textLines(500),
        hardware: hardwareSchema.partial(),
        /** Null: none. Absent `password`, `productKey`: those that are kept; null: none. They are never told. */
        answers: answersAskSchema.nullable(),
      })
      .partial(),
    answers: { 200: templateSchema },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await templateUpdate(broker, principal, params.id, body),
    }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/templates/{id}',
    operationId: 'templateDelete',
    summary: 'Remove a template; refused while a pool or a desktop uses it',
    permission: 'template.write',
    params: idParams,
    answers: { 204: null },
    handle: async ({ broker, principal, params }) => {
      await templateDelete(broker, principal, params.id)
      return { status: 204, body: undefined }
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/templates/{id}/versions',
    operationId: 'versionAdd',
    summary: 'A new version: built by recipe, waiting for an upload, or made of a desktop',
    permission: 'template.write',
    params: idParams,
    body: versionBody,
    answers: { 202: withTask },
    handle: async ({ broker, principal, params, body }) =>
      accepted(await versionAdd(broker, principal, params.id, body)),
  }),
  route({
    method: 'post',
    path: '/api/v1/templates/{id}/versions/{number}/retry',
    operationId: 'versionRetry',
    summary: 'Make a failed version anew',
    permission: 'template.write',
    params: versionParams,
    answers: { 202: withTask },
    handle: async ({ broker, principal, params }) =>
      accepted(await versionRetry(broker, principal, params.id, params.number)),
  }),
  route({
    method: 'patch',
    path: '/api/v1/templates/{id}/versions/{number}',
    operationId: 'versionUpdate',
    summary: 'Change the notes of a version; its image never changes',
    permission: 'template.write',
    params: versionParams,
    body: z.object({ notes: textLines(2000) }),
    answers: { 200: templateSchema },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await versionNote(broker, principal, params.id, params.number, body.notes),
    }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/templates/{id}/versions/{number}',
    operationId: 'versionDelete',
    summary: 'Remove a version; refused while a desktop stands on it',
    permission: 'template.write',
    params: versionParams,
    answers: { 200: templateSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await versionDelete(broker, principal, params.id, params.number),
    }),
  }),
]
