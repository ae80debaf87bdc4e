/** Pointer shapes as the cursor channel sends them, to RGBA. */

/** Kinds by number: premultiplied BGRA; two bit masks; 16, 24 and 32 bits with a bit mask. */
const kinds = { alpha: 0, mono: 1, color16: 4, color24: 5, color32: 6 } as const
/** CSS cursors above 128 pixels are not shown; a hostile size is refused before anything is allocated. */
const maxSize = 512

/** @returns null for a kind or size that cannot be shown. */
export function decodeCursor(
  kind: number,
  width: number,
  height: number,
  data: Uint8Array,
): Uint8ClampedArray<ArrayBuffer> | null {
  if (width > maxSize || height > maxSize || width === 0 || height === 0) return null
  const pixels = new Uint8ClampedArray(4 * width * height)
  if (kind === kinds.alpha) decodeAlpha(data, pixels)
  else if (kind === kinds.mono) decodeMono(data, width, height, pixels)
  else if (kind === kinds.color16 || kind === kinds.color24 || kind === kinds.color32)
    decodeColor(data, kind - 2, width, height, pixels)
  else return null
  return pixels
}

function decodeAlpha(data: Uint8Array, pixels: Uint8ClampedArray): void {
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = data[at + 3] ?? 0
    const straight = alpha > 0 ? 255 / alpha : 0
    pixels.set([(data[at + 2] ?? 0) * straight, (data[at + 1] ?? 0) * straight, (data[at] ?? 0) * straight, alpha], at)
  }
}

function bitAt(data: Uint8Array, from: number, width: number, x: number, y: number): boolean {
  const stride = (width + 7) >> 3
  return (((data[from + y * stride + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1) === 1
}

/** AND mask, then XOR mask. Both set means inverting, which CSS cannot: drawn black with a white edge. */
function decodeMono(data: Uint8Array, width: number, height: number, pixels: Uint8ClampedArray): void {
  const xorMask = ((width + 7) >> 3) * height
  const inverting: [number, number][] = []
  const paint = (x: number, y: number, shade: number) => pixels.set([shade, shade, shade, 255], 4 * (y * width + x))
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [and, xor] = [bitAt(data, 0, width, x, y), bitAt(data, xorMask, width, x, y)]
      if (!and) paint(x, y, xor ? 255 : 0)
      else if (xor) inverting.push([x, y])
    }
  for (const [x, y] of inverting) paint(x, y, 0)
  for (const [x, y] of inverting)
    for (const [nextX, nextY] of [
      [x + 1, y],
      [x - 1, y],
      [x, y + 1],
      [x, y - 1],
    ] as const) {
      const inside = nextX >= 0 && nextY >= 0 && nextX < width && nextY < height
      if (inside && pixels[4 * (nextY * width + nextX) + 3] === 0) paint(nextX, nextY, 255)
    }
}

function decodeColor(
  data: Uint8Array,
  bytesPerPixel: number,
  width: number,
  height: number,
  pixels: Uint8ClampedArray,
): void {
  const maskAt = width * bytesPerPixel * height
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * bytesPerPixel
      const [a = 0, b = 0, c = 0] = [data[from], data[from + 1], data[from + 2]]
      const alpha = bitAt(data, maskAt, width, x, y) ? 0 : 255
      const color = bytesPerPixel === 2 ? colorOf555(a | (b << 8)) : [c, b, a]
      pixels.set([...color, alpha], 4 * (y * width + x))
    }
}

const colorOf555 = (value: number) => [value >> 10, value >> 5, value].map(bits => ((bits & 31) * 255) / 31)
