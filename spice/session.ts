/**
 * One desktop on one page: opens the channels that the server lists, shows the screen, sends keys and pointer, and
 * comes back by itself with a new ticket when the network breaks.
 *
 *     const session = openSession({
 *       connect: async back => (await api.connect(desktopId, back)).webSocketUrl, // called again for every reconnect
 *       area: document.getElementById('screen'),                          // gets a canvas; its size is followed
 *       displayWorker: () =>
 *         new Worker(new URL('../../spice/display-worker.ts', import.meta.url), { type: 'module' }),
 *       changed: status => render(status),                                // codes, the page has the words
 *       clipboard: text => navigator.clipboard.writeText(text),           // the guest copied something
 *     })
 *     session.keys('ControlLeft', 'AltLeft', 'Delete')
 *     session.clipboardOffer(await navigator.clipboard.readText())
 *     session.close()                                                     // before the page goes away
 *
 * Browser-safe; needs no more of a strict CSP than `script-src 'self'; worker-src 'self'; connect-src 'self';
 * img-src data:` (the guest's pointer shapes are CSS cursors with data: URLs; styles are set through the CSSOM).
 */
import { HdcsError } from '../lib/errors.ts'
import { openCursor } from './channels/cursor.ts'
import { type Inputs, openInputs } from './channels/inputs.ts'
import { type Main, openMain } from './channels/main.ts'
import { canPlay, openPlayback, type Playback } from './channels/playback.ts'
import type { DisplayStats } from './display-worker.ts'
import { openScreen, type Screen } from './screen.ts'
import { closeDecision, type Decision, refusalDecision, retryWaitMs, type SessionReason } from './session-rules.ts'

export type { SessionReason }

export type SessionStatus =
  | { state: 'connecting' }
  /** The size is the guest's, in its own pixels. It changes while ready: `changed` is called again. */
  | { state: 'ready'; width: number; height: number /** Clipboard and resizing work. */; agent: boolean }
  | { state: 'reconnecting'; reason: SessionReason; attempt: number; retryInMs: number }
  | { state: 'closed'; reason: SessionReason; cause: HdcsError | null }

export interface SessionOptions {
  /**
   * Asks for a new way in (`POST /api/v1/desktops/{id}/connect`) and answers its `webSocketUrl`; a ticket is good for
   * one session, so every reconnect calls it again. An HdcsError with `forbidden`, `not_found`, `unauthenticated` or
   * `conflict` closes the session; anything else is retried.
   * @param back the desktop's end closed the last connection: to be refused (`conflict`) unless the desktop has moved
   *   (`?resume=` with the session of that connection); `forbidden`: another person has it.
   */
  connect(back: boolean): Promise<string>
  /** The canvas is put in here, scaled to fill it. Give it a size of its own. */
  area: HTMLElement
  /** What a screen reader calls the canvas; keys go to the guest while it has the focus. */
  label?: string
  /** The page makes the worker, so that its bundler sees the entry. */
  displayWorker(): Worker
  changed(status: SessionStatus): void
  /** The guest copied text. */
  clipboard?(text: string): void
  /** The guest's resolution follows the area (debounced). Default true; needs the guest's agent or a virtio screen. */
  follow?: boolean
  /** Sound from the guest. Default true; browsers play it after the first click or key. */
  sound?: boolean
}

export interface Session {
  readonly status: SessionStatus
  /** Presses the keys in this order and releases them in reverse; names are `KeyboardEvent.code`. */
  keys(...codes: string[]): void
  /** Offers text to the guest: it is sent when somebody pastes there. */
  clipboardOffer(text: string): void
  /** Asks the guest for another resolution; with `follow` the area's size does this. */
  resize(width: number, height: number): void
  setFollow(follow: boolean): void
  /** Keys go to the guest while the canvas has the focus. */
  focus(): void
  /** Gives up waiting and reconnects now, also when closed. */
  reconnect(): void
  /** Bytes, pictures and what could not be drawn, for a diagnostics panel. Null while not ready. */
  stats(): Promise<SessionStats | null>
  /** Ends the session and removes the canvas. Safe to call twice. */
  close(): void
}

/** `skipped` is what was not drawn, and how often: empty is well. */
export interface SessionStats extends DisplayStats {
  /** Sound played since the connection was made. */
  soundSeconds: number
}

const types = { display: 2, inputs: 3, cursor: 4, playback: 5 } as const
/** Lower: the guest changes its resolution all the time while a window is dragged; higher: it follows late. */
const followAfterMs = 300
/** A session that lived this long was well: the next reconnect starts with the shortest wait again. */
const wellAfterMs = 5_000
const smallest = { width: 320, height: 200 }

/** Everything of one connection; thrown away as a whole. */
interface Connection {
  main: Main
  screen: Screen | null
  inputs: Inputs | null
  cursor: { close(): void } | null
  playback: Playback | null
  relative: boolean
  wellTimer: ReturnType<typeof setTimeout>
}

