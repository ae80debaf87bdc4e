/** Stopped disks on their way between hosts: the one sends, the other fetches, and nothing stays here. */
import { z } from '@hono/zod-openapi'
import type { Context, Hono } from 'hono'
import { hostOfKey } from '../broker/agents.ts'
import type { Broker } from '../broker/broker.ts'
import { diskMeetings } from '../broker/moved-disks.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { problemResponse } from './errors.ts'

const path = '/api/v1/agents/disks/:moveId'
const keyOf = (authorization: string | undefined) => /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]

/** Adds the two requests to the app; they are for hosts and stand in no document. */
export function mountAgentDisks(app: Hono, broker: Broker): void {
  const meetings = diskMeetings(broker)

  const ofHost = (serve: (context: Context, hostId: string, moveId: string) => Promise<Response>) => {
    return async (context: Context) => {
      try {
        const host = await hostOfKey(broker, keyOf(context.req.header('authorization')))
        if (!host) throw new HdcsError('unauthenticated', 'Only hosts exchange disks: join first.')
        const moveId = z.uuid().safeParse(context.req.param('moveId'))
        if (!moveId.success) throw new HdcsError('not_found', 'That is no id of a move.')
        return await serve(context, host.id, moveId.data)
      } catch (error) {
        return problemResponse(asHdcsError(error), context.get('requestId'))
      }
    }
  }

  app.put(
    path,
    ofHost(async (context, hostId, moveId) => {
      const { body: content, signal } = context.req.raw
      const sizeBytes = Number(context.req.header('content-length') ?? Number.NaN)
      if (!content || !Number.isSafeInteger(sizeBytes))
        throw new HdcsError('invalid', 'A disk is sent with its content-length.')
      await meetings.send(hostId, moveId, { sizeBytes, content }, signal)
      return context.body(null, 204)
    }),
  )
  app.get(
    path,
    ofHost(async (context, hostId, moveId) => {
      const { content, sizeBytes } = await meetings.take(hostId, moveId, context.req.raw.signal)
      const headers = { 'content-type': 'application/octet-stream', 'content-length': `${sizeBytes}` }
      return context.body(content, 200, headers)
    }),
  )
}
