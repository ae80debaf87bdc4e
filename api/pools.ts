import { z } from '@hono/zod-openapi'
import { desktopClaimFor } from '../broker/assignments.ts'
import { entitlementGet, entitlementSet } from '../broker/entitlements.ts'
import { poolCreate, poolDelete, poolGet, poolList, poolUpdate } from '../broker/pools.ts'
import { customiseAskSchema, customiseSchema } from './customisation.ts'
import { desktopSchema } from './desktops.ts'
import { hardwareSchema } from './hardware.ts'
import { interfaceSchema, vlanSchema } from './interfaces.ts'
import { actionSchema, flag, idParams, listOf, nameSchema, pageQuery, route, timestamp } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'
import { textLines } from './texts.ts'

/** Validated further where it is written: CIDRs, ports, and which fields go together. */
export const networkSchema = z
  .object({
    /** `nat` and `routed` reach the world, `bridge` puts desktops on a network of the hosts, `isolated` reaches nothing. */
    mode: z.enum(['nat', 'routed', 'bridge', 'isolated']),
    /** Only for `bridge`: a bridge or VLAN interface of the hosts, or a network that clusters say where they have it. */
    interface: interfaceSchema.optional(),
    vlan: vlanSchema.optional(),
    /** Desktops of this pool on the same host see each other; not for `isolated`. */
    neighbours: z.boolean().optional(),
    /** Only these may be reached; empty or absent: whatever the mode allows. */
    allow: z
      .array(
        z.object({
          cidr: z.string().max(18),
          protocol: z.enum(['tcp', 'udp', 'icmp']).optional(),
          /** `443` or `8000-8100`, comma separated; only with tcp or udp. */
          ports: z.string().max(200).optional(),
        }),
      )
      .max(100)
      .optional(),
  })
  .openapi('PoolNetwork')

const poolSettings = z.object({
  name: nameSchema,
  description: textLines(500),
  kind: z.enum(['floating', 'persistent']),
  templateId: z.uuid(),
  /** null: always the newest sealed version. */
  templateVersion: z.number().int().positive().nullable(),
  minSize: z.number().int().min(0).max(10_000),
  maxSize: z.number().int().min(0).max(10_000),
  /** Running, unclaimed desktops kept ready. */
  warm: z.number().int().min(0).max(10_000),
  /** Made, stopped desktops kept besides. */
  cold: z.number().int().min(0).max(10_000),
  maxPerUser: z.number().int().min(1).max(100),
  /** Unset fields come from the template. */
  hardware: hardwareSchema.partial(),
  start: z.enum(['boot']),
  enabled: z.boolean(),
  /** Where its desktops may be; empty: any cluster. */
  clusterIds: z.array(z.uuid()).max(100),
  /** How hosts are filled; null: as each cluster does. */
  placement: z.enum(['spread', 'pack', 'balanced']).nullable(),
  /**
   * `together`: on as few hosts as hold them; `apart`: on as many as there are, evenly. `onlyTogether` and `onlyApart` are
   * no preferences: all on one host, or never two on one; what finds no such host is not placed, and says so.
   */
  affinity: z.enum(['none', 'together', 'apart', 'onlyTogether', 'onlyApart']),
  /** Tags a host must have: a GPU, a dongle. */
  needs: z.array(nameSchema).max(50),
  network: networkSchema,
  /** When a host is lost: start its desktops elsewhere as soon as that is safe, or wait for the host. */
  ha: z.enum(['restart', 'wait']),
  /** What is run in its guests before anybody gets them; null: nothing. Changed, it holds for what nobody has yet. */
  customise: customiseAskSchema.nullable(),
})

export const poolSchema = poolSettings
  .extend({
    id: z.uuid(),
    templateName: z.string(),
    /** The version new desktops are made from; null while none is sealed. */
    currentVersion: z.number().int().nullable(),
    hardware: hardwareSchema,
    /** `restrained`: too many failures, refilling pauses until `restrainedUntil`. */
    status: z.enum(['ok', 'filling', 'waiting', 'restrained', 'disabled', 'removing']),
    statusText: z.string(),
    restrainedUntil: timestamp.nullable(),
    counts: z.object({
      total: z.number().int(),
      ready: z.number().int(),
      starting: z.number().int(),
      stopped: z.number().int(),
      assigned: z.number().int(),
      connected: z.number().int(),
      failed: z.number().int(),
      recycling: z.number().int(),
    }),
    /** What a claim would wait for now, from past starts; 0 when one is ready; null when unknown. */
    estimateMs: z.number().int().nullable(),
    /** What an administrator should know of these settings; told of one pool, not in lists. */
    warnings: z.array(z.string()),
    /** Told of one pool, to its administrators. */
    customise: customiseSchema.nullable(),
    actions: z.array(actionSchema),
    createdAt: timestamp,
  })
  .openapi('Pool')

const count = z.number().int()