/** Starts at once; never throws and never rejects: everything that happens is told through `changed`. */
export function openSession(options: SessionOptions): Session {
  let status: SessionStatus = { state: 'connecting' }
  let connection: Connection | null = null
  /** Grows with every connection: what an old one still tells is not heard. */
  let generation = 0
  let attempt = 0
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  let followTimer: ReturnType<typeof setTimeout> | undefined
  let follow = options.follow ?? true
  let ended = false

  function tell(next: SessionStatus): void {
    status = next
    options.changed(next)
  }

  /** @param closed what the desktop's end closed the last connection for: only if it moved there is a way back. */
  async function connect(closed: SessionReason | null = null): Promise<void> {
    const mine = ++generation
    clearTimeout(retryTimer)
    disconnect()
    if (closed !== 'moved') tell({ state: 'connecting' })
    try {
      const url = await options.connect(closed !== null)
      if (mine === generation) connection = openConnection(mine, url)
    } catch (error) {
      const cause = error instanceof HdcsError ? error : null
      const decision = refusalDecision(cause?.code)
      if (mine !== generation) return
      if (closed === null) leave(decision, cause)
      // The desktop may be quicker to end the older screen than the gateway, which knows why.
      else if (cause?.code === 'forbidden') leave({ reason: 'taken', retry: 'no' }, null)
      else if (decision.retry === 'no') leave({ reason: 'taken_over_or_off', retry: 'no' }, null)
      else leave({ reason: closed, retry: 'soon' }, cause, closed)
    }
  }

  function openConnection(mine: number, url: string): Connection {
    const closed = (code: number) => {
      if (mine === generation) leave(closeDecision(code), null)
    }
    const main = openMain(url, {
      channels(list) {
        if (mine !== generation) return
        try {
          openChannels(mine, url, list, closed)
        } catch (cause) {
          const text = 'This browser cannot show a screen: it needs workers that draw (OffscreenCanvas).'
          leave({ reason: 'refused', retry: 'no' }, new HdcsError('unsupported', text, { cause }))
        }
      },
      mouse(relative) {
        if (!connection || mine !== generation) return
        connection.relative = relative
        connection.inputs?.setRelative(relative)
      },
      agent: () => mine === generation && tellReady(),
      clipboard: text => mine === generation && options.clipboard?.(text),
      closed,
    })
    const wellTimer = setTimeout(() => {
      attempt = 0
    }, wellAfterMs)
    return { main, screen: null, inputs: null, cursor: null, playback: null, relative: false, wellTimer }
  }

  function openChannels(
    mine: number,
    url: string,
    list: readonly { type: number; id: number }[],
    closed: (code: number) => void,
  ): void {
    const display = list.find(({ type }) => type === types.display)
    if (!connection || connection.screen || !display) return
    const screen = openScreen({
      area: options.area,
      label: options.label ?? 'Desktop',
      makeWorker: options.displayWorker,
      url,
      id: display.id,
      resized: () => mine === generation && tellReady(),
      closed,
    })
    connection.screen = screen
    const { canvas } = screen
    connection.inputs = openInputs({ url, canvas, guestSize: () => screen.size, closed })
    connection.inputs.setRelative(connection.relative)
    // A screen without the guest's pointer shapes is still a screen.
    if (list.some(({ type }) => type === types.cursor)) connection.cursor = openCursor(url, canvas, () => {})
    const sound = options.sound === false || !canPlay() ? undefined : list.find(({ type }) => type === types.playback)
    if (sound) {
      const playback = openPlayback(url, sound.id)
      connection.playback = playback
      for (const event of ['pointerdown', 'keydown']) canvas.addEventListener(event, playback.wake)
    }
    canvas.focus({ preventScroll: true })
  }

  function tellReady(): void {
    if (!connection?.screen || connection.screen.size.width === 0) return
    const first = status.state !== 'ready' || !status.agent
    const agent = connection.main.agent.running
    tell({ state: 'ready', ...connection.screen.size, agent })
    if (first && agent) followArea()
  }

  /** The connection is over: come back, or say why not. */
  function leave({ reason, retry }: Decision, cause: HdcsError | null, closed: SessionReason | null = null): void {
    generation++
    disconnect()
    if (retry === 'no') {
      tell({ state: 'closed', reason, cause })
      return
    }
    attempt++
    if (retry === 'follow') {
      if (reason === 'moved') tell({ state: 'reconnecting', reason, attempt, retryInMs: 0 })
      return void connect(reason)
    }
    const retryInMs = retryWaitMs(attempt, Math.random())
    tell({ state: 'reconnecting', reason, attempt, retryInMs })
    retryTimer = setTimeout(() => void connect(closed), retryInMs)
  }

  function disconnect(): void {
    if (!connection) return
    const { main, screen, inputs, cursor, playback, wellTimer } = connection
    connection = null
    clearTimeout(wellTimer)
    inputs?.close()
    cursor?.close()
    playback?.close()
    screen?.close()
    main.close()
  }

  function resize(width: number, height: number): void {
    // Some screens take widths of whole bytes only.
    const size = { width: Math.max(smallest.width, width & ~7), height: Math.max(smallest.height, height & ~1) }
    connection?.main.agent.monitors([{ ...size, x: 0, y: 0 }])
  }
  function followArea(): void {
    if (!follow) return
    clearTimeout(followTimer)
    const { clientWidth, clientHeight } = options.area
    followTimer = setTimeout(
      () => clientWidth > 0 && clientHeight > 0 && resize(clientWidth, clientHeight),
      followAfterMs,
    )
  }
  const watch = new ResizeObserver(followArea)
  watch.observe(options.area)

  void connect()
  return {
    get status() {
      return status
    },
    keys: (...codes) => connection?.inputs?.combo(codes),
    clipboardOffer: text => connection?.main.agent.clipboardOffer(text),
    resize,
    setFollow(wished) {
      follow = wished
      followArea()
    },
    focus: () => connection?.screen?.canvas.focus({ preventScroll: true }),
    reconnect() {
      if (ended) return
      attempt = 0
      void connect()
    },
    async stats() {
      const soundSeconds = connection?.playback?.seconds ?? 0
      const drawn = await connection?.screen?.stats()
      return drawn ? { ...drawn, soundSeconds } : null
    },
    close() {
      if (ended) return
      ended = true
      generation++
      clearTimeout(retryTimer)
      clearTimeout(followTimer)
      watch.disconnect()
      disconnect()
      tell({ state: 'closed', reason: 'left', cause: null })
    },
  }
}
