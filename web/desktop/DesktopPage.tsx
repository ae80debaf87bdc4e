import { useDocumentTitle } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { desktopQuery } from '../data/queries.ts'
import classes from './Desktop.module.css'
import { KeyRow } from './KeyRow.tsx'
import { useScreen } from './session.ts'
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
  const { status, session, copied } = useScreen(desktopId, area)
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
      <Veil desktopId={desktopId} desktop={desktop} status={status} session={session} />
      {ready && (desktop?.move || hint) && (
        <div className={classes.hint} role="status">
          <span>{desktop?.move ? t('screen.moving') : touch ? t('screen.hintTouch') : t('screen.hint')}</span>
        </div>
      )}
      {keyRow && session && <KeyRow session={session} />}
    </main>
  )
}