/** What a change comes to, said before it is made. */
export const poolChangesSchema = z
  .object({
    /** Of each setting that changes: when it holds, and for how many of the desktops that are there. */
    fields: z.array(
      z.object({
        field: z.string(),
        applies: z.array(
          z.object({
            when: z.enum(['now', 'nextClaim', 'atGiveBack', 'nextStart', 'nextMade', 'never']),
            desktops: count,
          }),
        ),
      }),
    ),
    /** What is done to come to the sizes that are wished. */
    resize: z.object({
      make: count,
      start: count,
      stop: count,
      remake: count,
      /** Names; only such that nobody has. */
      remove: z.array(z.string()),
      /** Desktops that people have beyond the largest size: they stay. */
      over: count,
      /** Of those to be made, how many find no host now; why. */
      short: count,
      shortReason: z.string().nullable(),
    }),
  })
  .openapi('PoolChanges')

const poolCreateBody = poolSettings
  .partial()
  .required({ name: true, kind: true, templateId: true })
  .openapi('PoolCreate')

export const claimSchema = z.object({ task: taskSchema, desktop: desktopSchema })

export const entitlementSchema = z
  .object({ everyone: z.boolean(), userIds: z.array(z.uuid()), groupIds: z.array(z.uuid()) })
  .openapi('Entitlements')

export const poolRoutes = [
  route({
    method: 'get',
    path: '/api/v1/pools',
    operationId: 'poolList',
    summary: 'Pools: those you may use, or all for administrators (`?usable=true` narrows)',
    permission: 'self',
    query: pageQuery.extend({
      name: z.string().optional(),
      /** Part of a name. */
      search: z.string().trim().max(100).optional(),
      usable: flag().optional(),
    }),
    answers: { 200: listOf(poolSchema) },
    handle: async ({ broker, principal, query }) => ({ status: 200, body: await poolList(broker, principal, query) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/pools/{id}',
    operationId: 'poolGet',
    summary: 'One pool',
    permission: 'self',
    params: idParams,
    answers: { 200: poolSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await poolGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/pools',
    operationId: 'poolCreate',
    summary: 'Make a pool of desktops from a template',
    permission: 'pool.write',
    body: poolCreateBody,
    answers: { 201: poolSchema },
    handle: async ({ broker, principal, body }) => ({ status: 201, body: await poolCreate(broker, principal, body) }),
  }),
  route({
    method: 'patch',
    path: '/api/v1/pools/{id}',
    operationId: 'poolUpdate',
    summary:
      'Change a pool; `changes` says what of it holds when and for how many desktops, and what is made and removed for it; `?dryRun=true` only says so',
    permission: 'pool.write',
    params: idParams,
    query: z.object({
      /** Changes nothing: the answer says what would. */
      dryRun: flag().default(false),
    }),
    body: poolSettings.omit({ kind: true, templateId: true }).partial(),
    answers: { 200: poolSchema.extend({ changes: poolChangesSchema }) },
    handle: async ({ broker, principal, params, query, body }) => ({
      status: 200,
      body: await poolUpdate(broker, principal, params.id, body, query.dryRun),
    }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/pools/{id}',
    operationId: 'poolDelete',
    summary: 'Remove a pool with its desktops; refused while people have desktops in it, unless forced',
    permission: 'pool.write',
    params: idParams,
    query: z.object({ force: flag().default(false) }),
    answers: { 202: z.object({ task: taskSchema }) },
    handle: async ({ broker, principal, params, query }) => {
      const task = await poolDelete(broker, principal, params.id, query.force)
      return accepted({ task })
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/pools/{id}/claim',
    operationId: 'poolClaim',
    summary: 'Get a desktop of this pool: your own if you have one, else the readiest',
    permission: 'desktop.use',
    params: idParams,
    query: z.object({
      /** One more although you have one, up to the pool's limit per person. */
      another: flag().default(false),
    }),
    answers: { 200: claimSchema, 202: claimSchema },
    handle: async ({ broker, principal, params, query }) => {
      const { task, desktop } = await desktopClaimFor(broker, principal, params.id, query.another)
      const headers = { location: `/api/v1/tasks/${task.id}` }
      return { status: task.state === 'succeeded' ? 200 : 202, body: { task, desktop }, headers }
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/pools/{id}/entitlements',
    operationId: 'entitlementGet',
    summary: 'Who may use this pool',
    permission: 'pool.read',
    params: idParams,
    answers: { 200: entitlementSchema },
    handle: async ({ broker, params }) => ({ status: 200, body: await entitlementGet(broker, params.id) }),
  }),
  route({
    method: 'put',
    path: '/api/v1/pools/{id}/entitlements',
    operationId: 'entitlementSet',
    summary: 'Say who may use this pool; what is not named may not',
    permission: 'entitlement.write',
    params: idParams,
    body: entitlementSchema.partial(),
    answers: { 200: entitlementSchema },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await entitlementSet(broker, principal, params.id, body),
    }),
  }),
]
