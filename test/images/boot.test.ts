/** The binary work of the recipes: small codecs, fed with bytes made here. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bootPartition, bootSector, bzImagePayload, kernelImage } from '../../images/boot.ts'
import { entryCode, loaderCode } from '../../images/boot-code.ts'
import { extTimesSet } from '../../images/ext-times.ts'
import { mbrEncode, partitionParse } from '../../images/mbr.ts'
import { signatureCut, typesBlank } from '../../images/module-trim.ts'
import { pngEncode } from '../../images/png.ts'
import { themePictures, xpmEncode } from '../../images/theme-pictures.ts'
import { wallpaperDraw } from '../../images/wallpaper.ts'

const run = promisify(execFile)
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hdcs-boot-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

/** A bzImage of one setup sector with this payload, as far as our code reads it. */
function bzImageMake(payload: Uint8Array): Uint8Array {
  const image = new Uint8Array(1024 + payload.length + 4)
  const view = new DataView(image.buffer)
  image[0x1f1] = 1
  view.setUint32(0x202, 0x53726448, true)
  view.setUint16(0x206, 0x20f, true)
  view.setUint32(0x248, 0, true)
  view.setUint32(0x24c, payload.length + 4, true)
  image.set(payload, 1024)
  return image
}

/** A 64 bit ELF with loadable segments, `[physical address, content]`. */
function elfMake(segments: readonly (readonly [number, Uint8Array])[], entry = 0x1000000): Uint8Array {
  const heads = 64 + 56 * segments.length
  const image = new Uint8Array(heads + segments.reduce((sum, [, content]) => sum + content.length, 0))
  const view = new DataView(image.buffer)
  view.setUint32(0, 0x7f454c46)
  image[4] = 2
  view.setBigUint64(0x18, BigInt(entry), true)
  view.setBigUint64(0x20, 64n, true)
  view.setUint16(0x36, 56, true)
  view.setUint16(0x38, segments.length, true)
  let from = heads
  for (const [index, [physical, content]] of segments.entries()) {
    const at = 64 + 56 * index
    view.setUint32(at, 1, true)
    view.setBigUint64(at + 8, BigInt(from), true)
    view.setBigUint64(at + 24, BigInt(physical), true)
    view.setBigUint64(at + 32, BigInt(content.length), true)
    image.set(content, from)
    from += content.length
  }
  return image
}

describe('the partition table', () => {
  it('is written as every firmware reads it', () => {
    const table = mbrEncode(0x74696e79, [partitionParse('218:2048:98304'), partitionParse('131:100352:423936')])
    expect(Buffer.from(table).toString('hex')).toBe(
      `796e69740000${'80feffffdafeffff0008000000800100'}${'00feffff83feffff0088010000780600'}${'00'.repeat(32)}55aa`,
    )
  })

  it('has four entries and no more', () => {
    expect(() => mbrEncode(1, Array(5).fill({ type: 1, startSector: 0, sectors: 1 }))).toThrow(RangeError)
  })

  it.each(['', '218:2048', '218:-1:2', '218:1:2:3', 'x:1:2'])('does not take %j for a partition', text => {
    expect(() => partitionParse(text)).toThrow(RangeError)
  })
})

