/** The cursor channel (spice.proto, `CursorChannel`): the guest's pointer shapes become the canvas's CSS cursor. */
import { openChannel } from '../channel.ts'
import { decodeCursor } from '../cursor-shape.ts'
import { viewOf } from '../wire.ts'

const messages = {
  init: 101,
  reset: 102,
  set: 103,
  move: 104,
  hide: 105,
  trail: 106,
  forget: 107,
  forgetAll: 108,
} as const
const flags = { none: 1, cacheMe: 2, fromCache: 4 } as const
/** Kind, width, height, hot spot. */
const shapeHeaderBytes = 9

export function openCursor(
  url: string,
  canvas: HTMLCanvasElement,
  closed: (code: number, reason: string) => void,
): { close(): void } {
  const cache = new Map<bigint, string>()
  /** CSS values. Without any shape the browser's own pointer is better than none. */
  let shape = 'default'
  let visible = true
  const show = () => {
    canvas.style.cursor = visible ? shape : 'none'
  }

  /** Flags, cache id, kind, size, hot spot, pixels. */
  function setShape(body: Uint8Array, at: number): void {
    const view = viewOf(body)
    const bits = view.getUint16(at, true)
    if (bits & flags.none) {
      shape = 'default'
      return
    }
    const id = view.getBigUint64(at + 2, true)
    if (bits & flags.fromCache) {
      shape = cache.get(id) ?? shape
      return
    }
    const from = at + 10
    const [width, height, hotX, hotY] = [1, 3, 5, 7].map(offset => view.getUint16(from + offset, true)) as [
      number,
      number,
      number,
      number,
    ]
    const pixels = decodeCursor(view.getUint8(from), width, height, body.subarray(from + shapeHeaderBytes))
    if (!pixels) return
    shape = cssCursor(new ImageData(pixels, width, height), hotX, hotY)
    if (bits & flags.cacheMe) cache.set(id, shape)
  }

  const handlers: Readonly<Record<number, (body: Uint8Array) => void>> = {
    [messages.init](body) {
      cache.clear()
      visible = body[8] !== 0
      setShape(body, 9)
    },
    [messages.reset]() {
      cache.clear()
      shape = 'default'
    },
    [messages.set](body) {
      visible = body[4] !== 0
      setShape(body, 5)
    },
    [messages.move]() {
      visible = true
    },
    [messages.hide]() {
      visible = false
    },
    [messages.trail]() {},
    [messages.forget]: body => void cache.delete(viewOf(body).getBigUint64(0, true)),
    [messages.forgetAll]: () => cache.clear(),
  }

  const channel = openChannel({
    url,
    type: 4,
    closed,
    message(type, body) {
      handlers[type]?.(body)
      show()
      return type in handlers
    },
  })
  return { close: channel.close }
}

function cssCursor(image: ImageData, hotX: number, hotY: number): string {
  const canvas = document.createElement('canvas')
  canvas.width = image.width
  canvas.height = image.height
  canvas.getContext('2d')?.putImageData(image, 0, 0)
  const [x, y] = [Math.min(hotX, image.width - 1), Math.min(hotY, image.height - 1)]
  return `url(${canvas.toDataURL()}) ${x} ${y}, default`
}
