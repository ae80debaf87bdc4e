/** The doors of machines: a host joins, fetches uploaded images, and holds its one line to the control plane. */
import { stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { z } from '@hono/zod-openapi'
import type { Context, Hono } from 'hono'
import { WebSocketServer } from 'ws'
import type { Authority } from '../auth/authority.ts'
import { type AgentHub, hostOfKey, hostRemoved, removedHeader } from '../broker/agents.ts'
import type { Broker } from '../broker/broker.ts'
import { hostCertify } from '../broker/certificates.ts'
import { hostJoin, hostKnown } from '../broker/hosts.ts'
import { uploadPath } from '../broker/templates.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { networksInTheWay } from '../lib/routes.ts'
import { mountAgentDisks } from './agent-disks.ts'
import { mountAgentExports } from './agent-exports.ts'
import { readAgentMessage } from './agent-messages.ts'
import { readJson } from './body.ts'
import { problemResponse } from './errors.ts'
import { filePart } from './file-part.ts'

export const agentPath = '/api/v1/agent'

/** A full report of thousands of desktops is a few MiB; more is no report. */
const maxMessageBytes = 64 * 2 ** 20
/** An agent that does not answer pings is gone, whatever TCP says. Shorter: a stalled host reconnects in a loop. */
const pingMs = 5_000

/** A close frame has room for 123 bytes; ours is ASCII: names of fields and what they should hold. */
const maxReasonLength = 120

const hostNameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/)
const joinSchema = z.object({
  token: z.string().min(1).max(200),
  hostName: hostNameSchema,
  /** What the host's interfaces are in already: its desktops' subnet must touch none of it. */
  networks: z.array(z.cidrv4()).max(500).default([]),
  /** And those of desktops, by bridge: it had ours already if it was a host of this installation. */
  bridges: z
    .array(z.object({ name: z.string().max(15), network: z.cidrv4() }))
    .max(500)
    .default([]),
  /** 32 bytes of its own making, base64url, which it keeps: asked again with it, it is the host that it became before. */
  key: z
    .string()
    .regex(/^[\w-]{43}$/)
    .optional(),
})

const certificateSchema = z.object({
  /** PEM, PKCS #10. */
  request: z.string().max(20_000),
  hostName: hostNameSchema,
  addresses: z.array(z.union([z.ipv4(), z.ipv6()])).max(8),
})

const keyOf = (authorization: string | undefined) => /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]

/** Refusals and failures go out as problems. */
const answered = (context: Context, answer: () => Promise<Response>) =>
  answer().catch(error => problemResponse(asHdcsError(error), context.get('requestId')))

/** Anybody may send it: it is read as every body is, and no further than a megabyte. @throws HdcsError `invalid`, `too_large`. */
async function bodyOf<S extends z.ZodType>(request: Request, schema: S, needed: string): Promise<z.output<S>> {
  const read = schema.safeParse((await readJson(request)).value)
  if (!read.success) throw new HdcsError('invalid', needed)
  return read.data
}

/** Adds the machines' requests to the app; they are not for people and stand in no document. */
export function mountAgents(app: Hono, broker: Broker, installationId: string, authority: Authority | null): void {
  app.post('/api/v1/agents/join', context =>
    answered(context, async () => {
      const ask = await bodyOf(context.req.raw, joinSchema, 'A join needs { token, hostName }.')
      const networks = networksInTheWay(ask, installationId)
      return context.json({ ...(await hostJoin(broker, { ...ask, networks })), installationId }, 201)
    }),
  )
  app.get('/api/v1/agents/me', context =>
    answered(context, async () => {
      const known = await hostKnown(broker, keyOf(context.req.header('authorization')))
      return context.json({ ...known, installationId })
    }),
  )
  app.post('/api/v1/agents/certificate', context =>
    answered(context, async () => {
      const host = await hostOfKey(broker, keyOf(context.req.header('authorization')))
      if (!host) throw new HdcsError('unauthenticated', 'Only hosts get certificates: join first.')
      const needed = 'A certificate needs { request, hostName, addresses }.'
      const ask = await bodyOf(context.req.raw, certificateSchema, needed)
      return context.json(await hostCertify(broker, authority, host.id, ask), 201)
    }),
  )
  mountAgentDisks(app, broker)
  mountAgentExports(app, broker)
  app.get('/api/v1/agents/images/:id', async context => {
    const requestId = context.get('requestId')
    const host = await hostOfKey(broker, keyOf(context.req.header('authorization')))
    if (!host) return problemResponse(new HdcsError('unauthenticated', 'Only hosts may fetch images.'), requestId)
    const id = z.uuid().safeParse(context.req.param('id'))
    const path = id.success ? uploadPath(broker, id.data) : undefined
    const size =
      path &&
      (await stat(path).then(
        found => found.size,
        () => undefined,
      )) // not there: told below
    if (!path || typeof size !== 'number')
      return problemResponse(
        new HdcsError('not_found', 'The uploaded file is not here any more: upload it again.'),
        requestId,
      )
    const asked = { range: context.req.header('range'), ifRange: undefined }
    const { status, body, headers } = filePart(path, asked, { sizeBytes: size, etag: '' })
    if (!body) return context.body(null, status, headers)
    return context.body(body, status, { ...headers, 'content-type': 'application/octet-stream' })
  })
}

/** The line of each agent, as an HTTP server's `upgrade` handler for `agentPath`. */
export function makeAgentDoor(broker: Broker, hub: AgentHub, installationId: string) {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxMessageBytes })
  const refuse = (socket: Duplex, status: string, more = '') =>
    socket.end(`HTTP/1.1 ${status}\r\n${more}Connection: close\r\nContent-Length: 0\r\n\r\n`)

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    try {
      const key = keyOf(request.headers.authorization)
      const host = await hostOfKey(broker, key)
      if (!host && (await hostRemoved(broker, key)))
        return void refuse(socket, '410 Gone', `${removedHeader}: ${installationId}\r\n`)
      if (!host) return void refuse(socket, '401 Unauthorized')
      sockets.handleUpgrade(request, socket, head, line => {
        const agent = hub.attach(host, {
          send: message => line.send(JSON.stringify(message)),
          // Of two connections of one host the older ends; it dials again and again only if two agents really run.
          close: reason => line.close(1012, reason),
        })
        let answered = true
        const pinging = setInterval(() => {
          if (!answered) return line.terminate()
          answered = false
          line.ping()
        }, pingMs)
        line.on('pong', () => {
          answered = true
        })
        line.on('message', data => {
          answered = true
          const read = readAgentMessage(String(data))
          if ('message' in read) return void agent.received(read.message)
          broker.log.warn({ host: host.id, wrong: read.wrong }, 'an agent said what is not of the protocol')
          // What comes behind it on the same line is of no more worth.
          line.removeAllListeners('message')
          line.close(1007, read.wrong.slice(0, maxReasonLength))
        })
        line.on('error', error => broker.log.warn({ err: error, host: host.id }, 'an agent’s line broke'))
        line.on('close', () => {
          clearInterval(pinging)
          agent.closed()
        })
      })
    } catch (error) {
      broker.log.error({ err: error }, 'an agent could not be let in')
      refuse(socket, '503 Service Unavailable')
    }
  }

  return {
    upgrade,
    close() {
      for (const line of sockets.clients) line.close(1001, 'the control plane ends')
    },
  }
}