describe('a kernel module', () => {
  const magic = new TextEncoder().encode('~Module signature appended~\n')
  const signed = Uint8Array.of(...bytes('aabbcc'), 1, 2, 3, 4, ...new Uint8Array(8), 0, 0, 0, 4, ...magic)

  it('loses its signature and nothing else', () => {
    expect([...signatureCut(signed)]).toEqual([0xaa, 0xbb, 0xcc])
    expect([...signatureCut(bytes('aabbcc'))]).toEqual([0xaa, 0xbb, 0xcc])
    expect([...signatureCut(magic)]).toEqual([...magic])
  })

  it('is refused when its signature claims to be longer than the file', () => {
    const lying = Uint8Array.from(signed)
    lying[signed.length - magic.length - 1] = 200
    expect(() => signatureCut(lying)).toThrow(RangeError)
  })

  it('loses its type information', () => {
    // Sections: none, .BTF (4 bytes), names.
    const names = new TextEncoder().encode('\0.BTF\0.shstrtab\0')
    const module = new Uint8Array(64 + 4 + names.length + 3 * 64)
    const view = new DataView(module.buffer)
    view.setUint32(0, 0x7f454c46)
    module[4] = 2
    module.set([9, 9, 9, 9], 64)
    module.set(names, 68)
    const table = 68 + names.length
    view.setBigUint64(0x28, BigInt(table), true)
    view.setUint16(0x3a, 64, true)
    view.setUint16(0x3c, 3, true)
    view.setUint16(0x3e, 2, true)
    const section = (index: number, name: number, type: number, from: number, length: number) => {
      view.setUint32(table + 64 * index, name, true)
      view.setUint32(table + 64 * index + 4, type, true)
      view.setBigUint64(table + 64 * index + 0x18, BigInt(from), true)
      view.setBigUint64(table + 64 * index + 0x20, BigInt(length), true)
    }
    section(1, 1, 1, 64, 4)
    section(2, 6, 3, 68, names.length)
    const blank = typesBlank(module)
    expect([...blank.subarray(64, 68)]).toEqual([0, 0, 0, 0])
    expect(new DataView(blank.buffer).getUint32(table + 64 + 4, true)).toBe(0)
    expect([...blank.subarray(68, 68 + names.length)]).toEqual([...names])
    expect(module[64]).toBe(9)
    expect(() => typesBlank(module.subarray(0, 40))).toThrow()
  })
})

describe('the boot partition', () => {
  const elf = elfMake([
    [0x1000000, bytes('0102')],
    [0x1000010, bytes('0300 0000')],
  ])

  it.each([
    ['xz', 'fd377a585a00 0000'],
    ['lz4', '02214c18 00000000'],
    ['zstd', '28b52ffd 00000000'],
    ['gzip', '1f8b0800 00000000'],
  ])('finds a kernel compressed with %s', (format, start) => {
    expect(bzImagePayload(bzImageMake(bytes(start)))).toEqual({ format, bytes: bytes(start) })
  })

  it('refuses what is no kernel, and a kernel that was cut', () => {
    const image = bzImageMake(bytes('fd377a585a00 0000'))
    expect(() => bzImagePayload(new Uint8Array(4096))).toThrow('not a bzImage')
    expect(() => bzImagePayload(image.subarray(0, 100))).toThrow('not a bzImage')
    expect(() => bzImagePayload(image.subarray(0, -1))).toThrow('cut')
    expect(() => bzImagePayload(bzImageMake(bytes('ffffffff ffffffff')))).toThrow('unknown')
    expect(() => kernelImage(bytes('7f454c46'))).toThrow('ELF')
    expect(() => kernelImage(elfMake([[0x1000000, bytes('01')]], 0x200000))).toThrow('16 MiB')
    expect(() => kernelImage(elfMake([[0x100, bytes('01')]]))).toThrow('out of place')
  })

  it('puts the segments where the kernel expects them and drops trailing zeros', () => {
    expect([...kernelImage(elf)]).toEqual([1, 2, ...new Uint8Array(14), 3])
  })

  it('lies so that one copy suffices: initramfs, entry code and kernel end to end', () => {
    const { bytes: partition, bodyAddress } = bootPartition(
      bzImageMake(bytes('fd377a585a00 0000')),
      elf,
      new Uint8Array(5000).fill(7),
      'quiet',
    )
    const view = new DataView(partition.buffer)
    expect(bodyAddress).toBe(0x1000000 - 0x8000 - 8192)
    expect(view.getUint32(0x218, true)).toBe(bodyAddress)
    expect(view.getUint32(0x21c, true)).toBe(5000)
    expect(view.getUint32(0x214, true)).toBe(0x1000000 - 0x8000)
    expect(Buffer.from(partition.subarray(0xe000, 0xe006)).toString()).toBe('quiet\0')
    expect(partition[0xf000]).toBe(7)
    expect([...partition.subarray(0xf000 + 8192, 0xf000 + 8192 + 4)]).toEqual([...entryCode.subarray(0, 4)])
    expect([...partition.subarray(0xf000 + 8192 + 0x8000, 0xf000 + 8192 + 0x8000 + 2)]).toEqual([1, 2])
    const sector = new DataView(bootSector({ bytes: partition, bodyAddress }, 2048).buffer)
    expect(sector.getUint32(4, true)).toBe((partition.length - 0xf000) / 512)
    expect(sector.getUint32(8, true)).toBe(bodyAddress)
    expect(sector.getUint32(20, true)).toBe(2048)
  })

  it('refuses what does not fit into memory', () => {
    const bzImage = bzImageMake(bytes('fd377a585a00 0000'))
    expect(() => bootPartition(bzImage, elf, new Uint8Array(15 * 2 ** 20), 'quiet')).toThrow('initramfs')
    expect(() => bootPartition(bzImage, elf, new Uint8Array(1), 'x'.repeat(2048))).toThrow('arguments')
  })

  const assembler = spawnSync('as', ['--version']).status === 0 && spawnSync('ld', ['--version']).status === 0
  // Skipped where no assembler is installed: a host needs none, the code is embedded.
  it.skipIf(!assembler).each([
    ['boot-loader', '0x7c00', loaderCode],
    ['boot-entry', '0xff8000', entryCode],
  ])('holds the code of %s.S', async (name, address, code) => {
    const source = new URL(`../../images/${name}.S`, import.meta.url).pathname
    await run('as', ['--32', '-o', join(folder, `${name}.o`), source])
    const link = ['-m', 'elf_i386', '-Ttext', address, '--oformat', 'binary', '-o', join(folder, name)]
    await run('ld', [...link, join(folder, `${name}.o`)])
    expect(Buffer.from(code).toString('hex')).toBe((await readFile(join(folder, name))).toString('hex'))
    expect(loaderCode.length).toBeLessThanOrEqual(440)
  })
})

