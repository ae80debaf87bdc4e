/** Machines and hosts in libvirt's own words, asked for when somebody wants to see them. */
import { z } from '@hono/zod-openapi'
import { desktopXml, hostXml } from '../broker/asking.ts'
import { idParams, route, timestamp } from './route.ts'

export const xmlRoutes = [
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/xml',
    operationId: 'desktopXml',
    summary: 'A desktop’s domain as libvirt has it in this moment, or as it would start; without passwords',
    permission: 'desktop.read',
    params: idParams,
    answers: {
      200: z.object({
        xml: z.string(),
        /** It runs; else this is what it would be started with. */
        live: z.boolean(),
        hostName: z.string().nullable(),
        readAt: timestamp,
      }),
    },
    handle: async ({ broker, principal, params, signal }) => ({
      status: 200,
      body: await desktopXml(broker, principal, params.id, signal),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/hosts/{id}/xml',
    operationId: 'hostXml',
    summary: 'A host’s capabilities and node as its libvirt says them in this moment',
    permission: 'host.read',
    params: idParams,
    answers: {
      200: z.object({
        capabilities: z.string(),
        node: z.object({
          model: z.string(),
          memoryKib: z.number().int(),
          cpus: z.number().int(),
          mhz: z.number().int(),
          nodes: z.number().int(),
          sockets: z.number().int(),
          cores: z.number().int(),
          threads: z.number().int(),
        }),
        readAt: timestamp,
      }),
    },
    handle: async ({ broker, params, signal }) => ({ status: 200, body: await hostXml(broker, params.id, signal) }),
  }),
]
