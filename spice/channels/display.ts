/**
 * The display channel (spice.proto, `DisplayChannel`): drawing commands onto surfaces. Knows no socket and no canvas:
 * fed messages, it tells what changed.
 */
import { HdcsError } from '../../lib/errors.ts'
import { count } from '../channel.ts'
import { canvasColor, type ImageSources, makeImages } from '../images.ts'
import { maxPixels, type Picture } from '../lz.ts'
import {
  type Box,
  drawPicture,
  drawScaled,
  fillPart,
  invertPart,
  makeSurface,
  moveParts,
  noteDirty,
  type Surface,
  visibleParts,
} from '../surface.ts'
import { viewOf } from '../wire.ts'

export interface DisplayEvents {
  /** The surface to be shown was made, or is gone. */
  primary(surface: Surface | null): void
  /** `surface.dirty` has grown. Called for every drawing: do as little as noting it. */
  damaged(surface: Surface): void
}

export interface Display {
  /** @returns false when the message is not known. @throws what one picture can be wrong in; the next may be right. */
  message(type: number, body: Uint8Array): boolean
  readonly stats: { draws: number; skipped: Record<string, number> }
  primary(): Surface | null
}

/** Messages kept while a slow picture is decoded. Higher: more memory; lower: busy screens of QUIC lose drawings. */
const maxWaitingBytes = 64 << 20
const ropPut = 8
const clipRects = 1
const solidBrush = 1

interface Message {
  type: number
  body: Uint8Array
}

interface Drawing {
  surface: Surface
  box: Box
  parts: Box[]
  clipped: boolean
  /** Where the command's own fields start. */
  at: number
}

type Handler = (body: Uint8Array, view: DataView) => void

