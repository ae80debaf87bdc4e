/** Images that leave as files and come back: ours, and appliances as other programs make them. Real qemu-img. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HdcsError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { ovfRead } from '../../lib/ovf.ts'
import { fileHead } from '../../lib/template-file.ts'
import { imagePath, makeDisks } from '../../vmm/disks.ts'
import { type Folders, foldersMake, foldersSweep, partOf } from '../../vmm/folders.ts'
import type { HostOptions, OutFile } from '../../vmm/host.ts'
import { makeImageStore } from '../../vmm/image-store.ts'
import type { ImageSource } from '../../vmm/spec.ts'
import { importUpload } from '../../vmm/upload.ts'
import { digest, tarOf, virtualBoxOvf, vmwareOvf } from '../support/appliances.ts'
import { imageSpec, installationId } from './wishes.ts'

type Format = Extract<ImageSource, { kind: 'export' }>['format']

const never = new AbortController().signal
const silent = () => {}
const about = {
  name: 'cad',
  description: 'For drawing',
  hardware: { vcpus: 2, memoryBytes: 2 ** 31, video: 'virtio' as const, diskBytes: null, sound: false },
  readyWhen: 'agent' as const,
  number: 3,
  notes: 'with notes',
  madeAt: '2026-03-01T12:00:00.000Z',
}
const imageId = newId()
let root = ''
let folders: Folders
/** What its disk holds. */
let raw = ''
let sealed = ''
const qemuImg = (...args: string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' })

function storeWith(bytes: Uint8Array | null, sendExport?: HostOptions['sendExport']) {
  const fetchImage = async () =>
    new Blob([(bytes ?? new Uint8Array(0)) as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>
  const more = sendExport ? { sendExport } : {}
  return makeImageStore(folders, makeDisks(folders, null), importUpload(folders, fetchImage), more)
}

/** @returns the file as it was sent. */
async function exported(format: Format): Promise<Buffer> {
  let sent: Buffer = Buffer.alloc(0)
  const send = async (_id: string, file: OutFile) => {
    sent = Buffer.from(await new Response(file.open()).arrayBuffer())
    expect([sent.length, digest('sha256', sent)]).toEqual([file.sizeBytes, file.sha256])
  }
  const image = imageSpec({ id: newId(), name: 'cad-3', source: { kind: 'export', imageId, format, about } })
  await storeWith(null, send).imageMake(image, silent, never)
  return sent
}

/** Comes in as an upload, and is compared with the disk that it was. */
async function imported(bytes: Uint8Array, format: 'ova' | 'hdcs' | 'vmdk' | 'raw' | 'vdi' | 'qcow2') {
  const source = {
    kind: 'upload' as const,
    format,
    sizeBytes: bytes.length,
    sha256: digest('sha256', bytes),
    bytesPerSecond: null,
  }
  const store = storeWith(bytes)
  const made = await store.imageMake(imageSpec({ id: newId(), source }), silent, never)
  qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, imagePath(folders, made.id))
  await store.imageRemove(made.id)
  return made
}
const left = async () => (await readdir(folders.images)).filter(name => !name.startsWith(imageId))

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-export-'))
  folders = await foldersMake(join(root, 'host'), installationId)
  raw = join(root, 'disk.raw')
  // Some that does not compress, some that does, and holes between.
  const disk = Buffer.alloc(24 * 2 ** 20)
  randomBytes(3 * 2 ** 20).copy(disk, 2 ** 20)
  disk.fill('text', 12 * 2 ** 20, 13 * 2 ** 20)
  await writeFile(raw, disk)
  const bytes = await readFile(raw)
  const source = {
    kind: 'upload' as const,
    format: 'raw' as const,
    sizeBytes: bytes.length,
    sha256: digest('sha256', bytes),
    bytesPerSecond: null,
  }
  await storeWith(bytes).imageMake(imageSpec({ id: imageId, source }), silent, never)
  sealed = imagePath(folders, imageId)
}, 60_000)
afterAll(() => rm(root, { recursive: true, force: true }))

