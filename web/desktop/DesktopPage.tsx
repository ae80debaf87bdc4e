import { useDocumentTitle } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { client } from '../data/client.ts'
import { desktopQuery } from '../data/queries.ts'
import { BackNotice } from '../portal/BackNotice.tsx'
import classes from './Desktop.module.css'
import { KeyRow } from './KeyRow.tsx'
import { type Connect, useReturn, useScreen } from './session.ts'
import { TopBar } from './TopBar.tsx'
import { Veil } from './Veil.tsx'

/** How long the hint about the controls stays. Shorter: nobody reads it; longer: it is in the way. */
const hintMs = 6_000

/** The screen of one's own desktop. */
export function DesktopPage() {
  const { desktopId } = useParams({ from: '/person/desktop/$desktopId' })
  const connect = useCallback<Connect>(
    query => client.desktopConnect({ params: { id: desktopId }, query }),
    [desktopId],
  )
  return <ScreenPage desktopId={desktopId} connect={connect} />
}

interface ScreenPageProps {
  desktopId: string
  connect: Connect
  /** An administrator looks at it; `take` has the next connection throw out whoever has it. */
  watch?: { take: () => void }
}

/** The screen of one desktop: nothing but it, until the controls are asked for. */
export function ScreenPage({ desktopId, connect, watch }: ScreenPageProps) {
  const { t } = useTranslation()
  const area = useRef<HTMLDivElement>(null)
  const { data: desktop } = useQuery(desktopQuery(desktopId))
  const screen = useScreen(connect, area)
  const { status, session, copied } = screen
  const returning = useReturn(desktop, screen, { booting: watch !== undefined })
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
  const lasting = desktop?.backAt ? (
    <BackNotice at={desktop.backAt} />
  ) : desktop?.move ? (
    t('screen.moving')
  ) : desktop?.phase === 'unknown' ? (
    t('screen.hostLost')
  ) : undefined
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
        watching={watch !== undefined}
      />
      <Veil
        desktopId={desktopId}
        desktop={desktop}
        status={status}
        session={session}
        returning={returning}
        watch={watch}
      />
      {ready && (lasting || hint) && (
        <div className={classes.hint} role="status">
          <span>
            {lasting ?? (watch && desktop?.userName ? `${t('watch.whose', { name: desktop.userName })} ` : null)}
            {!lasting && (touch ? t('screen.hintTouch') : t('screen.hint'))}
          </span>
        </div>
      )}
      {keyRow && session && <KeyRow session={session} />}
    </main>
  )
}
