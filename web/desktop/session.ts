/** The session of this page as React sees it: opened once per desktop, closed when the page goes away. */
import { useEffect, useRef, useState } from 'react'
import { type ErrorCode, errorCodes, HdcsError } from '../../lib/errors.ts'
import { openSession, type Session, type SessionStatus } from '../../spice/session.ts'
import { ApiError } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'

/** The session understands the house's errors: a refusal is told apart from a network that is away. */
function asRefusal(thrown: unknown): unknown {
  if (!(thrown instanceof ApiError)) return thrown
  const code = (errorCodes as readonly string[]).includes(thrown.code) ? (thrown.code as ErrorCode) : 'internal'
  return new HdcsError(code, thrown.detail, { cause: thrown })
}

export interface ScreenSession {
  status: SessionStatus
  session: Session | null
  /** The last text the guest copied. */
  copied: string | null
}

/** Asks for a way in; `resume`: the session whose screen the desktop closed, to be refused unless it moved. */
export type Connect = (resume: { resume?: string }) => Promise<{ sessionId: string; webSocketUrl: string }>

/** @param connect the same one for as long as it is the same screen. */
export function useScreen(connect: Connect, area: React.RefObject<HTMLElement | null>): ScreenSession {
  const [status, setStatus] = useState<SessionStatus>({ state: 'connecting' })
  const [session, setSession] = useState<Session | null>(null)
  const [copied, setCopied] = useState<string | null>(null)
  const closing = useRef<Session | null>(null)
  useEffect(() => {
    const element = area.current
    if (!element) return
    let sessionId: string | undefined
    const opened = openSession({
      connect: async back => {
        try {
          const connection = await connect(back && sessionId ? { resume: sessionId } : {})
          sessionId = connection.sessionId
          return connection.webSocketUrl
        } catch (thrown) {
          throw asRefusal(thrown)
        }
      },
      area: element,
      displayWorker: () => new Worker(new URL('../../spice/display-worker.ts', import.meta.url), { type: 'module' }),
      changed: setStatus,
      clipboard: text => {
        setCopied(text)
        // The browser may refuse (no focus, no permission): then the text waits in the clipboard panel.
        navigator.clipboard?.writeText(text).catch(() => undefined)
      },
    })
    closing.current = opened
    setSession(opened)
    return () => {
      opened.close()
      setSession(null)
    }
  }, [connect, area])
  return { status, session, copied }
}

/** A desktop in one of these comes up by itself. */
const comingUp: readonly (string | undefined)[] = ['unknown', 'making', 'starting'] satisfies Desktop['phase'][]

/**
 * Its host was lost, or it starts again: the page waits until it is there, on this host or another, and shows it then.
 * @param booting is seen too: as soon as the machine runs, whether its guest answers or not.
 * @returns whether it waits.
 */
export function useReturn(
  desktop: Desktop | undefined,
  { status, session }: ScreenSession,
  { booting }: { booting: boolean },
): boolean {
  const [waits, setWaits] = useState(false)
  const live = status.state === 'ready'
  const there = booting ? desktop?.power === 'running' : desktop?.phase === 'ready'
  const coming = comingUp.includes(desktop?.phase) && !(booting && there)
  useEffect(() => {
    if (live || !coming) {
      setWaits(false)
      if (waits && !live && there) session?.reconnect()
    } else setWaits(true)
  }, [coming, there, waits, live, session])
  return waits
}

/** How often the round trip is taken. Shorter: traffic for nothing; longer: the word comes late. */
const measureEveryMs = 5_000

/** Round trip to the server in milliseconds; null while unknown. */
export function useRoundTrip(active: boolean): number | null {
  const [ms, setMs] = useState<number | null>(null)
  useEffect(() => {
    if (!active) return setMs(null)
    let ended = false
    const measure = async () => {
      const begun = performance.now()
      try {
        await fetch('/healthz', { cache: 'no-store' })
        if (!ended) setMs(Math.round(performance.now() - begun))
      } catch {
        // The session itself tells of a cut line; here only the figure goes away.
        if (!ended) setMs(null)
      }
    }
    void measure()
    const timer = setInterval(measure, measureEveryMs)
    return () => {
      ended = true
      clearInterval(timer)
    }
  }, [active])
  return ms
}

/** What people feel: below 60 ms nothing, above 150 ms every key. */
export const healthOf = (ms: number | null): 'good' | 'fair' | 'poor' | 'noHealth' =>
  ms === null ? 'noHealth' : ms < 60 ? 'good' : ms < 150 ? 'fair' : 'poor'
