import pg from 'pg'
import { pause } from '../lib/clock.ts'

/**
 * `hdcs_nudge`: a reconciler's name; `hdcs_host`: a host's id and, when only one of its desktops changed, that one's;
 * `hdcs_line`: a host's id, or empty for all; `hdcs_images`, `hdcs_event`, `hdcs_operation`: empty or an id.
 */
export type Channel =
  | 'hdcs_nudge'
  | 'hdcs_host'
  | 'hdcs_line'
  | 'hdcs_images'
  | 'hdcs_event'
  | 'hdcs_operation'
  | 'hdcs_kick'

/** Shorter: a restarting PostgreSQL is hammered; longer: pages and agents sleep after it is back. */
const retryMs = 500

/**
 * Hears PostgreSQL's notifications on a connection of its own, made again whenever it breaks. A notification is only
 * a nudge: after a gap `missed` is called, and whoever listens rereads the state.
 */
export function listenDatabase(
  url: string,
  channels: readonly Channel[],
  hear: { notified(channel: Channel, payload: string): void; missed(): void; failed(error: unknown): void },
): AsyncDisposable {
  const stopped = new AbortController()
  let current: pg.Client | undefined

  const listenOnce = async () => {
    const client = new pg.Client({ connectionString: url, keepAlive: true })
    const gone = new Promise<void>(resolve => {
      client.once('end', resolve)
      client.on('error', error => {
        if (!stopped.signal.aborted) hear.failed(error)
        resolve()
      })
    })
    current = client
    // Ended while it connects, pg answers `connect` never: whoever ends us then would wait for ever.
    await Promise.race([client.connect(), gone])
    client.on('notification', note => hear.notified(note.channel as Channel, note.payload ?? ''))
    for (const channel of channels) await client.query(`listen ${channel}`)
    hear.missed()
    await gone
  }

  const finished = (async () => {
    while (!stopped.signal.aborted) {
      await listenOnce().catch(error => {
        if (!stopped.signal.aborted) hear.failed(error)
      })
      await pause(retryMs, stopped.signal)
    }
  })()

  return {
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await current?.end().catch(() => {}) // a connection that is already broken has nothing to end
      await finished
    },
  }
}
