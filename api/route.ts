/**
 * A route is a value: everything a reader, the document, the client and the rights table need stands in it, and its
 * handler calls one room. `app.ts` mounts routes, `openapi.ts` prints them, `client.ts` calls them.
 */

import { z } from '@hono/zod-openapi'
import type { Auth } from '../auth/auth.ts'
import type { Permission } from '../auth/policy.ts'
import type { Principal } from '../auth/principal.ts'
import type { Broker } from '../broker/broker.ts'
import { nameInCursor, unknownCursor } from '../lib/cursors.ts'
import { strictly } from './strict-body.ts'

type Schema = z.ZodType
/** Status → body schema; null for no body. */
type Answers = Partial<Record<200 | 201 | 202 | 204 | 206 | 416, Schema | null>>
type Output<S> = S extends Schema ? z.output<S> : undefined
type InputOf<S> = S extends Schema ? z.output<S> : Record<string, never>

export type Answer<A extends Answers> = {
  [S in keyof A]: { status: S; body: A[S] extends Schema ? z.input<A[S]> : undefined; headers?: Record<string, string> }
}[keyof A]

export interface Call<P, Q, B> {
  params: InputOf<P>
  query: InputOf<Q>
  body: Output<B>
  /** The body as it comes, of a route that `streams`; empty otherwise. */
  stream: ReadableStream<Uint8Array>
  /** Who asks. Public routes get a principal of nobody: `permissions` is empty. */
  principal: Principal
  broker: Broker
  auth: Auth
  /** Ends when the client goes away. */
  signal: AbortSignal
  requestId: string
  /** For the audit trail and rate limits. */
  clientAddress: string
  /** `http://host:port` as the client sees us. */
  origin: string
  /** One header of the request, by its lower-case name. */
  header(name: string): string | undefined
}

export interface Route<Id extends string = string, P = unknown, Q = unknown, B = unknown, A extends Answers = Answers> {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  path: `/api/v1/${string}`
  /** Noun first; also the name of the client's function and, with a dash, of the CLI's command. */
  operationId: Id
  summary: string
  permission: Permission | 'public'
  params?: P
  query?: Q
  body?: B
  answers: A
  /** The media type of an answer that is not JSON: its body is a text or a stream. */
  produces?: string
  /** The request's body may be of any size and type and is handed on as `call.stream`. */
  streams?: true
  /** The answer holds a secret that is shown once: it is never kept for a repeated request. */
  secret?: true
  /** A GET that changes something, because a link fetches it: no foreign page may have it asked for with our cookie. */
  acts?: true
  handle(call: Call<P, Q, B>): Promise<Answer<A>>
}

/** Any route, for those who walk over all of them: what it takes has been read by its own schemas. */
export interface AnyRoute
  extends Omit<
    Route<string, Schema | undefined, Schema | undefined, Schema | undefined, Partial<Record<number, Schema | null>>>,
    'handle'
  > {
  handle(call: Call<never, never, never>): Promise<{ status: number; body: unknown; headers?: Record<string, string> }>
}

/**
 * Infers the types of a route from its schemas; its operationId stays a literal, by which the client finds it.
 * Its query and its body take no fields but those they name.
 */
export function route<
  const Id extends string,
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | undefined = undefined,
  const A extends Answers = Answers,
>(value: Route<Id, P, Q, B, A>): Route<Id, P, Q, B, A> {
  return {
    ...value,
    ...(value.query && { query: strictly(value.query) }),
    ...(value.body && { body: strictly(value.body) }),
  }
}

/** A yes or no in a query: `?mine=true`. */
export const flag = () => z.stringbool().openapi({ type: 'boolean' })

/** A body that is a stream of bytes (`produces` says of what). */
export const byteStream = z
  .custom<ReadableStream<Uint8Array>>(value => value instanceof ReadableStream)
  .openapi({
    type: 'string',
    format: 'binary',
  })

export const idParams = z.object({ id: z.uuid() })
/** Of a template and one of its versions; the database counts no further. */
export const versionParams = idParams.extend({ number: z.coerce.number().int().positive().max(2_147_483_647) })
export const timestamp = z.iso.datetime().openapi({ description: 'RFC 3339, UTC' })
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'lower-case letters, digits and dashes, 40 at most')

/** `?limit=&cursor=` of a list by names. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z
    .string()
    .refine(cursor => nameInCursor(cursor) !== undefined, unknownCursor)
    .optional(),
})

/** The cursor of a list that goes by the ids of its lines. */
export const idCursor = z.uuid(unknownCursor)

/** Of a list that goes by the numbers of its lines. */
export const numberedPageQuery = pageQuery.extend({
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, unknownCursor)
    .optional(),
})

export const listOf = <S extends Schema>(item: S) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })

/** What may be done with a thing, each refused action with its reason: pages show it and decide nothing. */
export const actionSchema = z.object({ name: z.string(), allowed: z.boolean(), reason: z.string().optional() })

export const troubleSchema = z.object({ code: z.string(), text: z.string() })
