import { crc32, deflateSync } from 'node:zlib'

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

function chunk(type: string, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, body.length)
  bytes.set(new TextEncoder().encode(type), 4)
  bytes.set(body, 8)
  view.setUint32(8 + body.length, crc32(bytes.subarray(4, 8 + body.length)))
  return bytes
}

/**
 * A PNG of 8-bit RGB pixels, the same bytes for the same pixels (ISO/IEC 15948: one IDAT, no filter, no time stamp).
 * @throws RangeError when there are not `3 * width * height` bytes
 */
export function pngEncode(width: number, height: number, rgb: Uint8Array): Uint8Array {
  const rowBytes = 3 * width
  if (rgb.length !== rowBytes * height) throw new RangeError(`${rgb.length} bytes are not ${width} x ${height} pixels`)
  const rows = new Uint8Array((rowBytes + 1) * height)
  for (let row = 0; row < height; row++)
    rows.set(rgb.subarray(row * rowBytes, (row + 1) * rowBytes), row * (rowBytes + 1) + 1)
  const head = new Uint8Array(13)
  const view = new DataView(head.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  head.set([8, 2], 8)
  return Buffer.concat([
    Uint8Array.from(signature),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', new Uint8Array()),
  ])
}