describe('an exported image', () => {
  it.each(['qcow2', 'raw', 'vmdk'] as const)('holds the same as %s, for qemu-img and for an import', async format => {
    const bytes = await exported(format)
    const path = join(root, `out.${format}`)
    await writeFile(path, bytes)
    qemuImg('compare', '-f', format, '-F', 'qcow2', path, sealed)
    await imported(bytes, format)
    expect(await left()).toEqual([])
  })

  it('is an appliance whose files stand in the order of the standard, each with its SHA-256', async () => {
    const bytes = await exported('ova')
    const path = join(root, 'cad.ova')
    await writeFile(path, bytes)
    const tar = (...args: string[]) => execFileSync('tar', ['-C', root, ...args], { encoding: 'utf8' })
    expect(tar('-tf', path).trim().split('\n')).toEqual(['cad.ovf', 'cad.mf', 'cad-disk1.vmdk'])
    tar('-xf', path)
    const manifest = await readFile(join(root, 'cad.mf'), 'utf8')
    for (const name of ['cad.ovf', 'cad-disk1.vmdk'])
      expect(manifest).toContain(`SHA256(${name})= ${digest('sha256', await readFile(join(root, name)))}`)
    const info = JSON.parse(qemuImg('info', '--output=json', join(root, 'cad-disk1.vmdk')))
    expect(info['format-specific'].data['create-type']).toBe('streamOptimized')
    qemuImg('compare', '-f', 'vmdk', '-F', 'qcow2', join(root, 'cad-disk1.vmdk'), sealed)
    expect(ovfRead(await readFile(join(root, 'cad.ovf'), 'utf8'))).toMatchObject({ vcpus: 2, memoryBytes: 2 ** 31 })
    await imported(bytes, 'ova')
  })

  it('is a file of ours that says name, notes and hardware, and comes back as it was', async () => {
    const bytes = await exported('hdcs')
    expect(fileHead(bytes)).toMatchObject({
      kind: 'hdcs',
      manifest: {
        template: { name: 'cad', description: 'For drawing', hardware: about.hardware, readyWhen: 'agent' },
        version: { number: 3, notes: 'with notes' },
        disk: { virtualBytes: 24 * 2 ** 20 },
      },
    })
    await imported(bytes, 'hdcs')
    const damaged = Buffer.from(bytes)
    damaged.writeUInt8((damaged.at(-3000) ?? 0) ^ 1, damaged.length - 3000)
    await expect(imported(damaged, 'hdcs')).rejects.toMatchObject({ message: expect.stringContaining('checksum') })
    expect(await left()).toEqual([])
  })

  it('is sent again when the line breaks, without another conversion, and leaves nothing', async () => {
    let tries = 0
    const send = async (_id: string, file: OutFile) => {
      if (tries++ === 0) throw new HdcsError('unreachable', 'The control plane restarts.')
      await new Response(file.open()).arrayBuffer()
    }
    const texts: string[] = []
    const image = imageSpec({ id: newId(), source: { kind: 'export', imageId, format: 'vmdk', about } })
    await storeWith(null, send).imageMake(image, (_percent, text) => texts.push(text), never)
    expect(tries).toBe(2)
    expect(texts.filter(text => text === 'measuring the image')).toHaveLength(1)
    expect(await left()).toEqual([])
  })

  it('leaves nothing when it is called off, when the image is gone, and when its maker was killed', async () => {
    const gone = new AbortController()
    const send = (_id: string, _file: OutFile, signal: AbortSignal) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
        gone.abort()
      })
    const image = imageSpec({ id: newId(), source: { kind: 'export', imageId, format: 'raw', about } })
    await expect(storeWith(null, send).imageMake(image, silent, gone.signal)).rejects.toMatchObject({
      code: 'cancelled',
    })
    const other = imageSpec({ id: newId(), source: { kind: 'export', imageId: newId(), format: 'raw', about } })
    await expect(storeWith(null, send).imageMake(other, silent, never)).rejects.toMatchObject({ code: 'not_found' })
    expect(await left()).toEqual([])
    // As an earlier process of this host named it.
    const [, hostTag] = /\.([0-9a-f]{8})-/.exec(partOf('x')) ?? []
    await writeFile(`${imagePath(folders, image.id)}.${hostTag}-00000000-00000000.part`, 'half a file')
    await foldersSweep(folders)
    expect(await left()).toEqual([])
  })
})

