import { Alert, Button, Group, Progress, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { Home, Power, RotateCcw } from 'lucide-react'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '../data/client.ts'
import { desktopQuery, tasksQuery } from '../data/queries.ts'
import { personNotice, stepWord, troubleWord } from '../data/words.ts'
import { ButtonLink } from '../frame/links.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatClock, formatDuration } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { Picture } from '../ui/Picture.tsx'
import { Steps } from '../ui/Steps.tsx'
import { useNow } from '../ui/TimeAgo.tsx'
import { useClaim, useStart } from './claim.ts'
import classes from './GettingReady.module.css'
import { readySteps } from './ready-steps.ts'

/** A net under the event stream: this page must not wait for ever for an event that was lost. */
const lookEveryMs = 2_000

/** Where one waits for a desktop: leaving cancels nothing, and it opens by itself. */
export function GettingReady() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { desktopId } = useParams({ from: '/person/portal/ready/$desktopId' })
  const { task: taskId, pool: poolId } = useSearch({ from: '/person/portal/ready/$desktopId' })
  const nowMs = useNow()
  const desktopRead = useQuery({ ...desktopQuery(desktopId), refetchInterval: lookEveryMs })
  const tasksRead = useQuery({ ...tasksQuery({ subjectId: desktopId, limit: 5 }), refetchInterval: lookEveryMs })
  const claim = useClaim()
  const start = useStart()
  const desktop = desktopRead.data
  const tasks = tasksRead.data?.items
  const task = tasks?.find(candidate => candidate.id === taskId) ?? tasks?.[0]
  const gone = desktopRead.error instanceof ApiError && [403, 404].includes(desktopRead.error.status)
  const failed = task?.state === 'failed' || desktop?.phase === 'failed' || gone
  const ready = desktop?.phase === 'ready' && !failed
  const asleep =
    !failed &&
    (desktop?.phase === 'stopped' || desktop?.phase === 'paused') &&
    task?.state !== 'running' &&
    task?.state !== 'queued'
  useDocumentTitle(t('app.title', { page: t('ready.title') }))

  useEffect(() => {
    if (ready) void navigate({ to: '/desktop/$desktopId', params: { desktopId }, replace: true })
  }, [ready, desktopId, navigate])

  const again = poolId ?? desktop?.poolId
  const trouble = task?.error ?? desktop?.trouble
  const notice = desktop && personNotice(t, desktop)
  if (failed)
    return (
      <Frame picture={desktop?.poolName ?? 'desktop'} dimmed>
        <Title order={1} size="h2">
          {gone && !trouble ? t('ready.gone') : t('ready.failedTitle')}
        </Title>
        {trouble && (
          <>
            <Alert color="red" title={t('ready.reason')}>
              {troubleWord(t, trouble)}
            </Alert>
            <Text c="dimmed">{t('ready.failedNext')}</Text>
            <Text size="sm" c="dimmed">
              {t('problem.request', { id: task?.id ?? desktopId })}
            </Text>
          </>
        )}
        <ErrorPanel error={claim.error} />
        <Group>
          {again && (
            <Button
              size="md"
              loading={claim.isPending}
              leftSection={<Icon of={RotateCcw} />}
              onClick={() => claim.mutate(again)}
            >
              {t('ready.again')}
            </Button>
          )}
          <ButtonLink size="md" variant="default" to="/" leftSection={<Icon of={Home} />}>
            {t('ready.home')}
          </ButtonLink>
        </Group>
      </Frame>
    )

  const begun = task && task.state !== 'succeeded' ? task.createdAt : (desktop?.step?.startedAt ?? desktop?.since)
  const elapsedMs = begun ? Math.max(0, nowMs - new Date(begun).getTime()) : 0
  const estimateMs = task?.estimateMs ?? desktop?.step?.estimateMs ?? null
  const late = estimateMs !== null && elapsedMs > estimateMs * 1.5 + 5_000
  const share = estimateMs ? Math.min(96, (elapsedMs / estimateMs) * 100) : 0
  const place = desktop?.step?.queuePlace
  const steps = readySteps(desktop, task).map(step => ({ ...step, name: stepWord(t, step.name) }))
  const current = steps.find(step => step.state === 'current')

  return (
    <Frame picture={desktop?.poolName ?? 'desktop'}>
      <div>
        <Title order={1} size="h2">
          {ready ? t('ready.opening') : asleep ? t('ready.stopped') : t('ready.title')}
        </Title>
        <Text c="dimmed" mt="xs">
          {asleep ? desktop?.name : t('ready.lead', { name: desktop?.name ?? '' })}
        </Text>
      </div>
      {asleep ? (
        <>
          <ErrorPanel error={start.error} />
          <Button
            size="md"
            w="fit-content"
            loading={start.isPending}
            leftSection={<Icon of={Power} />}
            onClick={() =>
              desktop &&
              start.mutate({
                id: desktopId,
                poolId: desktop.poolId,
                how: desktop.phase === 'paused' ? 'resume' : 'start',
              })
            }
          >
            {t('ready.startIt')}
          </Button>
        </>
      ) : (
        <>
          {notice && <Alert color="yellow">{notice}</Alert>}
          <Steps of={steps} />
          <div>
            <Progress value={share} animated={!estimateMs} aria-label={current?.name ?? t('ready.title')} />
            <Group justify="space-between" mt="xs" gap="xs">
              <Text size="sm">{t('ready.elapsed', { time: formatClock(elapsedMs) })}</Text>
              {estimateMs !== null && (
                <Text size="sm" c="dimmed">
                  {t('ready.estimate', { time: formatDuration(estimateMs) })}
                </Text>
              )}
            </Group>
            {place ? <Text size="sm">{t('ready.queue', { place })}</Text> : null}
            {late && (
              <Text size="sm" mt="xs">
                {t('ready.longer')}
              </Text>
            )}
          </div>
        </>
      )}
      <Group>
        <ButtonLink variant="default" to="/" leftSection={<Icon of={Home} />}>
          {t('ready.home')}
        </ButtonLink>
      </Group>
      {!asleep && (
        <Text size="sm" c="dimmed">
          {t('ready.leave')}
        </Text>
      )}
    </Frame>
  )
}

function Frame(props: { picture: string; dimmed?: boolean; children: React.ReactNode }) {
  return (
    <div className={classes.page}>
      <div className={classes.body}>{props.children}</div>
      <div className={classes.picture}>
        <Picture name={props.picture} dimmed={props.dimmed ?? false} />
      </div>
    </div>
  )
}
