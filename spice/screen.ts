/** One display on the page: a canvas whose pixels a worker draws. A new one for every connection. */
import type { DisplayStats, FromDisplayWorker, ToDisplayWorker } from './display-worker.ts'

export interface Screen {
  canvas: HTMLCanvasElement
  readonly size: { width: number; height: number }
  stats(): Promise<DisplayStats>
  close(): void
}

export interface ScreenOptions {
  area: HTMLElement
  label: string
  makeWorker(): Worker
  url: string
  id: number
  resized(): void
  closed(code: number, reason: string): void
}

/** The worker closes its channel and itself; one that hangs in a picture is ended after this. */
const workerGraceMs = 1000

export function openScreen({ area, label, makeWorker, url, id, resized, closed }: ScreenOptions): Screen {
  const canvas = document.createElement('canvas')
  // What a browser may refuse comes first: then nothing is left behind.
  const offscreen = canvas.transferControlToOffscreen()
  const worker = makeWorker()
  const asked: ((stats: DisplayStats) => void)[] = []
  const size = { width: 0, height: 0 }
  let open = true
  canvas.tabIndex = 0
  // Keys are the guest's, so a screen reader must not take them as its own commands.
  canvas.setAttribute('role', 'application')
  canvas.setAttribute('aria-label', label)
  // The CSSOM is not bound by `style-src`, attributes would be.
  Object.assign(canvas.style, { display: 'block', outline: 'none', touchAction: 'none', userSelect: 'none' })
  canvas.style.margin = 'auto'
  area.append(canvas)

  /** The screen fills the area, in its own shape; a guest that follows the area's size is shown pixel for pixel. */
  const fill = () => {
    const scale = Math.min(area.clientWidth / size.width, area.clientHeight / size.height)
    if (!Number.isFinite(scale) || scale <= 0) return
    // Within a hundredth it is meant to be 1: letters stay sharp.
    const shown = Math.abs(scale - 1) < 0.01 ? 1 : scale
    canvas.style.width = `${size.width * shown}px`
    canvas.style.height = `${size.height * shown}px`
  }
  const fitting = new ResizeObserver(fill)
  fitting.observe(area)

  const tell = (message: ToDisplayWorker, transfer: Transferable[] = []) => worker.postMessage(message, transfer)
  worker.onmessage = ({ data }: MessageEvent<FromDisplayWorker>) => {
    if (!open) return
    if (data.type === 'size') {
      size.width = data.width
      size.height = data.height
      fill()
      resized()
    } else if (data.type === 'closed') closed(data.code, data.reason)
    else asked.shift()?.(data.stats)
  }
  // A worker whose script does not load tells it so; without this the page would wait for ever.
  worker.onerror = event => closed(0, `the display worker failed: ${event.message}`)
  tell({ type: 'open', url, id, canvas: offscreen }, [offscreen])

  return {
    canvas,
    size,
    stats: () =>
      new Promise(resolve => {
        asked.push(resolve)
        tell({ type: 'stats' })
      }),
    close() {
      if (!open) return
      open = false
      fitting.disconnect()
      tell({ type: 'close' })
      setTimeout(() => worker.terminate(), workerGraceMs)
      canvas.remove()
    },
  }
}
