/**
 * What the desktop draws on: plain pixels and what changed. No canvas here, so that the same code draws in a worker
 * and is compared with real screens in Node; presenter.ts shows it.
 */
import type { Picture } from './lz.ts'

/** Left and top belong to it, right and bottom do not. */
export interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

export interface Surface {
  id: number
  width: number
  height: number
  primary: boolean
  /** 0xAABBGGRR, rows from the top. */
  pixels: Int32Array
  /** Changed since it was last shown. */
  dirty: Box[]
}

const opaque = 0xff000000 | 0
/** Lower: many small changes are shown as one large box; higher: joining costs more than drawing. */
const maxDirty = 64
/**
 * From this width on a row is copied by the engine. QEMU sends columns 32 pixels wide, and a call per row then costs
 * three times the decoding; higher: wide pictures are copied slowly.
 */
const wideRow = 192

export function makeSurface(id: number, width: number, height: number, primary: boolean): Surface {
  return { id, width, height, primary, pixels: new Int32Array(width * height).fill(opaque), dirty: [] }
}

/** Notes a change, joined with the one before where bands follow each other. */
export function noteDirty(surface: Surface, box: Box): void {
  const last = surface.dirty.at(-1)
  if (last && last.left === box.left && last.right === box.right && box.top >= last.top && box.top <= last.bottom)
    last.bottom = Math.max(last.bottom, box.bottom)
  else if (surface.dirty.length < maxDirty) surface.dirty.push({ ...box })
  else surface.dirty = [boxAround([...surface.dirty, box])]
}

export function boxAround(boxes: readonly Box[]): Box {
  return boxes.reduce((sum, box) => ({
    left: Math.min(sum.left, box.left),
    top: Math.min(sum.top, box.top),
    right: Math.max(sum.right, box.right),
    bottom: Math.max(sum.bottom, box.bottom),
  }))
}

/** The parts of `box` that lie in the clip boxes (null: everywhere) and on the surface. */
export function visibleParts(surface: Surface, box: Box, clip: readonly Box[] | null): Box[] {
  const within = { left: 0, top: 0, right: surface.width, bottom: surface.height }
  return (clip ?? [box])
    .map(part => cut(cut(part, box), within))
    .filter(part => part.left < part.right && part.top < part.bottom)
}

const cut = (a: Box, b: Box): Box => ({
  left: Math.max(a.left, b.left),
  top: Math.max(a.top, b.top),
  right: Math.min(a.right, b.right),
  bottom: Math.min(a.bottom, b.bottom),
})

/** @param from the picture's row and column that lie at the part's left top corner's origin (0, 0 of the surface). */
export function drawPicture(surface: Surface, part: Box, picture: Picture, from: { x: number; y: number }): void {
  const { pixels: source, width, height, topDown } = picture
  const { pixels: goal } = surface
  const length = part.right - part.left
  const inside = part.left + from.x >= 0 && part.right + from.x <= width && part.top + from.y >= 0
  // Checked once, so that the loops need not: outside a row lie the pixels of its neighbours.
  if (!inside || part.bottom + from.y > height) return
  const step = topDown ? width : -width
  let s = (topDown ? part.top + from.y : height - 1 - part.top - from.y) * width + part.left + from.x
  let g = part.top * surface.width + part.left
  for (let y = part.top; y < part.bottom; y++, s += step, g += surface.width)
    if (picture.alpha) for (let i = 0; i < length; i++) goal[g + i] = (source[s + i] as number) | opaque
    else if (length >= wideRow) goal.set(source.subarray(s, s + length), g)
    else for (let i = 0; i < length; i++) goal[g + i] = source[s + i] as number
  noteDirty(surface, part)
}

/** Nearest pixel; the guest rarely asks for it. `source` is in the picture, top down. */
export function drawScaled(surface: Surface, part: Box, picture: Picture, source: Box, box: Box): void {
  const { pixels, width, height, topDown } = picture
  const [scaleX, scaleY] = [
    (source.right - source.left) / (box.right - box.left),
    (source.bottom - source.top) / (box.bottom - box.top),
  ]
  for (let y = part.top; y < part.bottom; y++) {
    const row = Math.floor(source.top + (y - box.top) * scaleY)
    const start = (topDown ? row : height - 1 - row) * width
    for (let x = part.left; x < part.right; x++) {
      const pixel = pixels[start + Math.floor(source.left + (x - box.left) * scaleX)] ?? 0
      surface.pixels[y * surface.width + x] = pixel | opaque
    }
  }
  noteDirty(surface, part)
}

export function fillPart(surface: Surface, part: Box, color: number): void {
  for (let y = part.top; y < part.bottom; y++)
    surface.pixels.fill(color, y * surface.width + part.left, y * surface.width + part.right)
  noteDirty(surface, part)
}

export function invertPart(surface: Surface, part: Box): void {
  for (let y = part.top; y < part.bottom; y++)
    for (let at = y * surface.width + part.left; at < y * surface.width + part.right; at++)
      surface.pixels[at] = (surface.pixels[at] as number) ^ 0xffffff
  noteDirty(surface, part)
}

/** Moves pixels within the surface, as scrolling does. @returns false when the source lies outside. */
export function moveParts(surface: Surface, parts: readonly Box[], by: { x: number; y: number }): boolean {
  const { width, height, pixels } = surface
  const inside = (part: Box) =>
    part.left + by.x >= 0 && part.right + by.x <= width && part.top + by.y >= 0 && part.bottom + by.y <= height
  if (!parts.every(inside)) return false
  // All parts together, ordered so that no row is overwritten before it was read.
  const rows = parts.flatMap(part =>
    Array.from({ length: part.bottom - part.top }, (_, i) => ({ part, y: part.top + i })),
  )
  rows.sort(
    (a, b) => (by.y < 0 ? b.y - a.y : a.y - b.y) || (by.x < 0 ? b.part.left - a.part.left : a.part.left - b.part.left),
  )
  for (const { part, y } of rows) {
    const from = (y + by.y) * width + by.x
    pixels.copyWithin(y * width + part.left, from + part.left, from + part.right)
  }
  for (const part of parts) noteDirty(surface, part)
  return true
}
