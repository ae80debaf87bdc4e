import { z } from '@hono/zod-openapi'
import { screenGet, screenOpen } from '../broker/screens.ts'
import { desktopScreenshot } from '../broker/screenshots.ts'
import { connectSchema } from './desktops.ts'
import { byteStream, idParams, route, timestamp } from './route.ts'

export const screenRoutes = [
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/screen',
    operationId: 'screenGet',
    summary: 'Who looks at the desktop’s screen now: it is shown to one at a time',
    permission: 'desktop.read',
    params: idParams,
    answers: {
      200: z.object({
        /** Nameless: somebody who came past HDCS. */
        holder: z
          .object({
            userId: z.uuid().nullable(),
            userName: z.string().nullable(),
            since: timestamp.nullable(),
            /** As an administrator, not as its person. */
            administrator: z.boolean(),
          })
          .nullable(),
      }),
    },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await screenGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/screen',
    operationId: 'screenOpen',
    secret: true,
    summary:
      'An administrator’s ticket to the screen of any machine that runs, good for 60 seconds before its first use',
    permission: 'desktop.write',
    params: idParams,
    body: z.object({
      /** Somebody looks at it: they lose it by this, and are told why. Refused without this. */
      take: z.boolean().default(false),
      /** As of `connect`. */
      resume: z.uuid().optional(),
    }),
    answers: {
      200: connectSchema.omit({ viewerFileUrl: true }).extend({
        /** For remote-viewer: the same ticket, which opens one of the two. */
        viewerFile: z.string(),
      }),
    },
    handle: async ({ broker, principal, params, body, origin }) => ({
      status: 200,
      body: await screenOpen(broker, principal, params.id, origin, body),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/screenshot',
    operationId: 'screenshotGet',
    summary: 'What the screen of a machine that runs shows, taken now; `Age` says how many seconds ago',
    permission: 'desktop.write',
    params: idParams,
    produces: 'image/png',
    answers: { 200: byteStream },
    handle: async ({ broker, principal, params }) => {
      const { png, ageSeconds } = await desktopScreenshot(broker, principal, params.id)
      return { status: 200, body: new Blob([new Uint8Array(png)]).stream(), headers: { age: `${ageSeconds}` } }
    },
  }),
]
