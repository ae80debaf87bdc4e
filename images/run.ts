/**
 * The binary work of the recipes, called by their bash scripts: `node images/run.ts COMMAND ARGUMENT...`.
 * Exit code 0 or an error text on stderr.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { bootPartition, bootSector, bzImagePayload, type PayloadFormat } from './boot.ts'
import { extTimesSet } from './ext-times.ts'
import { mbrEncode, mbrOffset, partitionParse } from './mbr.ts'
import { signatureCut, typesBlank } from './module-trim.ts'
import { pngEncode } from './png.ts'
import { themePictures } from './theme-pictures.ts'
import { wallpaperDraw } from './wallpaper.ts'

const payloadLimitBytes = 256 * 2 ** 20

/** Node has no xz and lz4: their programs read standard input. */
const unpack = {
  xz: bytes => execFileSync('xz', ['-dc', '--single-stream'], { input: bytes, maxBuffer: payloadLimitBytes }),
  lz4: bytes => execFileSync('lz4', ['-dc'], { input: bytes, maxBuffer: payloadLimitBytes }),
  zstd: bytes => zstdDecompressSync(bytes),
  gzip: bytes => gunzipSync(bytes),
} satisfies Record<PayloadFormat, (bytes: Uint8Array) => Uint8Array>

function argument(values: string[], index: number, name: string): string {
  const value = values[index]
  if (value === undefined) throw new Error(`missing argument: ${name}`)
  return value
}

/** Writes pieces into an existing file, each at its place. */
function filePatch(path: string, pieces: { at: number; bytes: Uint8Array }[]): void {
  const file = openSync(path, 'r+')
  try {
    for (const { at, bytes } of pieces) writeSync(file, bytes, 0, bytes.length, at)
  } finally {
    closeSync(file)
  }
}

const commands: Record<string, (values: string[]) => void> = {
  /** mbr DISK ID_HEX TYPE:START:SECTORS... */
  mbr(values) {
    const diskId = Number.parseInt(argument(values, 1, 'disk id'), 16)
    const bytes = mbrEncode(diskId, values.slice(2).map(partitionParse))
    filePatch(argument(values, 0, 'disk'), [{ at: mbrOffset, bytes }])
  },

  /** boot DISK START_SECTOR SECTORS BZIMAGE INITRAMFS ARGUMENTS : loader and boot partition */
  boot(values) {
    const startSector = Number(argument(values, 1, 'first sector'))
    const bzImage = readFileSync(argument(values, 3, 'kernel'))
    const payload = bzImagePayload(bzImage)
    const initramfs = readFileSync(argument(values, 4, 'initramfs'))
    const partition = bootPartition(
      bzImage,
      unpack[payload.format](payload.bytes),
      initramfs,
      argument(values, 5, 'arguments'),
    )
    if (partition.bytes.length > Number(argument(values, 2, 'sectors')) * 512)
      throw new Error(`the boot partition is too small for ${partition.bytes.length} bytes`)
    filePatch(argument(values, 0, 'disk'), [
      { at: 0, bytes: bootSector(partition, startSector) },
      { at: startSector * 512, bytes: partition.bytes },
    ])
  },

  /** ext-times DISK OFFSET EPOCH_SECONDS */
  'ext-times'(values) {
    extTimesSet(argument(values, 0, 'disk'), Number(argument(values, 1, 'offset')), Number(argument(values, 2, 'time')))
  },

  /** wallpaper FILE.png WIDTH HEIGHT */
  wallpaper(values) {
    const width = Number(argument(values, 1, 'width'))
    const height = Number(argument(values, 2, 'height'))
    writeFileSync(argument(values, 0, 'file'), pngEncode(width, height, wallpaperDraw(width, height)))
  },

  /** theme FOLDER : pictures of the window manager's theme */
  theme(values) {
    for (const [name, text] of themePictures()) {
      const path = join(argument(values, 0, 'folder'), name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    }
  },

  /** modules-trim FILE... */
  'modules-trim'(values) {
    for (const path of values) writeFileSync(path, typesBlank(signatureCut(readFileSync(path))))
  },
}

const [name = '', ...values] = process.argv.slice(2)
const command = commands[name]
if (!command) {
  console.error(`unknown command "${name}"; known: ${Object.keys(commands).join(', ')}`)
  process.exit(2)
}
command(values)