describe('an uploaded appliance', () => {
  let vmdk: Buffer
  let sparse: Buffer
  beforeAll(async () => {
    const convert = async (options: string[]) => {
      const path = join(root, 'made.vmdk')
      qemuImg('convert', '-f', 'raw', '-O', 'vmdk', ...options, raw, path)
      return readFile(path)
    }
    vmdk = await convert(['-o', 'subformat=streamOptimized'])
    sparse = await convert(['-o', 'subformat=monolithicSparse'])
  })

  it('as VirtualBox makes it is taken: spaces in its names, SHA-1, its manifest last', async () => {
    const [ovf, name] = [virtualBoxOvf('My Box-disk001.vmdk'), 'My Box-disk001.vmdk']
    const lines = `SHA1 (My Box.ovf) = ${digest('sha1', ovf)}\nSHA1 (${name}) = ${digest('sha1', vmdk)}\n`
    const made = await imported(
      tarOf([
        ['My Box.ovf', ovf],
        [name, vmdk],
        ['My Box.mf', lines],
      ]),
      'ova',
    )
    expect(made.virtualBytes).toBe(24 * 2 ** 20)
  })

  it('as VMware makes it is taken: SHA-256, its manifest second, a file more, a sparse disk', async () => {
    const [ovf, name] = [vmwareOvf('win 10-disk1.vmdk'), 'win 10-disk1.vmdk']
    const lines = [
      ['win 10.ovf', ovf],
      [name, sparse],
    ].map(([file, bytes]) => `SHA256(${file})= ${digest('sha256', bytes ?? '')}`)
    const files: [string, Uint8Array | string][] = [
      ['win 10.ovf', ovf],
      ['win 10.mf', `${lines.join('\n')}\n`],
      [name, sparse],
      ['win 10-file1.nvram', 'eight by'],
    ]
    await imported(tarOf(files), 'ova')
  })

  const ovf = virtualBoxOvf('d.vmdk')
  const textVmdk = `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 4 FLAT "/etc/passwd" 0\n`
  const backed = () => {
    const path = join(root, 'backed.qcow2')
    qemuImg('create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', path, '1M')
    return readFile(path)
  }
  it.each<[string, () => Promise<Buffer> | Buffer, RegExp]>([
    ['without its disk', () => tarOf([['a.ovf', ovf]]), /d\.vmdk\) is not in it/],
    [
      'whose descriptor is not the first',
      () =>
        tarOf([
          ['d.vmdk', vmdk],
          ['a.ovf', ovf],
        ]),
      /begins with its \.ovf/,
    ],
    [
      'with two descriptors',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['b.ovf', ovf],
          ['d.vmdk', vmdk],
        ]),
      /two descriptors/,
    ],
    [
      'with its disk twice',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['d.vmdk', vmdk],
          ['d.vmdk', vmdk],
        ]),
      /twice/,
    ],
    [
      'with a disk that is gzip',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['d.vmdk', gzipSync(vmdk)],
        ]),
      /gzip/,
    ],
    [
      'whose disk is not what its manifest says',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['a.mf', `SHA1(a.ovf)= ${digest('sha1', ovf)}\nSHA1(d.vmdk)= ${'0'.repeat(40)}\n`],
          ['d.vmdk', vmdk],
        ]),
      /d\.vmdk is not what its checksum says/,
    ],
    [
      'whose descriptor is not what its manifest says',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['a.mf', `SHA1(a.ovf)= ${'0'.repeat(40)}\nSHA1(d.vmdk)= ${digest('sha1', vmdk)}\n`],
          ['d.vmdk', vmdk],
        ]),
      /a\.ovf is not what its checksum says/,
    ],
    [
      'whose manifest leaves its disk out',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['a.mf', `SHA1(a.ovf)= ${digest('sha1', ovf)}\n`],
          ['d.vmdk', vmdk],
        ]),
      /no checksum of d\.vmdk/,
    ],
    [
      'whose disk names a file of the host',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['d.vmdk', textVmdk],
        ]),
      /names other files|no vmdk/,
    ],
    [
      'whose disk stands on a file of the host',
      async () =>
        tarOf([
          ['a.ovf', ovf],
          ['d.vmdk', await backed()],
        ]),
      /stands on another file/,
    ],
    [
      'whose disk is nothing known',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['d.vmdk', randomBytes(4096)],
        ]),
      /no vmdk image/,
    ],
    [
      'that was cut off',
      () =>
        tarOf([
          ['a.ovf', ovf],
          ['d.vmdk', vmdk],
        ]).subarray(0, -200_000),
      /cut off/,
    ],
    ['that is none', () => randomBytes(2048), /no tar file/],
  ])('%s is refused, and nothing of it stays', async (_what, bytes, reason) => {
    await expect(imported(await bytes(), 'ova')).rejects.toThrow(reason)
    expect(await left()).toEqual([])
  })
})
