/** The picture of a simulated screen: pixels, block letters, SPICE's LZ for them (`lz.c` of spice-common), and PNG. */
import { crc32, deflateSync } from 'node:zlib'

export interface Picture {
  width: number
  height: number
  /** 0x00RRGGBB. */
  pixels: Int32Array
}

export function makePicture(width: number, height: number): Picture {
  return { width, height, pixels: new Int32Array(width * height) }
}

/** Three columns and five rows a letter, one octal digit a row. */
const letters: Readonly<Record<string, string>> = {
  A: '25755', B: '65656', C: '34443', D: '65556', E: '74647', F: '74644', G: '34553', H: '55755', I: '72227',
  J: '11152', K: '55655', L: '44447', M: '57755', N: '65555', O: '25552', P: '65644', Q: '25573', R: '65655',
  S: '34216', T: '72222', U: '55557', V: '55552', W: '55775', X: '55255', Y: '55222', Z: '71247',
  0: '75557', 1: '26227', 2: '71747', 3: '71717', 4: '55711', 5: '74717', 6: '74757', 7: '71111', 8: '75757', 9: '75717',
  '-': '00700', '.': '00002', _: '00007', ':': '02020', ' ': '00000',
} // biome-ignore format: a table

export function drawBox(picture: Picture, x: number, y: number, width: number, height: number, color: number): void {
  const [left, right] = [Math.max(0, x), Math.min(picture.width, x + width)]
  for (let row = Math.max(0, y); row < Math.min(picture.height, y + height); row++)
    if (left < right) picture.pixels.fill(color, row * picture.width + left, row * picture.width + right)
}

/** Letters that do not fit are cut; unknown ones are blocks. */
export function drawText(picture: Picture, x: number, y: number, text: string, scale: number, color: number): void {
  for (const [at, letter] of [...text.toUpperCase()].entries())
    for (const [row, digit] of [...(letters[letter] ?? '77777')].entries())
      for (let column = 0; column < 3; column++)
        if (Number(digit) & (4 >> column))
          drawBox(picture, x + (at * 4 + column) * scale, y + row * scale, scale, scale, color)
}

/**
 * Rows `top` to `bottom` as an LZ_RGB image, 32 bits. It looks for repetition of the pixel before and of the row
 * above only: block letters need no more.
 */
export function encodeLz(picture: Picture, top: number, bottom: number): Buffer {
  const { width, pixels } = picture
  const [start, end] = [top * width, bottom * width]
  const out: number[] = []
  const header = Buffer.alloc(28)
  // The magic word is byte-swapped on the wire, unlike its neighbours.
  header.write('  ZL')
  for (const [index, word] of [0x10001, 8, width, bottom - top, width * 4, 1].entries())
    header.writeUInt32BE(word, 4 + 4 * index)
  const same = (at: number, distance: number) => {
    if (at - distance < start) return 0
    let length = 0
    while (at + length < end && pixels[at + length] === pixels[at + length - distance]) length++
    return length
  }
  let literals: number[] = []
  const flush = () => {
    for (let at = 0; at < literals.length; at += 32) {
      const run = literals.slice(at, at + 32)
      out.push(run.length - 1)
      for (const pixel of run) out.push(pixel & 0xff, (pixel >> 8) & 0xff, (pixel >> 16) & 0xff)
    }
    literals = []
  }
  for (let at = start; at < end; ) {
    const [run, above] = [same(at, 1), same(at, width)]
    const [length, distance] = run >= above ? [run, 0] : [above, width - 1]
    if (length < 3) {
      literals.push(pixels[at++] ?? 0)
      continue
    }
    flush()
    out.push((Math.min(length, 7) << 5) | (distance >> 8))
    if (length >= 7) {
      let rest = length - 7
      for (; rest >= 255; rest -= 255) out.push(255)
      out.push(rest)
    }
    out.push(distance & 0xff)
    at += length
  }
  flush()
  return Buffer.concat([header, Buffer.from(out)])
}

/** PNG (RFC 2083): true colour, 8 bits, no filter. */
export function encodePng({ width, height, pixels }: Picture): Uint8Array {
  const chunk = (type: string, body: Buffer) => {
    const named = Buffer.concat([Buffer.from(type), body])
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(body.length)
    frame.writeUInt32BE(crc32(named), 4)
    return Buffer.concat([frame.subarray(0, 4), named, frame.subarray(4)])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 2], 8)
  const rows = Buffer.alloc(height * (1 + 3 * width))
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      rows.writeUIntBE((pixels[y * width + x] ?? 0) & 0xffffff, y * (1 + 3 * width) + 1 + 3 * x, 3)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const end = chunk('IEND', Buffer.alloc(0))
  return new Uint8Array(Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), end]))
}
