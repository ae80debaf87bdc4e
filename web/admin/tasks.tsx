import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ListChecks } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { TaskBadge } from '../data/badges.tsx'
import { useMay, useMe } from '../data/me.ts'
import type { Task } from '../data/nouns.ts'
import { isOpen, taskKindsQuery, taskPageQuery } from '../data/tasks.ts'
import { stepWord, taskWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { type Column, DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import type { Filter } from '../ui/FilterChip.tsx'
import { formatExact, formatPercent } from '../ui/format.ts'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { given, useListState } from './list-state.ts'
import { TaskSubject } from './task-subject.tsx'
import { TaskTook } from './task-time.tsx'

const states = ['open', 'failed', 'ended', 'queued', 'running', 'succeeded', 'cancelled'] as const

/** Everything that was asked for and took time: what is under way, what failed, what is over. */
export function TaskList() {
  const { t } = useTranslation()
  const may = useMay()
  const { state, onState, query } = useListState()
  const { filters, search } = state
  const read = useQuery(
    taskPageQuery({
      ...query,
      ...given({
        search,
        kind: filters.kind,
        requestedBy: filters.who,
        state: states.find(one => one === filters.state),
      }),
    }),
  )
  return (
    <>
      <PageHead title={t('tasks.title')} text={t(may('task.read') ? 'taskPage.text' : 'taskPage.textOwn')} />
      <Panel flush>
        <DataTable
          noun={t('taskPage.noun')}
          rows={read.data?.items}
          rowId={row => row.id}
          rowName={row => t('tasks.what', { kind: taskWord(t, row.kind), name: row.subject.name })}
          columns={useTaskColumns()}
          state={state}
          onState={onState}
          searchable
          filters={useTaskFilters(read.data?.items, filters.who)}
          nextCursor={read.data?.nextCursor}
          error={read.error}
          retry={() => void read.refetch()}
          empty={<EmptyState icon={ListChecks} title={t('taskPage.emptyTitle')} text={t('taskPage.emptyText')} />}
        />
      </Panel>
    </>
  )
}

function useTaskFilters(shown: readonly Task[] = [], who: string | undefined): Filter[] {
  const { t } = useTranslation()
  const me = useMe()
  const all = useMay()('task.read')
  const kinds = useQuery(taskKindsQuery)
  // Whoever is in sight can be picked; the rest is found by name in the search.
  const askers = new Map(shown.flatMap(task => (task.requestedById ? [[task.requestedById, task.requestedBy]] : [])))
  askers.delete(me.id)
  if (who && who !== me.id && who !== 'nobody' && !askers.has(who)) askers.set(who, t('taskPage.onePerson'))
  return [
    {
      key: 'state',
      label: t('taskPage.filterState'),
      options: states.map(value => ({
        value,
        label: value === 'open' || value === 'ended' ? t(`taskPage.${value}`) : t(`taskState.${value}`),
      })),
    },
    {
      key: 'kind',
      label: t('taskPage.filterKind'),
      options: (kinds.data?.items ?? [])
        .map(value => ({ value, label: taskWord(t, value) }))
        .toSorted((a, b) => a.label.localeCompare(b.label)),
    },
    ...(all
      ? [
          {
            key: 'who',
            label: t('taskPage.filterWho'),
            options: [
              { value: me.id, label: t('taskPage.me') },
              { value: 'nobody', label: t('desktops.system') },
              ...[...askers].map(([value, name]) => ({ value, label: name ?? value })),
            ],
          },
        ]
      : []),
  ]
}

/** What it is at, or what went wrong: one line beneath the state. */
function Detail({ task }: { task: Task }) {
  const { t } = useTranslation()
  const current = task.steps.find(step => step.state === 'current')
  if (task.error)
    return (
      <Text size="xs" c="dimmed" lineClamp={2} title={saidWord(task.error.text)} style={{ overflowWrap: 'anywhere' }}>
        {saidWord(task.error.text)}
      </Text>
    )
  if (!isOpen(task)) return null
  return (
    <Text size="xs" c="dimmed">
      {formatPercent(task.progress / 100)}
      {current && ` · ${stepWord(t, current.text ?? current.name)}`}
    </Text>
  )
}

function useTaskColumns(): Column<Task>[] {
  const { t } = useTranslation()
  const may = useMay()
  const title = (row: Task) => t('tasks.what', { kind: taskWord(t, row.kind), name: row.subject.name })
  return [
    {
      key: 'task',
      head: t('taskPage.task'),
      cell: row => (
        <Link to="/admin/tasks/$id" params={{ id: row.id }} aria-label={title(row)}>
          {taskWord(t, row.kind)}
        </Link>
      ),
      text: row => taskWord(t, row.kind),
    },
    {
      key: 'subject',
      head: t('taskPage.subject'),
      cell: row => <TaskSubject of={row.subject} />,
      text: row => row.subject.name,
    },
    {
      key: 'state',
      head: t('taskPage.state'),
      cell: row => (
        <>
          <TaskBadge task={row} />
          <Detail task={row} />
        </>
      ),
      text: row => `${t(`taskState.${row.state}`)}${row.error ? `: ${saidWord(row.error.text)}` : ''}`,
    },
    {
      key: 'who',
      head: t('taskPage.who'),
      cell: row =>
        row.requestedById && may('user.read') ? (
          <AnchorLink to="/admin/people/$id" params={{ id: row.requestedById }}>
            {row.requestedBy}
          </AnchorLink>
        ) : (
          (row.requestedBy ?? t('desktops.system'))
        ),
      text: row => row.requestedBy ?? '',
    },
    {
      key: 'when',
      head: t('taskPage.when'),
      cell: row => <TimeAgo at={row.createdAt} />,
      text: row => formatExact(row.createdAt),
    },
    {
      key: 'took',
      head: t('taskPage.took'),
      align: 'right',
      cell: row => <TaskTook task={row} />,
      text: row => (row.finishedAt ? String((Date.parse(row.finishedAt) - Date.parse(row.createdAt)) / 1000) : ''),
    },
  ]
}
