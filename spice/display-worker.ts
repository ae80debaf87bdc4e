/** The worker of one screen: display channel, decoding and drawing, away from the page's own thread. */
import { openChannel } from './channel.ts'
import { makeDisplay } from './channels/display.ts'
import { makePresenter } from './presenter.ts'

/** Page to worker: `open` once, then the rest. */
export type ToDisplayWorker =
  | { type: 'open'; url: string; id: number; canvas: OffscreenCanvas }
  | { type: 'stats' }
  | { type: 'close' }

export type FromDisplayWorker =
  | { type: 'size'; width: number; height: number }
  | { type: 'closed'; code: number; reason: string }
  | { type: 'stats'; stats: DisplayStats }

export interface DisplayStats {
  bytes: number
  messages: number
  draws: number
  frames: number
  skipped: Record<string, number>
}

const page = self as unknown as DedicatedWorkerGlobalScope
const tell = (message: FromDisplayWorker) => page.postMessage(message)

let screen: ReturnType<typeof open> | undefined

function open(url: string, id: number, canvas: OffscreenCanvas) {
  const presenter = makePresenter(canvas, (width, height) => tell({ type: 'size', width, height }))
  const slow: Parameters<typeof makeDisplay>[1] = async (...picture) =>
    (await import('./fallback.ts')).decodeSlowly(...picture)
  const display = makeDisplay({ primary: presenter.show, damaged: presenter.damaged }, slow)
  const channel = openChannel({
    url,
    type: 2,
    id,
    message: display.message,
    closed: (code, reason) => tell({ type: 'closed', code, reason }),
  })
  return { presenter, display, channel }
}

page.onmessage = ({ data }: MessageEvent<ToDisplayWorker>) => {
  if (data.type === 'open') screen = open(data.url, data.id, data.canvas)
  else if (data.type === 'close') {
    screen?.channel.close()
    page.close()
  } else if (screen) {
    const { bytes, messages, unknown } = screen.channel.stats
    const { draws, skipped } = screen.display.stats
    const { frames } = screen.presenter.stats
    tell({ type: 'stats', stats: { bytes, messages, draws, frames, skipped: { ...unknown, ...skipped } } })
  }
}
