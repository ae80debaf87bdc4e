import { z } from '@hono/zod-openapi'
import { permissions, policy, roles } from '../auth/policy.ts'
import { userCreate, userDelete, userGet, userList, userPasswordReset, userUpdate } from '../auth/users.ts'
import { desktopsGiveBack } from '../broker/giving-back.ts'
import { passwordLeast } from '../lib/config.ts'
import { actionSchema, flag, idParams, listOf, pageQuery, route, timestamp } from './route.ts'
import { textLine } from './texts.ts'

/** What people sign in with; capitals are the same person. */
const personName = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[a-z0-9]([a-z0-9._@-]{0,62}[a-z0-9])?$/, 'letters, digits and . _ @ - inside, 64 at most')
export const displayNameSchema = textLine(100).min(1)
export const passwordSchema = z.string().min(passwordLeast).max(1000)
const roleSchema = z.enum(roles)

export const userSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    displayName: z.string(),
    email: z.string().nullable(),
    roles: z.array(roleSchema),
    disabled: z.boolean(),
    /** Somebody else chose or saw the password: ask for a new one. */
    passwordTemporary: z.boolean(),
    groups: z.array(z.object({ id: z.uuid(), name: z.string() })),
    createdAt: timestamp,
    lastSeenAt: timestamp.nullable(),
    actions: z.array(actionSchema),
  })
  .openapi('User')

const settings = z.object({
  displayName: displayNameSchema,
  email: z.email().max(200).nullable(),
  roles: z.array(roleSchema),
  disabled: z.boolean(),
})

/** Shown once: it is kept nowhere but as a hash. */
const generatedPassword = z
  .string()
  .nullable()
  .openapi({ description: 'The generated password, shown only now; null when one was given' })

export const userRoutes = [
  route({
    method: 'get',
    path: '/api/v1/users',
    operationId: 'userList',
    summary: 'People, by name',
    permission: 'user.read',
    query: pageQuery.extend({
      name: z.string().optional(),
      /** Part of a name or address. */
      search: z.string().trim().max(100).optional(),
      role: roleSchema.optional(),
      groupId: z.uuid().optional(),
    }),
    answers: { 200: listOf(userSchema) },
    handle: async ({ auth, principal, query }) => ({ status: 200, body: await userList(auth, principal, query) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/users/{id}',
    operationId: 'userGet',
    summary: 'One person',
    permission: 'user.read',
    params: idParams,
    answers: { 200: userSchema },
    handle: async ({ auth, principal, params }) => ({ status: 200, body: await userGet(auth, principal, params.id) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/users',
    operationId: 'userCreate',
    summary: 'Add a person; without a password one is generated and shown once',
    permission: 'user.write',
    body: settings.partial().extend({
      name: personName,
      password: passwordSchema.optional(),
      roles: z.array(roleSchema).default(['person']),
      disabled: z.boolean().default(false),
    }),
    answers: { 201: userSchema.extend({ password: generatedPassword }) },
    secret: true,
    handle: async ({ auth, principal, body }) => {
      const { user, password } = await userCreate(auth, principal, body)
      return { status: 201, body: { ...user, password }, headers: { location: `/api/v1/users/${user.id}` } }
    },
  }),
  route({
    method: 'patch',
    path: '/api/v1/users/{id}',
    operationId: 'userUpdate',
    summary: 'Change a person; disabling ends their sessions and tokens',
    permission: 'user.write',
    params: idParams,
    body: settings.partial(),
    answers: { 200: userSchema },
    handle: async ({ auth, principal, params, body }) => ({
      status: 200,
      body: await userUpdate(auth, principal, params.id, body),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/users/{id}/password',
    operationId: 'userPasswordReset',
    summary: 'Set a new password, or have one generated; ends the person’s sessions and tokens',
    permission: 'user.write',
    params: idParams,
    body: z.object({ password: passwordSchema.optional() }),
    answers: { 200: z.object({ password: generatedPassword }) },
    secret: true,
    handle: async ({ auth, principal, params, body }) => ({
      status: 200,
      body: await userPasswordReset(auth, principal, params.id, body.password),
    }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/users/{id}',
    operationId: 'userDelete',
    summary: 'Remove a person; refused while they have desktops, unless forced',
    permission: 'user.write',
    params: idParams,
    query: z.object({ force: flag().default(false) }),
    answers: { 204: null },
    handle: async ({ auth, broker, principal, params, query }) => {
      await userDelete(auth, principal, params.id, {
        force: query.force,
        release: () => desktopsGiveBack(broker, principal, params.id),
      })
      return { status: 204, body: undefined }
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/roles',
    operationId: 'roleList',
    summary: 'Roles and what each may do',
    permission: 'self',
    answers: {
      200: z.object({ items: z.array(z.object({ name: roleSchema, permissions: z.array(z.enum(permissions)) })) }),
    },
    handle: async () => ({
      status: 200,
      body: { items: roles.map(name => ({ name, permissions: [...policy[name]] })) },
    }),
  }),
]
