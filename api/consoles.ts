import { z } from '@hono/zod-openapi'
import { desktopConsole } from '../broker/consoles.ts'
import { idParams, route, timestamp } from './route.ts'

export const consoleRoutes = [
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/console',
    operationId: 'desktopConsole',
    secret: true,
    summary: 'A ticket to the desktop’s serial console, good once and for 60 seconds; whoever has the console loses it',
    permission: 'desktop.write',
    params: idParams,
    answers: {
      200: z.object({
        /** Bytes both ways, as a terminal sends and shows them. */
        webSocketUrl: z.string(),
        expiresAt: timestamp,
      }),
    },
    handle: async ({ broker, principal, params, origin, signal }) => ({
      status: 200,
      body: await desktopConsole(broker, principal, params.id, { origin, signal }),
    }),
  }),
]
