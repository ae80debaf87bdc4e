import { z } from '@hono/zod-openapi'
import { permissions as permissionNames, permissionsOf } from '../auth/policy.ts'
import { signIn, signOut } from '../auth/sign-in.ts'
import { ownUpdate, type UserView, userGet } from '../auth/users.ts'
import { HdcsError } from '../lib/errors.ts'
import { sessionCookie } from './guard.ts'
import { route, timestamp } from './route.ts'
import { displayNameSchema, passwordSchema, userSchema } from './users.ts'

/** The person with what they may do: pages hide what is not in it. */
export const meSchema = userSchema.extend({ permissions: z.array(z.enum(permissionNames)) }).openapi('Me')

/**
 * Lax: a link from a mail opens the portal signed in, a foreign page's form does not. No Max-Age: it ends with the
 * browser; how long it opens anything, the server decides.
 */
function cookieOf(value: string, origin: string, more = ''): string {
  const secure = origin.startsWith('https:') ? '; Secure' : ''
  return `${sessionCookie}=${value}; Path=/; HttpOnly; SameSite=Lax${secure}${more}`
}

export const loginRoutes = [
  route({
    method: 'post',
    path: '/api/v1/login',
    operationId: 'login',
    summary: 'Sign in: a token for programs, and the same as a cookie for browsers',
    permission: 'public',
    body: z.object({
      name: z.string().min(1).max(200),
      password: z.string().min(1).max(1000),
      /** For accounts with a second factor. */
      otp: z.string().max(20).optional(),
    }),
    answers: { 200: z.object({ token: z.string(), expiresAt: timestamp, user: meSchema }) },
    secret: true,
    handle: async ({ auth, body, clientAddress, origin }) => {
      const { token, expiresAt, userId } = await signIn(auth, { ...body, clientAddress })
      const principal = await auth.principals.find(token)
      if (!principal) throw new HdcsError('unauthenticated', 'The account was closed in this moment.')
      const user = await userGet(auth, principal, userId)
      return {
        status: 200,
        body: { token, expiresAt: expiresAt.toISOString(), user: withPermissions(user) },
        headers: { 'set-cookie': cookieOf(token, origin) },
      }
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/logout',
    operationId: 'logout',
    summary: 'Sign out: the token behind this request opens nothing any more',
    permission: 'self',
    answers: { 204: null },
    handle: async ({ auth, principal, origin }) => {
      await signOut(auth, principal)
      return { status: 204, body: undefined, headers: { 'set-cookie': cookieOf('', origin, '; Max-Age=0') } }
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/me',
    operationId: 'meGet',
    summary: 'Who you are and what you may do',
    permission: 'self',
    answers: { 200: meSchema },
    handle: async ({ auth, principal }) => ({
      status: 200,
      body: withPermissions(await userGet(auth, principal, principal.userId)),
    }),
  }),
  route({
    method: 'patch',
    path: '/api/v1/me',
    operationId: 'meUpdate',
    summary: 'Change your shown name or your password; a new password ends your other sessions',
    permission: 'self',
    body: z
      .object({
        displayName: displayNameSchema,
        password: z.object({ old: z.string().max(1000), new: passwordSchema }),
      })
      .partial(),
    answers: { 200: meSchema },
    handle: async ({ auth, principal, body }) => ({
      status: 200,
      body: withPermissions(await ownUpdate(auth, principal, body)),
    }),
  }),
]

function withPermissions(user: UserView): z.input<typeof meSchema> {
  return { ...user, permissions: [...permissionsOf(user.roles)] }
}
