/**
 * One desktop on one page: opens the channels that the server lists, shows the screen, sends keys and pointer, and
 * comes back by itself with a new ticket when the network breaks.
 *
 *     const session = openSession({
 *       connect: async () => (await api.connect(desktopId)).webSocketUrl, // called again for every reconnect
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

/** Why a session is not ready; the page has the words for each. */
export type SessionReason =
  /** The network or the gateway went away: retried. */
  | 'network'
  /** The desktop does not answer (booting, its host away, its password not set in time): retried. */
  | 'desktop_unreachable'
  /** The desktop moved to another host: retried at once. */
  | 'moved'
  /** Another page or viewer opened this desktop, or it was shut down: ask the API which. Not retried. */
  | 'taken_over_or_off'
  /** Ended by an administrator, a timer, or the release of the desktop. Not retried. */
  | 'ended'
  /** `connect` was refused by the API (its HdcsError is in `cause`). Not retried, except what may pass by itself. */
  | 'refused'
  /** This page called `close`. */
  | 'left'

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
   */
  connect(): Promise<string>
  /** The canvas is put in here, scaled down to fit, never up. Give it a size of its own. */
  area: HTMLElement
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

export interface SessionStats {
  bytes: number
  messages: number
  draws: number
  frames: number
  /** What was not drawn, and how often. Empty is well. */
  skipped: Record<string, number>
}

/** Starts at once; never throws and never rejects: everything that happens is told through `changed`. */
export function openSession(_options: SessionOptions): Session {
  throw new HdcsError('unsupported', 'The session is being written.')
}
