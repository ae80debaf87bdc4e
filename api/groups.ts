import { z } from '@hono/zod-openapi'
import { groupCreate, groupDelete, groupGet, groupList, groupUpdate } from '../auth/groups.ts'
import { idParams, listOf, nameSchema, pageQuery, route, timestamp } from './route.ts'
import { textLines } from './texts.ts'

export const groupSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    description: z.string(),
    members: z.array(z.object({ id: z.uuid(), name: z.string(), displayName: z.string() })),
    createdAt: timestamp,
  })
  .openapi('Group')

const settings = z.object({
  name: nameSchema,
  description: textLines(500),
  /** All members; whoever is not named is out. */
  userIds: z.array(z.uuid()).max(10_000),
})

export const groupRoutes = [
  route({
    method: 'get',
    path: '/api/v1/groups',
    operationId: 'groupList',
    summary: 'Groups with their members, by name',
    permission: 'user.read',
    query: pageQuery.extend({ name: z.string().optional() }),
    answers: { 200: listOf(groupSchema) },
    handle: async ({ auth, query }) => ({ status: 200, body: await groupList(auth, query) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/groups/{id}',
    operationId: 'groupGet',
    summary: 'One group',
    permission: 'user.read',
    params: idParams,
    answers: { 200: groupSchema },
    handle: async ({ auth, params }) => ({ status: 200, body: await groupGet(auth, params.id) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/groups',
    operationId: 'groupCreate',
    summary: 'Make a group',
    permission: 'user.write',
    body: settings.extend({
      description: settings.shape.description.default(''),
      userIds: settings.shape.userIds.default([]),
    }),
    answers: { 201: groupSchema },
    handle: async ({ auth, body }) => {
      const group = await groupCreate(auth, body)
      return { status: 201, body: group, headers: { location: `/api/v1/groups/${group.id}` } }
    },
  }),
  route({
    method: 'patch',
    path: '/api/v1/groups/{id}',
    operationId: 'groupUpdate',
    summary: 'Change a group or its members',
    permission: 'user.write',
    params: idParams,
    body: settings.partial(),
    answers: { 200: groupSchema },
    handle: async ({ auth, params, body }) => ({ status: 200, body: await groupUpdate(auth, params.id, body) }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/groups/{id}',
    operationId: 'groupDelete',
    summary: 'Remove a group; its members stay, pools given to it are no longer theirs',
    permission: 'user.write',
    params: idParams,
    answers: { 204: null },
    handle: async ({ auth, params }) => {
      await groupDelete(auth, params.id)
      return { status: 204, body: undefined }
    },
  }),
]
