/** Files of template versions on their way from the host that made them: `PUT /api/v1/agents/exports/{id}`. */
import { mkdir, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from '@hono/zod-openapi'
import type { Context, Hono } from 'hono'
import { hostOfKey } from '../broker/agents.ts'
import type { Broker } from '../broker/broker.ts'
import { exportPath, exportReceived, exportToReceive } from '../broker/exports.ts'
import { storageKeptBytes } from '../lib/capacity.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { sizeText } from '../lib/sizes.ts'
import { problemResponse } from './errors.ts'
import { receive } from './uploads.ts'

const headerSchema = z.object({
  sizeBytes: z.coerce.number().int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
const keyOf = (authorization: string | undefined) => /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]

/** Adds the request to the app; it is for hosts and stands in no document. */
export function mountAgentExports(app: Hono, broker: Broker): void {
  app.put('/api/v1/agents/exports/:id', async context => {
    try {
      await take(broker, context)
      return context.body(null, 204)
    } catch (error) {
      return problemResponse(asHdcsError(error), context.get('requestId'))
    }
  })
}

async function take(broker: Broker, context: Context): Promise<void> {
  const header = (name: string) => context.req.header(name)
  const host = await hostOfKey(broker, keyOf(header('authorization')))
  if (!host) throw new HdcsError('unauthenticated', 'Only hosts send files: join first.')
  const id = z.uuid().safeParse(context.req.param('id'))
  const said = headerSchema.safeParse({ sizeBytes: header('content-length'), sha256: header('hdcs-sha256') })
  const { body, signal } = context.req.raw
  if (!id.success || !said.success || !body)
    throw new HdcsError('invalid', 'A file is sent with its content-length and its hdcs-sha256.')
  await exportTake(broker, host.id, { id: id.data, ...said.data, body, signal })
}

/** @throws HdcsError `not_found` when it is not wished of this host (any more); `storage_full`; as {@link receive}. */
export async function exportTake(
  broker: Broker,
  hostId: string,
  file: { id: string; sizeBytes: number; sha256: string; body: ReadableStream<Uint8Array>; signal: AbortSignal },
): Promise<void> {
  const { id, sizeBytes, sha256, body, signal } = file
  await exportToReceive(broker, hostId, id)
  const path = exportPath(broker, id)
  await roomFor(path, sizeBytes)
  await receive(body, { sizeBytes, sha256 }, { path, maxBytes: Number.MAX_SAFE_INTEGER, signal })
  await exportReceived(broker, hostId, id, { sizeBytes, sha256 })
}

/** The control plane's own disk, on which its database may lie too. */
async function roomFor(path: string, sizeBytes: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const { bsize, blocks, bavail } = await statfs(dirname(path))
  if (bsize * bavail - sizeBytes >= storageKeptBytes(bsize * blocks)) return
  throw new HdcsError(
    'storage_full',
    `The control plane’s disk has no room for a file of ${sizeText(sizeBytes)}: ${sizeText(bsize * bavail)} are free, and ${sizeText(storageKeptBytes(bsize * blocks))} are kept. Remove exports that nobody needs, or free space there.`,
  )
}
