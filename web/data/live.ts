/**
 * One event stream per page → the queries of the nouns that changed are read again. Events are gathered first, so a
 * filling pool of hundreds of desktops costs a few reads, not hundreds.
 */
import { useSyncExternalStore } from 'react'
import { ApiError, client } from './client.ts'
import { queryClient } from './queries.ts'

/** Shorter: more reads while much happens; longer: pages feel slow. */
const gatherMs = 200
/** A cut shorter than this is not shown: it would only flicker. */
const quietMs = 1_500

export type Liveness = 'live' | 'stale'
let liveness: Liveness = 'live'
const listeners = new Set<() => void>()
function become(next: Liveness) {
  if (liveness === next) return
  liveness = next
  for (const listener of listeners) listener()
}

/** Which other nouns show a noun's changes in their counts and names. */
const alsoShownBy: Record<string, string[]> = {
  // A move is told as a change of its desktop.
  desktop: ['pool', 'host', 'cluster', 'migration', 'placement'],
  host: ['cluster', 'site'],
  cluster: ['site', 'host'],
  site: ['cluster', 'host'],
  template: ['pool'],
  version: ['template', 'pool'],
  assignment: ['desktop', 'pool'],
  session: ['desktop'],
  dongle: ['desktop'],
  entitlement: ['pool'],
  user: ['group', 'me'],
  group: ['user'],
}

function gather() {
  const nouns = new Set<string>()
  let gathering = false
  return (noun: string) => {
    for (const shown of [noun, ...(alsoShownBy[noun] ?? [])]) nouns.add(shown)
    if (gathering) return
    gathering = true
    setTimeout(() => {
      gathering = false
      const changed = [...nouns]
      nouns.clear()
      for (const name of changed) void queryClient.invalidateQueries({ queryKey: [name] })
    }, gatherMs)
  }
}

/** Follows the stream until the signal ends it. A sign-in that ended stops it: the page asks to sign in again. */
export async function followEvents(signal: AbortSignal): Promise<void> {
  const changed = gather()
  let broken = false
  let heard = false
  let staleTimer: ReturnType<typeof setTimeout> | undefined
  const onOpen = () => {
    clearTimeout(staleTimer)
    become('live')
    // Nobody told of what happened before the page listened, and after a long break the server may no longer hold what
    // happened meanwhile: read everything that is shown.
    if (broken || !heard) void queryClient.invalidateQueries()
    broken = false
    heard = true
  }
  const onBreak = () => {
    if (!broken) staleTimer = setTimeout(() => become('stale'), quietMs)
    broken = true
  }
  try {
    for await (const event of client.events({ signal, onOpen, onBreak })) {
      if (event.type === 'reset') void queryClient.invalidateQueries()
      else changed(event.type.split('.')[0] ?? '')
    }
  } catch (thrown) {
    // Only a final refusal ends the iterator; reading who I am brings the person to the sign-in page.
    if (thrown instanceof ApiError && thrown.status === 401) void queryClient.invalidateQueries({ queryKey: ['me'] })
    else if (!signal.aborted) become('stale')
  } finally {
    clearTimeout(staleTimer)
  }
}

export const useLiveness = (): Liveness =>
  useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => liveness,
  )
