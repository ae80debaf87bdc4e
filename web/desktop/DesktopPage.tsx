import { useDocumentTitle } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { desktopQuery } from '../data/queries.ts'
import classes from './Desktop.module.css'
import { KeyRow } from './KeyRow.tsx'
import { useReturn, useScreen } from './session.ts'
import { TopBar } from './TopBar.tsx'
import { Veil } from './Veil.tsx'

/** How long the hint about the controls stays. Shorter: nobody reads it; longer: it is in the way. */
const hintMs = 6_000

/** The screen of one desktop: nothing but it, until the controls are asked for. */
export function DesktopPage() {
  const { t } = useTranslation()
  const { desktopId } = useParams({ from: '/person/desktop/$desktopId' })
  const area = useRef<HTMLDivElement>(null)
  const { data: desktop } = useQuery(desktopQuery(desktopId))
  const screen = useScreen(desktopId, area)
  const { status, session, copied } = screen
  const returning = useReturn(desktop, screen)
  const [keyRow, setKeyRow] = useState(false)
  const [hint, setHint] = useState(true)
  const name = desktop?.name ?? ''
  const ready = status.state === 'ready'
  useDocumentTitle(name ? t('app.title', { page: t('screen.title', { name }) }) : t('app.name'))
  useEffect(() => {
    if (!ready) return
    session?.focus()
    const timer = setTimeout(() => setHint(false), hintMs)
    return () => clearTimeout(timer)
  }, [ready, session])
  // The agent of a lost host may be all that does not answer: the picture stays as long as it comes.
  const lasting = desktop?.move ? t('screen.moving') : desktop?.phase === 'unknown' ? t('screen.hostLost') : undefined
  const touch = matchMedia('(pointer: coarse)').matches

  return (
    <main className={classes.page} data-dimmed={!ready || undefined} data-state={status.state}>
      <h1 style={{ position: 'absolute', clipPath: 'inset(50%)' }}>{t('screen.area', { name })}</h1>
      <div className={classes.area} ref={area} />
      <TopBar
        desktop={desktop}
        session={session}
        status={status}
        copied={copied}
        keyRow={keyRow}
        onKeyRow={() => setKeyRow(shown => !shown)}
      />
      <Veil desktopId={desktopId} desktop={desktop} status={status} session={session} returning={returning} />
      {ready && (lasting || hint) && (
        <div className={classes.hint} role="status">
          <span>{lasting ?? (touch ? t('screen.hintTouch') : t('screen.hint'))}</span>
        </div>
      )}
      {keyRow && session && <KeyRow session={session} />}
    </main>
  )
}
