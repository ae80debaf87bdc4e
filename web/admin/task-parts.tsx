import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { TaskPartBadge } from '../data/badges.tsx'
import type { TaskPart } from '../data/nouns.ts'
import { taskPartsQuery } from '../data/tasks.ts'
import { troubleWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatPercent } from '../ui/format.ts'
import { Panel } from '../ui/Panel.tsx'
import { TaskSubject } from './task-subject.tsx'

/** What a task about many is made of: each desktop with its own result, what needs somebody first. */
export function TaskParts({ id }: { id: string }) {
  const { t } = useTranslation()
  const read = useQuery(taskPartsQuery(id))
  const rows = read.data?.items
  if (read.error) return <ErrorPanel error={read.error} retry={() => void read.refetch()} />
  if (!rows?.length) return null
  return (
    <Panel title={t('taskPage.parts')}>
      <DataTable
        part
        noun={t('taskPage.parts')}
        rows={rows}
        rowId={row => row.subject.id}
        rowName={row => row.subject.name}
        state={{ search: '', filters: {}, cursors: [] }}
        onState={() => undefined}
        empty={null}
        columns={[
          { key: 'of', head: t('taskPage.part'), cell: row => <TaskSubject of={row.subject} /> },
          { key: 'state', head: t('taskPage.state'), cell: row => <TaskPartBadge state={row.state} /> },
          { key: 'task', head: t('taskPage.ownTask'), cell: row => <Own of={row} /> },
          {
            key: 'why',
            head: t('common.details'),
            cell: row => row.error && `${troubleWord(t, row.error)} ${saidWord(row.error.text)}`,
          },
        ]}
      />
    </Panel>
  )
}

/** Its own task, with how far it is while it runs. */
function Own({ of: { taskId, subject, state, progress } }: { of: TaskPart }) {
  const { t } = useTranslation()
  if (taskId === null) return '—'
  return (
    <AnchorLink to="/admin/tasks/$id" params={{ id: taskId }} aria-label={t('tasks.openNamed', { name: subject.name })}>
      {state === 'running' ? formatPercent(progress / 100) : t('tasks.open')}
    </AnchorLink>
  )
}
