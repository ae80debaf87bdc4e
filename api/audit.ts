import { z } from '@hono/zod-openapi'
import { trailList } from '../auth/audit.ts'
import { idCursor, listOf, pageQuery, route, timestamp } from './route.ts'

const auditSchema = z
  .object({
    id: z.uuid(),
    at: timestamp,
    userId: z.uuid().nullable(),
    /** Of a failed sign-in: the name that was tried. */
    userName: z.string().nullable(),
    address: z.string(),
    /** The operation of this document that was asked for. */
    action: z.string(),
    subjectType: z.string().nullable(),
    subjectId: z.string().nullable(),
    /** `ok`, or the code of the refusal. */
    outcome: z.string(),
    detail: z.record(z.string(), z.unknown()),
    requestId: z.string(),
  })
  .openapi('AuditEntry')

const moment = z.iso.datetime({ offset: true }).transform(text => new Date(text))

export const auditRoutes = [
  route({
    method: 'get',
    path: '/api/v1/audit',
    operationId: 'auditList',
    summary: 'Who did or tried what: every write and every refused attempt, newest first',
    permission: 'audit.read',
    query: pageQuery.extend({
      cursor: idCursor.optional(),
      userId: z.uuid().optional(),
      action: z.string().optional(),
      subjectType: z.string().optional(),
      subjectId: z.string().optional(),
      /** `ok`, `refused`, or one code. */
      outcome: z.string().optional(),
      from: moment.optional(),
      to: moment.optional(),
    }),
    answers: { 200: listOf(auditSchema) },
    handle: async ({ auth, query }) => ({ status: 200, body: await trailList(auth.db, query) }),
  }),
]