describe('the times of a file system', () => {
  const epochSeconds = 1_767_225_600
  async function fileSystem(name: string, ...options: string[]): Promise<string> {
    const path = join(folder, name)
    await mkdir(join(folder, 'tree'), { recursive: true })
    await writeFile(join(folder, 'tree', 'file'), 'content')
    await writeFile(path, '')
    await truncate(path, 9 * 2 ** 20)
    const offset = ['-E', 'offset=1048576']
    await run('/sbin/mke2fs', ['-q', '-t', 'ext4', '-d', join(folder, 'tree'), ...options, ...offset, path, '8192'])
    return path
  }

  it('are set on every file, and the file system stays whole', async () => {
    const path = await fileSystem('plain', '-O', '^metadata_csum')
    extTimesSet(path, 1048576, epochSeconds)
    const { stdout } = await run('/sbin/debugfs', ['-R', 'stat /file', `${path}?offset=1048576`])
    expect(stdout).toContain(`ctime: 0x${epochSeconds.toString(16)}`)
    await run('/sbin/e2fsck', ['-fn', `${path}?offset=1048576`])
  })

  it('are left alone where checksums would become wrong, and where there is no file system', async () => {
    const path = await fileSystem('checksums', '-O', 'metadata_csum')
    expect(() => extTimesSet(path, 1048576, epochSeconds)).toThrow('checksums')
    expect(() => extTimesSet(path, 0, epochSeconds)).toThrow('no ext file system')
    expect(() => extTimesSet(path, 9 * 2 ** 20, epochSeconds)).toThrow('ends before')
  })
})

describe('pictures', () => {
  it('are PNG files with exactly the given points', () => {
    const png = pngEncode(2, 1, bytes('ff0000 0000ff'))
    const view = new DataView(png.buffer, png.byteOffset)
    const dataBytes = view.getUint32(33)
    expect([...inflateSync(png.subarray(41, 41 + dataBytes))]).toEqual([0, 255, 0, 0, 0, 0, 255])
    expect(() => pngEncode(2, 2, new Uint8Array(5))).toThrow(RangeError)
  })

  it('are the same bytes every time', () => {
    expect(wallpaperDraw(64, 40)).toEqual(wallpaperDraw(64, 40))
    expect(new Set(wallpaperDraw(64, 40)).size).toBeGreaterThan(50)
  })

  it('hold a button in all its states', () => {
    expect(xpmEncode(['#.'], 'red', 'blue')).toContain('"2 1 2 1"')
    expect([...themePictures().keys()].sort()).toEqual(
      ['close', 'maximize', 'minimize', 'restore']
        .flatMap(name => [`${name}A.xpm`, `${name}I.xpm`])
        .concat('taskbar/start.xpm'),
    )
  })
})
