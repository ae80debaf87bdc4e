/** Every row of the import rules, against images made here with qemu-img and by hand, hostile ones included. */
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ImageFormat, imageCheck } from '../../vmm/image-check.ts'
import { type ImageConversion, imageConvert, imageInspect } from '../../vmm/image-convert.ts'

const run = promisify(execFile)
const mib = 2 ** 20
const maxVirtualBytes = 64 * mib
const never = new AbortController().signal
let folder = ''
const at = (name: string) => join(folder, name)
const qemuImg = (...args: string[]) => run('qemu-img', args)

/** Sets bits of a qcow2's incompatible features (bytes 72..79, big endian): 1 dirty, 2 corrupt, 4 data file. */
async function markQcow2(path: string, bits: number): Promise<void> {
  await using file = await open(path, 'r+')
  await file.write(Uint8Array.of(bits), 0, 1, 79)
}

async function writeAt(path: string, position: number, text: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.write(text, position)
}

/** A VDI of 8 MiB with 32 bit numbers of its own (QEMU block/vdi.c): its map at 512, its length at 384, its parent at 440. */
async function vdiWith(name: string, ...numbers: [position: number, value: number][]): Promise<void> {
  await qemuImg('create', '-q', '-f', 'vdi', at(name), '8M')
  await using file = await open(at(name), 'r+')
  for (const [position, value] of numbers) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    await file.write(bytes, 0, 4, position)
  }
}

async function absent(path: string): Promise<boolean> {
  return await stat(path).then(
    () => false,
    () => true,
  )
}

function conversion(source: string, format: ImageFormat, more: Partial<ImageConversion> = {}): ImageConversion {
  return {
    source: at(source),
    target: at('target.qcow2'),
    format,
    maxVirtualBytes,
    signal: never,
    progress: () => {},
    ...more,
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hdcs-image-check-'))
  // An honest disk of 8 MiB with something on it, in every format.
  await writeFile(at('disk.raw'), '')
  await truncate(at('disk.raw'), 8 * mib)
  await writeAt(at('disk.raw'), 3 * mib, 'what the person saved')
  for (const format of ['qcow2', 'vmdk', 'vdi', 'vpc', 'vhdx'])
    await qemuImg('convert', '-f', 'raw', '-O', format, at('disk.raw'), at(`disk.${format}`))
  await qemuImg(
    'convert',
    '-f',
    'raw',
    '-O',
    'vmdk',
    '-o',
    'subformat=streamOptimized',
    at('disk.raw'),
    at('stream.vmdk'),
  )
  await writeFile(at('secret'), 'a secret of the host, long enough to fill a sector'.padEnd(2048, '!'))
}, 30_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('importing an honest image', () => {
  it.each([
    ['disk.qcow2', 'qcow2'],
    ['disk.raw', 'raw'],
    ['disk.vmdk', 'vmdk'],
    ['stream.vmdk', 'vmdk'],
    ['disk.vdi', 'vdi'],
    ['disk.vpc', 'vpc'],
    ['disk.vhdx', 'vhdx'],
  ] as const)('seals %s as a qcow2 with the same content', async (name, format) => {
    const steps: number[] = []
    const made = await imageConvert(conversion(name, format, { progress: percent => steps.push(percent) }))
    expect(made.virtualBytes).toBeGreaterThanOrEqual(8 * mib)
    expect(made.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect((await stat(at('target.qcow2'))).mode & 0o777).toBe(0o444)
    await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('disk.raw'), at('target.qcow2'))
    expect(steps).toEqual([...steps].sort((a, b) => a - b))
    await rm(at('target.qcow2'))
  })

  it('takes an ISO over as a disk, and refuses what only bears the name', async () => {
    await copyFile(at('disk.raw'), at('disc.iso'))
    await expect(imageConvert(conversion('disc.iso', 'iso'))).rejects.toMatchObject({ code: 'invalid' })
    await writeAt(at('disc.iso'), 32_769, 'CD001')
    await imageConvert(conversion('disc.iso', 'iso'))
    await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('disc.iso'), at('target.qcow2'))
    await rm(at('target.qcow2'))
  })

  it('says that internal snapshots are left behind', async () => {
    await copyFile(at('disk.qcow2'), at('snapshots.qcow2'))
    await qemuImg('snapshot', '-c', 'monday', at('snapshots.qcow2'))
    const { notes } = await imageInspect(at('snapshots.qcow2'), 'qcow2', maxVirtualBytes, never)
    expect(notes).toEqual(['Its 1 internal snapshots are not taken over.'])
  })
})