export function makeDisplay(events: DisplayEvents, slow?: NonNullable<ImageSources['slow']>): Display {
  const surfaces = new Map<number, Surface>()
  const images = makeImages({ surface: id => surfaces.get(id), ...(slow ? { slow } : {}) })
  const stats = { draws: 0, skipped: {} as Record<string, number> }
  /** Drawings must not overtake each other: while a slow picture is on its way, what follows waits as copies. */
  let waiting: Message[] | null = null
  let waitingBytes = 0

  const handlers: Readonly<Record<number, Handler>> = {
    102: () => {}, // MARK: the picture is whole; the browser's frames do that.
    103: reset,
    104: copyBits,
    105: forgetImages,
    106: () => images.forgetAll(),
    107: (_, view) => images.forgetPalette(view.getBigUint64(0, true)),
    108: () => images.forgetPalettes(),
    302: fill,
    304: copy,
    306: (_, view) => solid(view, 0xff000000 | 0),
    307: (_, view) => solid(view, 0xffffffff | 0),
    308: (_, view) => eachPart(view, invertPart),
    314: surfaceCreate,
    315: surfaceDestroy,
    317: () => {}, // MONITORS_CONFIG: one monitor a channel, and the surface's size says how large.
  }

  function message(type: number, body: Uint8Array): boolean {
    const handler = handlers[type]
    if (!handler) return false
    if (waiting) {
      waitingBytes += body.length
      if (waitingBytes > maxWaitingBytes) count(stats.skipped, 'too much while waiting')
      else waiting.push({ type, body: body.slice() })
    } else handler(body, viewOf(body))
    return true
  }

  /** Draws when the picture is there and then what came meanwhile. */
  function wait(picture: Promise<Picture>, draw: (picture: Picture) => void): void {
    waiting = []
    waitingBytes = 0
    const goOn = () => {
      const later = waiting ?? []
      waiting = null
      for (const [index, message] of later.entries()) {
        guarded(() => void handlers[message.type]?.(message.body, viewOf(message.body)))
        // This one is slow again: the rest waits behind it.
        if (waiting) {
          waiting = later.slice(index + 1)
          return
        }
      }
    }
    picture.then(ready => guarded(() => draw(ready)), skip).then(goOn)
  }
  function guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      skip(error)
    }
  }
  const skip = (error: unknown) => count(stats.skipped, error instanceof HdcsError ? error.message : String(error))

  function drawing(view: DataView): Drawing | undefined {
    const surface = surfaces.get(view.getUint32(0, true))
    const box = boxAt(view, 4)
    let at = 21
    let clip: Box[] | null = null
    if (view.getUint8(20) === clipRects) {
      const rects = view.getUint32(21, true)
      if (rects * 16 > view.byteLength) throw new HdcsError('protocol', 'A clip list is cut short.')
      clip = Array.from({ length: rects }, (_, i) => boxAt(view, 25 + 16 * i))
      at = 25 + 16 * rects
    }
    stats.draws++
    if (!surface) count(stats.skipped, 'no surface')
    return surface && { surface, box, parts: visibleParts(surface, box, clip), clipped: clip !== null, at }
  }

  function eachPart(view: DataView, draw: (surface: Surface, part: Box) => void): void {
    const found = drawing(view)
    if (!found) return
    for (const part of found.parts) draw(found.surface, part)
    events.damaged(found.surface)
  }
  function solid(view: DataView, color: number): void {
    eachPart(view, (surface, part) => fillPart(surface, part, color))
  }

  function fill(_: Uint8Array, view: DataView): void {
    const found = drawing(view)
    if (!found) return
    const [brush, rop] = [view.getUint8(found.at), view.getUint16(found.at + 5, true)]
    if (brush !== solidBrush || rop !== ropPut)
      throw new HdcsError('unsupported', `fill with brush ${brush}, rop ${rop}`)
    const color = canvasColor(view.getUint32(found.at + 1, true))
    for (const part of found.parts) fillPart(found.surface, part, color)
    events.damaged(found.surface)
  }

  function copyBits(_: Uint8Array, view: DataView): void {
    const found = drawing(view)
    if (!found) return
    const by = {
      x: view.getInt32(found.at, true) - found.box.left,
      y: view.getInt32(found.at + 4, true) - found.box.top,
    }
    if (moveParts(found.surface, found.parts, by)) events.damaged(found.surface)
    else count(stats.skipped, 'copy from outside')
  }

  function copy(body: Uint8Array, view: DataView): void {
    const found = drawing(view)
    if (!found) return
    const { surface, box, parts, clipped, at } = found
    const source = boxAt(view, at + 4)
    const [rop, mask] = [view.getUint16(at + 20, true), view.getUint32(at + 32, true)]
    if (rop !== ropPut || mask !== 0)
      throw new HdcsError('unsupported', `copy with rop ${rop}${mask ? ' and a mask' : ''}`)
    // A picture over the whole width is decoded straight into the surface.
    const same =
      source.right - source.left === box.right - box.left && source.bottom - source.top === box.bottom - box.top
    const whole =
      same && !clipped && source.left === 0 && source.top === 0 && box.left === 0 && box.right === surface.width
    const fits = whole && box.top >= 0 && box.bottom <= surface.height
    const goal = surface.pixels.subarray(box.top * surface.width, box.bottom * surface.width)
    const picture = images.read(body, view.getUint32(at, true), fits ? { pixels: goal, offset: 0 } : null)
    const draw = (ready: Picture) => {
      if (ready.pixels.buffer === surface.pixels.buffer) noteDirty(surface, box)
      else {
        const from = { x: source.left - box.left, y: source.top - box.top }
        for (const part of parts)
          if (same) drawPicture(surface, part, ready, from)
          else drawScaled(surface, part, ready, source, box)
      }
      events.damaged(surface)
    }
    if (picture instanceof Promise) wait(picture, draw)
    else draw(picture)
  }

  function forgetImages(_: Uint8Array, view: DataView): void {
    for (let i = 0; i < view.getUint16(0, true); i++)
      if (view.getUint8(2 + 9 * i) === 1) images.forget(view.getBigUint64(3 + 9 * i, true))
  }

  function surfaceCreate(_: Uint8Array, view: DataView): void {
    const [id, width, height] = [0, 4, 8].map(at => view.getUint32(at, true)) as [number, number, number]
    if (width * height > maxPixels) throw new HdcsError('protocol', `A surface of ${width} × ${height} was announced.`)
    const surface = makeSurface(id, width, height, (view.getUint32(16, true) & 1) !== 0)
    surfaces.set(id, surface)
    if (surface.primary) events.primary(surface)
  }
  function surfaceDestroy(_: Uint8Array, view: DataView): void {
    const surface = surfaces.get(view.getUint32(0, true))
    if (!surface) return
    surfaces.delete(surface.id)
    if (surface.primary) events.primary(null)
  }
  function reset(): void {
    surfaces.clear()
    images.forgetAll()
    events.primary(null)
  }

  return { message, stats, primary: () => [...surfaces.values()].find(({ primary }) => primary) ?? null }
}

/** Top, left, bottom, right. */
function boxAt(view: DataView, at: number): Box {
  const [top, left, bottom, right] = [0, 4, 8, 12].map(from => view.getInt32(at + from, true)) as [
    number,
    number,
    number,
    number,
  ]
  return { left, top, right, bottom }
}
