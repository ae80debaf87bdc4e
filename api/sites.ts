import { z } from '@hono/zod-openapi'
import { siteCreate, siteDelete, siteGet, siteList, siteUpdate } from '../broker/sites.ts'
import { actionSchema, idParams, listOf, nameSchema, pageQuery, route, timestamp } from './route.ts'

const amountSchema = z
  .object({
    total: z.number(),
    /** Kept for the hosts themselves and for desktops on their way to them. */
    reserved: z.number(),
    /** By desktops that run or are about to. */
    used: z.number(),
    free: z.number(),
  })
  .openapi('Amount')

/** A resource pool: only hosts that are online count. */
export const resourcesSchema = z
  .object({
    /** Promised ones: more than there are cores (docs/capacity.md). */
    vcpus: amountSchema,
    memoryBytes: amountSchema,
    storageBytes: amountSchema,
    /** In desktops of the reference profile: 1 vCPU, 1 GiB. */
    desktops: amountSchema,
  })
  .openapi('Resources')

const count = z.number().int()
/** Desktops of each reference profile, were there nothing else: 1 vCPU and 1 GiB, 2 and 4, 4 and 8 (docs/capacity.md). */
export const capacitiesSchema = z.object({ light: count, office: count, power: count }).openapi('Capacities')

export const siteSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    clusters: z.number().int(),
    hosts: z.number().int(),
    resources: resourcesSchema,
    actions: z.array(actionSchema),
    createdAt: timestamp,
  })
  .openapi('Site')

const siteBody = z.object({ name: nameSchema })

export const siteRoutes = [
  route({
    method: 'get',
    path: '/api/v1/sites',
    operationId: 'siteList',
    summary: 'Sites with what their clusters have in all',
    permission: 'host.read',
    query: pageQuery.extend({ name: z.string().optional() }),
    answers: { 200: listOf(siteSchema) },
    handle: async ({ broker, principal, query }) => ({ status: 200, body: await siteList(broker, principal, query) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/sites/{id}',
    operationId: 'siteGet',
    summary: 'One site',
    permission: 'host.read',
    params: idParams,
    answers: { 200: siteSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await siteGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/sites',
    operationId: 'siteCreate',
    summary: 'Add a site: a place with clusters of its own',
    permission: 'host.write',
    body: siteBody,
    answers: { 201: siteSchema },
    handle: async ({ broker, principal, body }) => ({ status: 201, body: await siteCreate(broker, principal, body) }),
  }),
  route({
    method: 'patch',
    path: '/api/v1/sites/{id}',
    operationId: 'siteUpdate',
    summary: 'Give a site another name',
    permission: 'host.write',
    params: idParams,
    body: siteBody.partial(),
    answers: { 200: siteSchema },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await siteUpdate(broker, principal, params.id, body),
    }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/sites/{id}',
    operationId: 'siteDelete',
    summary: 'Remove a site; refused while clusters are in it',
    permission: 'host.write',
    params: idParams,
    answers: { 204: null },
    handle: async ({ broker, principal, params }) => {
      await siteDelete(broker, principal, params.id)
      return { status: 204, body: undefined }
    },
  }),
]
