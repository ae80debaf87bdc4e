import { Button, Loader } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Session, SessionStatus } from '../../spice/session.ts'
import { useMe } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { screenQuery } from '../data/queries.ts'
import { personNotice } from '../data/words.ts'
import { ButtonLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { useStart } from '../portal/claim.ts'
import { formatTime } from '../ui/format.ts'
import { problemOf } from '../ui/problem.ts'
import classes from './Desktop.module.css'

interface VeilProps {
  desktopId: string
  desktop: Desktop | undefined
  status: SessionStatus
  session: Session | null
  /** Its host was lost or it starts again, and it is not there yet. */
  returning: boolean
  watch?: { take: () => void } | undefined
}

/** What stands over the last picture while it is not live, in plain words and with what can be done. */
export function Veil(props: VeilProps) {
  const { t } = useTranslation()
  const { desktopId, desktop, status, session, returning, watch } = props
  const start = useStart()
  if (status.state === 'ready') return null
  const again = (label: string) => (
    <Button onClick={() => session?.reconnect()} variant="white">
      {label}
    </Button>
  )
  const home = watch ? (
    <ButtonLink to="/admin/desktops/$id" params={{ id: desktopId }} variant="default">
      {t('watch.back')}
    </ButtonLink>
  ) : (
    <ButtonLink to="/" variant="default">
      {t('screen.home')}
    </ButtonLink>
  )
  if (returning)
    return (
      <Word
        title={desktop?.phase === 'unknown' ? t('screen.hostLost') : t('screen.starting')}
        text={
          desktop?.phase === 'unknown'
            ? t('screen.hostLostHelp')
            : ((desktop && personNotice(t, desktop)) ?? t('screen.startingHelp'))
        }
      >
        <div className={classes.buttons}>{home}</div>
      </Word>
    )
  if (status.state === 'connecting')
    return (
      <Word title={t('screen.connecting')}>
        <Loader size="sm" color="var(--hdcs-screen-ink)" />
      </Word>
    )
  if (status.state === 'reconnecting') {
    const { attempt, reason } = status
    if (reason === 'moved' || desktop?.move) return <Word title={t('screen.moved')} text={t('screen.movedHelp')} />
    const silent = reason === 'desktop_unreachable'
    return (
      <Word
        title={silent ? t('screen.unreachable', { attempt }) : t('screen.lost', { attempt })}
        text={silent ? t('screen.unreachableHelp') : t('screen.lostHelp')}
      >
        <div className={classes.buttons}>
          {again(t('screen.tryNow'))}
          {home}
        </div>
      </Word>
    )
  }
  if (status.reason === 'left') return null
  if (status.reason === 'taken_over_or_off') {
    const off = desktop && desktop.power !== 'running' && desktop.phase !== 'ready'
    return off && watch ? (
      <Word title={t('screen.offTitle')} text={t('watch.offText')}>
        <div className={classes.buttons}>{home}</div>
      </Word>
    ) : off ? (
      <Word title={t('screen.offTitle')} text={t('screen.offText')}>
        <div className={classes.buttons}>
          <Button
            variant="white"
            loading={start.isPending}
            onClick={() =>
              start.mutate({
                id: desktopId,
                poolId: desktop.poolId,
                how: desktop.phase === 'paused' ? 'resume' : 'start',
              })
            }
          >
            {t('screen.startIt')}
          </Button>
          {home}
        </div>
      </Word>
    ) : (
      <Word title={t('screen.takenTitle')} text={t('screen.takenText')}>
        <div className={classes.buttons}>
          {again(t('screen.takeBack'))}
          {home}
        </div>
      </Word>
    )
  }
  if (status.reason === 'taken' && !watch)
    return (
      <Word title={t('watch.takenTitle')} text={t('watch.takenText')}>
        <div className={classes.buttons}>
          {again(t('screen.takeBack'))}
          {home}
        </div>
      </Word>
    )
  if (watch && (status.reason === 'taken' || status.cause?.code === 'conflict'))
    return <Held {...props} take={watch.take} home={home} />
  if (status.reason === 'ended')
    return (
      <Word title={t('screen.endedTitle')} text={t('screen.endedText')}>
        <div className={classes.buttons}>{home}</div>
      </Word>
    )
  const problem = problemOf(status.cause?.cause ?? status.cause)
  // To try again helps nobody to what is not theirs.
  if (problem.known === 'not_found')
    return (
      <Word title={t('screen.refusedTitle')} text={t('ready.gone')}>
        <div className={classes.buttons}>{home}</div>
      </Word>
    )
  return (
    <Word
      title={t('screen.refusedTitle')}
      text={problem.detail || (problem.known ? t(`problem.code.${problem.known}`) : t('problem.network'))}
    >
      <div className={classes.buttons}>
        {again(t('screen.again'))}
        {home}
      </div>
    </Word>
  )
}

/** Somebody has the screen: who, since when, and what it means to take it from them. */
function Held({ desktopId, status, session, take, home }: VeilProps & { take: () => void; home: ReactNode }) {
  const { t } = useTranslation()
  const me = useMe()
  const { data } = useQuery(screenQuery(desktopId))
  if (!data) return null
  const { holder } = data
  const other = holder && holder.userId !== me.id ? holder : null
  const cause = status.state === 'closed' ? status.cause : null
  const words = {
    name: other?.userName ?? t('watch.somebody'),
    since: other?.since ? formatTime(other.since) : t('common.unknown'),
  }
  const reconnect = () => {
    if (other) take()
    session?.reconnect()
  }
  return (
    <Word
      title={other ? t('watch.heldTitle', words) : cause ? t('screen.refusedTitle') : t('watch.lostTitle')}
      text={
        other
          ? t(other.administrator ? 'watch.heldByAdministrator' : 'watch.heldText', words)
          : saidWord(cause?.message)
      }
    >
      <div className={classes.buttons}>
        <Button onClick={reconnect} variant="white">
          {other ? t('watch.take') : t('screen.again')}
        </Button>
        {home}
      </div>
    </Word>
  )
}

function Word({ title, text, children }: { title: string; text?: string | undefined; children?: ReactNode }) {
  return (
    <div className={classes.veil}>
      <div className={classes.word} role="status">
        <strong>{title}</strong>
        {text && <p>{text}</p>}
        {children}
      </div>
    </div>
  )
}