describe('importing a hostile image', () => {
  const cases: [string, string, ImageFormat, string, () => Promise<unknown>][] = [
    [
      'a backing file, without opening it',
      'backed.qcow2',
      'qcow2',
      'invalid',
      () => qemuImg('create', '-q', '-f', 'qcow2', '-u', '-b', at('secret'), '-F', 'raw', at('backed.qcow2'), '1M'),
    ],
    [
      'a backing file on another machine',
      'remote.qcow2',
      'qcow2',
      'invalid',
      () =>
        qemuImg('create', '-q', '-f', 'qcow2', '-u', '-b', 'nbd://192.0.2.1/x', '-F', 'raw', at('remote.qcow2'), '1M'),
    ],
    [
      'a backing file spelled as JSON',
      'json.qcow2',
      'qcow2',
      'invalid',
      () =>
        qemuImg(
          ...['create', '-q', '-f', 'qcow2', '-u', '-F', 'raw', '-b'],
          ...[`json:{"driver":"raw","file":{"driver":"file","filename":"${at('secret')}"}}`, at('json.qcow2'), '1M'],
        ),
    ],
    [
      'an external data file',
      'data.qcow2',
      'qcow2',
      'invalid',
      async () => {
        await qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${at('data.raw')}`, at('data.qcow2'), '1M')
        await rm(at('data.raw'))
      },
    ],
    [
      'a text VMDK that names a file of the host',
      'flat.vmdk',
      'vmdk',
      'invalid',
      () =>
        writeFile(
          at('flat.vmdk'),
          [
            ...['# Disk DescriptorFile', 'version=1', 'CID=12345678', 'parentCID=ffffffff'],
            ...['createType="monolithicFlat"', `RW 4 FLAT "${at('secret')}" 0`, ''],
          ].join('\n'),
        ),
    ],
    [
      'encryption inside qcow2',
      'encrypted.qcow2',
      'qcow2',
      'unsupported',
      () =>
        qemuImg(
          ...['create', '-q', '-f', 'qcow2', '--object', 'secret,id=s,data=x', '-o'],
          ...['encrypt.format=aes,encrypt.key-secret=s', at('encrypted.qcow2'), '1M'],
        ),
    ],
    [
      'an image marked corrupt',
      'corrupt.qcow2',
      'qcow2',
      'invalid',
      async () => {
        await copyFile(at('disk.qcow2'), at('corrupt.qcow2'))
        await markQcow2(at('corrupt.qcow2'), 2)
      },
    ],
    [
      'an image still in use when it was copied',
      'dirty.qcow2',
      'qcow2',
      'invalid',
      async () => {
        await copyFile(at('disk.qcow2'), at('dirty.qcow2'))
        await markQcow2(at('dirty.qcow2'), 1)
      },
    ],
    [
      'a small file that claims 63 TiB',
      'huge.qcow2',
      'qcow2',
      'too_large',
      () => qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=2M', at('huge.qcow2'), '63T'),
    ],
    [
      'a VDI that stands on another file',
      'parent.vdi',
      'vdi',
      'invalid',
      () => vdiWith('parent.vdi', [440, 0x11111111], [444, 0x11111111]),
    ],
    [
      'a small VDI that claims 2 TiB',
      'huge.vdi',
      'vdi',
      'too_large',
      () => qemuImg('create', '-q', '-f', 'vdi', at('huge.vdi'), '2T'),
    ],
    ['a VDI whose map is larger than any', 'map.vdi', 'vdi', 'invalid', () => vdiWith('map.vdi', [384, 0x3fffffff])],
    [
      'a VDI whose blocks lie behind its end',
      'beyond.vdi',
      'vdi',
      'invalid',
      () => vdiWith('beyond.vdi', [388, 1], [512, 0x7ffffff0]),
    ],
    [
      'a VDI with one block at two places',
      'twice.vdi',
      'vdi',
      'invalid',
      () => vdiWith('twice.vdi', [388, 2], [512, 0], [516, 0]),
    ],
    ['a raw disk said to be VDI', 'disk.raw', 'vdi', 'invalid', async () => {}],
    ['a qcow2 said to be raw', 'disk.qcow2', 'raw', 'invalid', async () => {}],
    ['a raw disk said to be VMDK', 'disk.raw', 'vmdk', 'invalid', async () => {}],
    ['an empty file', 'empty.raw', 'raw', 'invalid', () => writeFile(at('empty.raw'), '')],
    [
      'a qcow2 cut within its header',
      'cut.qcow2',
      'qcow2',
      'invalid',
      async () => {
        await copyFile(at('disk.qcow2'), at('cut.qcow2'))
        await truncate(at('cut.qcow2'), 40)
      },
    ],
    [
      'a qcow2 cut within its tables',
      'tables.qcow2',
      'qcow2',
      'invalid',
      async () => {
        await copyFile(at('disk.qcow2'), at('tables.qcow2'))
        await truncate(at('tables.qcow2'), 100_000)
      },
    ],
  ]

  it.each(cases)('refuses %s and leaves nothing behind', async (_promise, name, format, code, make) => {
    await make()
    await expect(imageConvert(conversion(name, format))).rejects.toMatchObject({ code })
    expect(await absent(at('target.qcow2'))).toBe(true)
  })

  it('never copies a file the image names', async () => {
    await expect(imageConvert(conversion('flat.vmdk', 'vmdk'))).rejects.toThrow()
    // What would happen without the check: the danger is real in this version of QEMU.
    await qemuImg('convert', '-f', 'vmdk', '-O', 'raw', at('flat.vmdk'), at('stolen.raw'))
    expect(await readFile(at('stolen.raw'), 'latin1')).toContain('a secret of the host')
  })

  it('reads a name with a colon as a file, not as a protocol', async () => {
    await copyFile(at('disk.raw'), at('nbd:disk.raw'))
    await expect(imageInspect(at('nbd:disk.raw'), 'raw', maxVirtualBytes, never)).resolves.toMatchObject({
      virtualBytes: 8 * mib,
    })
  })

  it('stops and removes what it began when it is cancelled', async () => {
    const controller = new AbortController()
    const progress = (percent: number) => {
      if (percent >= 5) controller.abort()
    }
    await expect(
      imageConvert(conversion('disk.raw', 'raw', { signal: controller.signal, progress })),
    ).rejects.toMatchObject({ code: 'cancelled' })
    expect(await absent(at('target.qcow2'))).toBe(true)
  })
})

describe('the rules', () => {
  const expected = { format: 'qcow2', maxVirtualBytes } as const

  it.each([null, 'text', [], {}, { format: 'qcow2' }, { filename: 'x', format: 'qcow2', 'virtual-size': -1 }])(
    'refuse an answer of an unknown shape: %j',
    info => {
      expect(imageCheck(info, expected)).toMatchObject({ accepted: false, code: 'invalid' })
    },
  )

  it('refuse formats that cannot be sealed, such as a LUKS volume', () => {
    const info = { filename: 'x', format: 'luks', 'virtual-size': mib }
    expect(imageCheck(info, { ...expected, format: 'raw' })).toMatchObject({ code: 'unsupported' })
  })

  it('accept exactly the limit', () => {
    const info = { filename: 'x', format: 'qcow2', 'virtual-size': maxVirtualBytes }
    expect(imageCheck(info, expected)).toMatchObject({ accepted: true })
    expect(imageCheck({ ...info, 'virtual-size': maxVirtualBytes + 1 }, expected)).toMatchObject({ code: 'too_large' })
  })

  it('refuse an extent in another file, whatever the type', () => {
    const data = { 'create-type': 'streamOptimized', extents: [{ filename: '/etc/shadow' }] }
    const info = { filename: 'x', format: 'vmdk', 'virtual-size': mib, 'format-specific': { data } }
    expect(imageCheck(info, { ...expected, format: 'vmdk' })).toMatchObject({ accepted: false, code: 'invalid' })
  })
})
