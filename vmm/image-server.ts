/**
 * A host's sealed images for the other hosts of the installation: `GET /images/<id>`, from a byte on with
 * `Range: bytes=N-`, over TLS 1.3 where both sides show a certificate of HDCS' own authority. The entity tag is the
 * image's SHA-256: two hosts may have built one image to different bytes.
 */
import { once } from 'node:events'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Log } from '../lib/log.ts'
import { tlsIdentity } from './certificates.ts'
import { imagePath } from './disks.ts'
import type { Folders } from './folders.ts'
import type { FoundImage } from './host.ts'
import { imageNote } from './image-store.ts'

export interface ImageServerOptions {
  folders: Folders
  /** Where the host's certificate is kept (certificates.ts). */
  stateFolder: string
  address: string
  port: number
  log: Log
}

export interface ImageServer extends AsyncDisposable {
  /** Where others find it, as `https://10.0.0.2:16516`; null: it has no certificate yet, or no port. */
  url(): string | null
}

/** At once. More: all are slow, and the guests' disk with them; fewer: a slow line keeps the others waiting. */
const mostTransfers = 4
const comeAgainSeconds = 5
/** Connections that are no transfers end soon. */
const mostConnections = 64
/** To shake hands and to ask. */
const askMs = 10_000
/** A receiver that takes nothing for so long is gone. Shorter: one with a low limit is cut. */
const silentMs = 120_000
/** Of each transfer twice this lies in memory, and as much again on its way. Smaller: more of the processor. */
const readBytes = 2 ** 20

const imageUrl = /^\/images\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/
const rangeForm = /^bytes=(\d{1,15})-$/

/** Never fails: a port that is taken leaves the host without it, and is told once. */
export async function startImageServer(options: ImageServerOptions): Promise<ImageServer> {
  const { stateFolder, address, port, log } = options
  const server = createServer({ requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' })
  server.maxConnections = mostConnections
  server.headersTimeout = askMs
  server.requestTimeout = askMs
  server.setTimeout(silentMs)
  const sockets = new Set<Socket>()
  let known = ''
  /** The certificate may have come, or been renewed, since the last one. */
  function identify(): boolean {
    const identity = tlsIdentity(stateFolder)
    if (!identity) return false
    const text = JSON.stringify(identity)
    if (text !== known) server.setSecureContext({ ...identity, minVersion: 'TLSv1.3' })
    known = text
    return true
  }
  server.prependListener('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // Without a certificate nobody is let in: the handshake would fail with a puzzle.
    if (!identify()) socket.destroy()
  })
  const serve = makeServe(options)
  server.on('request', (request, response) => void serve(request, response))
  server.on('tlsClientError', error => log.debug({ err: error }, 'somebody was refused images'))

  const listens = await new Promise<boolean>(resolve => {
    server.once('error', err => {
      log.warn({ err, address, port }, 'other hosts cannot fetch images here: the port is not to be had')
      resolve(false)
    })
    server.listen({ host: address, port }, () => resolve(true))
  })
  server.on('error', error => log.warn({ err: error }, 'serving images'))
  const shown = address.includes(':') ? `[${address}]` : address
  return {
    url: () =>
      listens && tlsIdentity(stateFolder) ? `https://${shown}:${(server.address() as AddressInfo).port}` : null,
    async [Symbol.asyncDispose]() {
      if (!listens) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function makeServe({ folders, log }: ImageServerOptions) {
  let transfers = 0
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refuse = (status: number, headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-length': '0', ...headers }).end()
    if (request.method !== 'GET') return void refuse(405, { allow: 'GET' })
    const id = imageUrl.exec(request.url ?? '')?.[1]
    if (!id) return void refuse(404)
    if (transfers >= mostTransfers) return void refuse(503, { 'retry-after': `${comeAgainSeconds}` })
    transfers++
    const began = performance.now()
    const to = peerOf(request)
    let at = 0
    try {
      await using sealed = await openSealed(folders, id)
      if (!sealed) return void refuse(404)
      const { file, sizeBytes, note } = sealed
      const etag = `"${note.sha256}"`
      const from = rangeStart(request.headers.range, sizeBytes)
      if (from === null) return void refuse(416, { 'content-range': `bytes */${sizeBytes}`, etag })
      const part = from > 0 ? { 'content-range': `bytes ${from}-${sizeBytes - 1}/${sizeBytes}` } : {}
      const length = `${sizeBytes - from}`
      response.writeHead(from > 0 ? 206 : 200, {
        'content-type': 'application/octet-stream',
        'content-length': length,
        etag,
        ...part,
      })
      at = from
      for await (const bytes of sent(file, from, response)) at += bytes
      log.info({ image: id, to, from, bytes: at - from, ms: Math.round(performance.now() - began) }, 'image served')
    } catch (thrown) {
      // They come again for the rest; or the storage has trouble, which is theirs to tell by then.
      log.info({ image: id, to, at, err: thrown }, 'image not served to its end')
      response.destroy()
    } finally {
      transfers--
    }
  }
}

/**
 * The file from a byte on, in two buffers: one is read into while the other is on its way. A stream takes a new one for
 * each piece, which costs as much as to encrypt them. Says how much went, piece by piece.
 */
async function* sent(file: FileHandle, from: number, response: ServerResponse): AsyncGenerator<number> {
  const left = new Promise<never>((_, reject) => {
    response.once('close', () => reject(new Error('the receiver left')))
  })
  left.catch(() => {}) // also closed when all is well
  const write = (bytes: Buffer) =>
    Promise.race([
      left,
      new Promise<void>((resolve, reject) => response.write(bytes, error => (error ? reject(error) : resolve()))),
    ])
  let [buffer, other] = [Buffer.allocUnsafeSlow(readBytes), Buffer.allocUnsafeSlow(readBytes)]
  let { bytesRead } = await file.read(buffer, 0, readBytes, from)
  for (let at = from; bytesRead > 0; ) {
    const bytes = bytesRead
    at += bytes
    // Both are waited for, whatever becomes of one: a buffer or the file must not go while it is used.
    const [written, read] = await Promise.allSettled([
      write(buffer.subarray(0, bytes)),
      file.read(other, 0, readBytes, at),
    ])
    if (written.status === 'rejected') throw written.reason
    if (read.status === 'rejected') throw read.reason
    bytesRead = read.value.bytesRead
    ;[buffer, other] = [other, buffer]
    yield bytes
  }
  await Promise.race([left, new Promise<void>(resolve => response.end(resolve))])
}

/** @returns null for what is none of our sealed images: names lead nowhere else. */
async function openSealed(
  folders: Folders,
  id: string,
): Promise<({ file: FileHandle; sizeBytes: number; note: FoundImage } & AsyncDisposable) | null> {
  const note = await imageNote(folders, id)
  if (!note) return null
  const file = await open(imagePath(folders, id), constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => null) // not there, or a link
  if (!file) return null
  const found = await file.stat()
  if (found.isFile()) return { file, sizeBytes: found.size, note, [Symbol.asyncDispose]: () => file.close() }
  await file.close()
  return null
}

/** Where to begin; null: beyond the end, or a range of a kind that no host of ours asks for. */
function rangeStart(range: string | undefined, sizeBytes: number): number | null {
  if (range === undefined) return 0
  const from = Number(rangeForm.exec(range)?.[1] ?? Number.NaN)
  return from < sizeBytes ? from : null
}

const peerOf = ({ socket }: IncomingMessage) =>
  (socket as TLSSocket).getPeerCertificate().subject?.CN ?? socket.remoteAddress
