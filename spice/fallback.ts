/**
 * Pictures that a desktop with our settings does not send: QUIC, by the npm package `spice-client` (LGPL-3.0-or-later,
 * a chunk of its own, loaded with the first such picture), and JPEG, by the browser. This is the one file that knows
 * the package: it has no decoder to call, so its display channel is lent a message with the picture and surfaces of ours.
 */
import { HdcsError } from '../lib/errors.ts'
import type { Picture } from './lz.ts'
import { pack, viewOf } from './wire.ts'

export type SlowPicture = 'quic' | 'jpeg' | 'jpegAlpha'

/** What the package's display channel needs of the world to decode one picture. */
interface Stage {
  surfaces: { canvas: { context: { createImageData(width: number, height: number): PlainImage } } }[]
  draw_copy_helper(drawing: { image_data: PlainImage; has_alpha: boolean }): boolean
  log_warn(): void
  log_err(): void
  log_draw(): void
}
interface PlainImage {
  width: number
  height: number
  data: Uint8ClampedArray
}
interface Package {
  SpiceDisplayConn: {
    prototype: { process_channel_message(this: Stage, message: { type: number; data: ArrayBuffer }): boolean }
  }
}

const drawCopy = 304
const quicType = 1

/** @throws HdcsError `protocol`: this is no such picture. */
export async function decodeSlowly(
  type: SlowPicture,
  data: Uint8Array,
  width: number,
  height: number,
): Promise<Picture> {
  const image =
    type === 'quic' ? await decodeQuic(data, width, height) : await decodeJpeg(type === 'jpeg' ? data : jpegOf(data))
  const pixels = new Int32Array(image.data.buffer, image.data.byteOffset, image.width * image.height)
  return { pixels, width: image.width, height: image.height, topDown: true, alpha: type !== 'jpeg' }
}

async function decodeQuic(data: Uint8Array, width: number, height: number): Promise<PlainImage> {
  const { SpiceDisplayConn } = (await import('spice-client')) as unknown as Package
  let decoded: PlainImage | undefined
  const createImageData = (w: number, h: number) => ({ width: w, height: h, data: new Uint8ClampedArray(4 * w * h) })
  const stage: Stage = {
    surfaces: [{ canvas: { context: { createImageData } } }],
    draw_copy_helper(drawing) {
      decoded = drawing.image_data
      return true
    },
    log_warn() {},
    log_err() {},
    log_draw() {},
  }
  const message = { type: drawCopy, data: drawingOf(data, width, height) }
  try {
    SpiceDisplayConn.prototype.process_channel_message.call(stage, message)
  } catch (cause) {
    throw new HdcsError('protocol', 'This is no QUIC picture.', { cause })
  }
  if (!decoded) throw new HdcsError('protocol', 'This is no QUIC picture.')
  return decoded
}

/** A DRAW_COPY of the whole picture to surface 0. */
function drawingOf(data: Uint8Array, width: number, height: number): ArrayBuffer {
  const box = [
    ['i32', 0],
    ['i32', 0],
    ['i32', height],
    ['i32', width],
  ] as const
  const imageAt = 57
  const head = pack(['u32', 0], ...box, ['u8', 0], ['u32', imageAt], ...box, ['u16', 8])
  const image = pack(['u64', 0], ['u8', quicType], ['u8', 0], ['u32', width], ['u32', height], ['u32', data.length])
  const bytes = new Uint8Array(imageAt + image.length + data.length)
  bytes.set(head)
  bytes.set(image, imageAt)
  bytes.set(data, imageAt + image.length)
  return bytes.buffer
}

/** Flags, size of the JPEG, size of all; then the JPEG and alpha values, which our surfaces do not have. */
function jpegOf(data: Uint8Array): Uint8Array {
  const size = viewOf(data).getUint32(1, true)
  return data.subarray(9, 9 + size)
}

async function decodeJpeg(data: Uint8Array): Promise<PlainImage> {
  const bitmap = await createImageBitmap(new Blob([data.slice()], { type: 'image/jpeg' })).catch(cause => {
    throw new HdcsError('protocol', 'This is no JPEG picture.', { cause })
  })
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d', { willReadFrequently: true })
  if (!context) throw new HdcsError('unsupported', 'This browser has no canvas in a worker.')
  context.drawImage(bitmap, 0, 0)
  bitmap.close()
  return context.getImageData(0, 0, context.canvas.width, context.canvas.height)
}
