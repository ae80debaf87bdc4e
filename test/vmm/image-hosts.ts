/** Hosts that have sealed images and send them to each other, on the loopback: real files, real TLS, a real authority. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, connect as dial, type Socket } from 'node:net'
import { join } from 'node:path'
import pino from 'pino'
import type { Authority } from '../../auth/authority.ts'
import { makeLog } from '../../lib/log.ts'
import { keepCertificate } from '../../vmm/certificates.ts'
import { imagePath, makeDisks } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
import type { FoundImage, HostOptions } from '../../vmm/host.ts'
import { type ImageServer, startImageServer } from '../../vmm/image-server.ts'
import { type ImageStore, makeImageStore } from '../../vmm/image-store.ts'
import type { ImageSource, ImageSpec } from '../../vmm/spec.ts'
import { imageSpec, installationId } from './wishes.ts'

export const address = '127.0.0.1'

/** A host's certificate of an authority, kept as its agent keeps it. */
export async function identityMake(authority: Authority, stateFolder: string): Promise<void> {
  const keeping = await keepCertificate({
    pkiFolder: join(stateFolder, 'pki'),
    stateFolder,
    hostName: 'box',
    addresses: [address],
    qemuGroup: null,
    request: async ask => ({
      certificate: await authority.sign(ask.request, { names: [ask.hostName], addresses: ask.addresses }),
      authority: authority.certificate,
    }),
    installed: async () => {},
    log: makeLog('test', 'silent'),
  })
  await keeping[Symbol.asyncDispose]()
}

/** The head of a qcow2 file, and bytes that no two images share. */
export function imageBytes(sizeBytes: number): Buffer {
  const bytes = randomBytes(sizeBytes)
  bytes.fill(0, 0, 512)
  bytes.writeUInt32BE(0x514649fb, 0)
  bytes.writeBigUInt64BE(2n ** 30n, 24)
  return bytes
}

export const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Puts a sealed image into a host's folder. */
export async function imagePut(folders: Folders, id: string, bytes: Uint8Array): Promise<FoundImage> {
  const note = { id, virtualBytes: 2 ** 30, storedBytes: bytes.length, sha256: sha256Of(bytes) }
  await writeFile(imagePath(folders, id), bytes)
  await writeFile(imagePath(folders, id).replace('.qcow2', '.json'), JSON.stringify(note))
  return note
}

export interface ServingHost {
  folders: Folders
  stateFolder: string
  server: ImageServer
  /** What it logged, line by line. */
  logged: Record<string, unknown>[]
  /** From which byte on it was asked, each time to its end or its break. */
  url(id: string): string
}

/** @param authority none: the host has no certificate yet. */
export async function servingHost(folder: string, authority: Authority | null, port = 0): Promise<ServingHost> {
  const folders = await foldersMake(join(folder, 'storage'), installationId)
  const stateFolder = join(folder, 'state')
  await mkdir(stateFolder, { recursive: true })
  if (authority) await identityMake(authority, stateFolder)
  const logged: Record<string, unknown>[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
  const server = await startImageServer({ folders, stateFolder, address, port, log })
  return { folders, stateFolder, server, logged, url: id => `${server.url()}/images/${id}` }
}

/** A host that makes images of others' copies. */
export async function copyingHost(
  folder: string,
  fetchCopy?: HostOptions['fetchCopy'],
): Promise<{ folders: Folders; store: ImageStore }> {
  const folders = await foldersMake(join(folder, 'copies'), installationId)
  const upload = () => Promise.reject(new Error('nothing is uploaded'))
  return {
    folders,
    store: makeImageStore(folders, makeDisks(folders, null), upload, { ...(fetchCopy && { fetchCopy }) }),
  }
}

type Copy = Extract<ImageSource, { kind: 'copy' }>

export const copySpec = (image: FoundImage, urls: string[], over: Partial<Copy> = {}): ImageSpec =>
  imageSpec({
    id: image.id,
    source: {
      kind: 'copy',
      sha256: image.sha256,
      sizeBytes: image.storedBytes,
      urls,
      bytesPerSecond: null,
      ...over,
    },
  })

/** A cable between: it can be cut after so many bytes, once, and counts what came through it towards the copy. */
export async function cable(to: string, cutAfterBytes = Number.POSITIVE_INFINITY) {
  const { port, origin } = new URL(to)
  const sockets = new Set<Socket>()
  const counted = { bytes: 0, connections: 0 }
  const server = createServer(near => {
    counted.connections++
    let left = counted.connections === 1 ? cutAfterBytes : Number.POSITIVE_INFINITY
    const far = dial(Number(port), address)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {}) // cut, as it should be
      socket.on('close', () => sockets.delete(socket))
    }
    near.pipe(far)
    far.on('data', (bytes: Buffer) => {
      const through = bytes.subarray(0, left)
      left -= through.length
      counted.bytes += through.length
      if (!near.write(through)) {
        far.pause()
        near.once('drain', () => far.resume())
      }
      if (left > 0) return
      near.end()
      far.destroy()
    })
    far.on('end', () => near.end())
    near.on('close', () => far.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, address, resolve))
  const here = `https://${address}:${(server.address() as { port: number }).port}`
  return {
    counted,
    through: (url: string) => url.replace(origin, here),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
