import { z } from '@hono/zod-openapi'
import { hostEvents, hostHistory, hostLossList } from '../broker/host-history.ts'
import { idParams, listOf, numberedPageQuery, route, timestamp } from './route.ts'

const eventSchema = z
  .object({
    id: z.string(),
    at: timestamp,
    what: z.enum(hostEvents),
    /** Desktops, tries or, of a silence, seconds, as the event has it; null: it counts nothing. */
    amount: z.number().int().nullable(),
    /** In the words of whoever said it; empty when the event says it all. */
    reason: z.string(),
    /** Null: by itself. */
    userName: z.string().nullable(),
  })
  .openapi('HostEvent')

const lossSchema = z
  .object({
    id: z.string(),
    hostId: z.uuid(),
    hostName: z.string(),
    at: timestamp,
    /** When it was heard again; null: it has not been. */
    backAt: timestamp.nullable(),
    /** Desktops that returned on other hosts. */
    returned: z.number().int(),
    /** Desktops that wait for it, or for what they need to return elsewhere. */
    waiting: z.number().int(),
  })
  .openapi('HostLoss')

export const hostHistoryRoutes = [
  route({
    method: 'get',
    path: '/api/v1/hosts/{id}/history',
    operationId: 'hostHistory',
    summary: 'What a host went through and what was done about it, newest first; kept for a year',
    permission: 'host.read',
    params: idParams,
    query: numberedPageQuery,
    answers: { 200: listOf(eventSchema) },
    handle: async ({ broker, principal, params, query }) => ({
      status: 200,
      body: await hostHistory(broker, principal, params.id, query),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/host-losses',
    operationId: 'hostLossList',
    summary: 'Hosts that were lost in the last 24 hours, and what became of their desktops, newest first',
    permission: 'host.read',
    answers: { 200: listOf(lossSchema) },
    handle: async ({ broker, principal }) => ({ status: 200, body: await hostLossList(broker, principal) }),
  }),
]
