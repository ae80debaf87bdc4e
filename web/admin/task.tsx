import { Alert, Code, Progress, ScrollArea, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import type { TFunction } from 'i18next'
import { CircleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Answer } from '../../api/client.ts'
import { TaskBadge } from '../data/badges.tsx'
import { logWord } from '../data/log-words.ts'
import { useMay } from '../data/me.ts'
import type { Task } from '../data/nouns.ts'
import { isOpen, taskLogQuery, taskQuery } from '../data/tasks.ts'
import { actionWord, stepWord, taskWord, troubleWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { Bytes } from '../ui/Bytes.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatDuration, formatExact, formatNumber, formatPercent, formatSecond } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { Steps } from '../ui/Steps.tsx'
import type { Step } from '../ui/step.ts'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { TaskCancel } from './task-cancel.tsx'
import { TaskParts } from './task-parts.tsx'
import { TaskSubject } from './task-subject.tsx'
import { TaskTook } from './task-time.tsx'

type Log = Answer<'taskLog'>

/** One task: how far it is, what it did when, what went wrong, and calling it off. */
export function TaskDetail() {
  const { t } = useTranslation()
  const { id } = useParams({ from: '/person/admin/tasks/$id' })
  const read = useQuery(taskQuery(id))
  const task = read.data
  const log = useQuery({ ...taskLogQuery(id, task !== undefined && isOpen(task)), enabled: task !== undefined })
  const up = <AnchorLink to="/admin/tasks">{t('tasks.title')}</AnchorLink>
  if (!task) return <PageUnread read={read} up={up} />
  const title = t('tasks.what', { kind: taskWord(t, task.kind), name: task.subject.name })
  return (
    <>
      <PageHead
        up={up}
        title={title}
        badge={<TaskBadge task={task} size="md" />}
        actions={<TaskCancel task={task} title={title} />}
      />
      <Stack gap="lg">
        {task.error && <Failure task={task} error={task.error} />}
        {isOpen(task) && <Running task={task} title={title} />}
        {task.subject.type === 'desktops' && <TaskParts id={task.id} />}
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Panel title={t('taskPage.steps')}>
            <TaskSteps task={task} log={log.data} />
          </Panel>
          <Panel title={t('taskPage.about')}>
            <About task={task} />
          </Panel>
        </SimpleGrid>
        <Panel title={t('tasks.log')}>
          <ErrorPanel error={log.error} retry={() => void log.refetch()} />
          <Lines log={log.data} live={isOpen(task)} title={title} />
        </Panel>
      </Stack>
    </>
  )
}

function Failure({ task, error }: { task: Task; error: NonNullable<Task['error']> }) {
  const { t } = useTranslation()
  const failed = task.state === 'failed'
  return (
    <Alert color={failed ? 'red' : 'gray'} icon={<Icon of={CircleAlert} />} title={troubleWord(t, error)}>
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {saidWord(error.text)}
      </Text>
      {failed && (
        <Text size="sm" mt="xs">
          {t('tasks.next')}
        </Text>
      )}
    </Alert>
  )
}

function Running({ task, title }: { task: Task; title: string }) {
  const { t } = useTranslation()
  if (task.startAt && task.state === 'queued')
    return <Text size="sm">{t('taskPage.startsAt', { time: formatExact(task.startAt) })}</Text>
  return (
    <Stack gap={4}>
      <Progress value={Math.max(2, task.progress)} size="md" aria-label={title} />
      <Text size="sm" c="dimmed">
        {formatPercent(task.progress / 100)} · <TaskTook task={task} />
        {task.estimateMs !== null && ` · ${t('taskPage.usually', { time: formatDuration(task.estimateMs) })}`}
      </Text>
    </Stack>
  )
}

type Begun = Log['summary']['steps'][number]

/** Its steps in their order, each that has begun with how long it took; scripts stand where guests are customised. */
function TaskSteps({ task, log }: { task: Task; log: Log | undefined }) {
  const { t } = useTranslation()
  const begun = log?.summary.steps ?? []
  const told = ({ name, state, ms, exitCode, attempts }: Begun): Step => ({
    name: [
      `${stepWord(t, name)} · ${t('taskPage.seconds', { seconds: formatNumber(ms / 1000, 1) })}`,
      ...(exitCode ? [t('customise.exit', { code: exitCode })] : []),
      ...(attempts > 1 ? [t('taskPage.tries', { count: attempts })] : []),
    ].join(' · '),
    state: state === 'running' ? 'current' : state,
  })
  const names = task.steps.map(({ name }) => name)
  const scripts = begun.filter(({ name }) => !names.includes(name)).map(told)
  const own = task.steps.flatMap(({ name, state, text }): Step[] => {
    if (name === 'customise' && scripts.length > 0) return scripts
    const known = begun.find(step => step.name === name)
    if (known) return [told(known)]
    return [{ name: stepWord(t, state === 'current' ? (text ?? name) : name), state }]
  })
  const steps = names.includes('customise') ? own : [...own, ...scripts]
  if (steps.length > 0) return <Steps of={steps} />
  return (
    <Text size="sm" c="dimmed">
      {t('taskPage.noSteps')}
    </Text>
  )
}

function About({ task }: { task: Task }) {
  const { t } = useTranslation()
  const may = useMay()
  const who =
    task.requestedById && may('user.read') ? (
      <AnchorLink to="/admin/people/$id" params={{ id: task.requestedById }}>
        {task.requestedBy}
      </AnchorLink>
    ) : (
      (task.requestedBy ?? t('desktops.system'))
    )
  return (
    <Facts
      of={[
        [t('taskPage.subject'), <TaskSubject key="s" of={task.subject} />],
        ...goalFacts(task, t),
        [t('taskPage.who'), who],
        [t('taskPage.when'), <TimeAgo key="w" at={task.createdAt} />],
        [t('taskPage.startAt'), task.startAt ? formatExact(task.startAt) : undefined],
        [t('taskPage.finished'), task.finishedAt ? <TimeAgo key="f" at={task.finishedAt} /> : undefined],
        [t('taskPage.took'), <TaskTook key="t" task={task} />],
        [t('taskPage.id'), <Code key="i">{task.id}</Code>],
      ]}
    />
  )
}

/** What it wants to reach, in words: only what tells a person something. */
function goalFacts({ goal }: Task, t: TFunction): [string, ReactNode][] {
  const yes = t('common.on')
  const no = t('common.off')
  const told: Record<string, (value: string | number | boolean) => [string, ReactNode]> = {
    action: value => [t('taskPage.goalAction'), actionWord(t, String(value))],
    bytes: value => [t('taskPage.goalSize'), <Bytes key="b" of={Number(value)} />],
    evacuate: value => [t('taskPage.goalEvacuate'), value ? yes : no],
    bringBack: value => [t('taskPage.goalBringBack'), value ? yes : no],
    total: value => [t('taskPage.goalTotal'), formatNumber(Number(value))],
    refused: value => [t('taskPage.goalRefused'), formatNumber(Number(value))],
    format: value => [t('taskPage.goalFormat'), String(value)],
    attempt: value => [t('taskPage.goalAttempt'), formatNumber(Number(value))],
    desktopId: value => [
      t('desktops.one'),
      <AnchorLink key="d" to="/admin/desktops/$id" params={{ id: String(value) }}>
        {t('taskPage.show')}
      </AnchorLink>,
    ],
    clusterId: value => [
      t('clusters.one'),
      <AnchorLink key="c" to="/admin/hosts/clusters/$id" params={{ id: String(value) }}>
        {t('taskPage.show')}
      </AnchorLink>,
    ],
  }
  return Object.entries(goal).flatMap(([name, value]) => {
    const fact = told[name]
    return fact ? [fact(value)] : []
  })
}

function Lines({ log, live, title }: { log: Log | undefined; live: boolean; title: string }) {
  const { t } = useTranslation()
  if (!log?.items.length)
    return (
      <Text size="sm" c="dimmed">
        {t('tasks.noLog')}
      </Text>
    )
  return (
    <>
      {/* A log that scrolls must be reachable by keyboard. */}
      <ScrollArea.Autosize
        mah="60vh"
        viewportProps={{ tabIndex: 0, role: 'log', 'aria-label': t('tasks.showLog', { name: title }) }}
      >
        <Code block>{log.items.map(line => `${formatSecond(line.at)}  ${logWord(t, line.text)}`).join('\n')}</Code>
      </ScrollArea.Autosize>
      {live && (
        <Text size="xs" c="dimmed" mt="xs">
          {t('taskPage.live')}
        </Text>
      )}
    </>
  )
}
