import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { FileClock } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { TaskBadge } from '../data/badges.tsx'
import type { Host } from '../data/nouns.ts'
import { tasksQuery } from '../data/queries.ts'
import { taskWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { HostEvents } from './host-events.tsx'

export function HostHistory({ host }: { host: Host }) {
  return (
    <Stack gap="lg">
      <HostEvents host={host} />
      <HostTasks host={host} />
    </Stack>
  )
}

/** What was asked of this host, newest first, and how it ended. */
function HostTasks({ host }: { host: Host }) {
  const { t } = useTranslation()
  const read = useQuery(tasksQuery({ subjectId: host.id, limit: 100 }))
  return (
    <Panel flush>
      <Text component="h2" fw={650} p="md" pb={0}>
        {t('hostHistory.asked')}
      </Text>
      <DataTable
        noun={t('hostHistory.asked')}
        rows={read.data?.items}
        rowId={row => row.id}
        rowName={row => row.kind}
        state={{ search: '', filters: {}, cursors: [] }}
        onState={() => undefined}
        error={read.error}
        retry={() => void read.refetch()}
        empty={<EmptyState icon={FileClock} title={t('hostHistory.asked')} text={t('hosts.noHistory')} />}
        columns={[
          {
            key: 'what',
            head: t('hosts.historyWhat'),
            cell: row => (
              <AnchorLink to="/admin/tasks/$id" params={{ id: row.id }}>
                {taskWord(t, row.kind)}
              </AnchorLink>
            ),
            text: row => taskWord(t, row.kind),
          },
          {
            key: 'state',
            head: t('hosts.state'),
            cell: row => <TaskBadge task={row} />,
            text: row => t(`taskState.${row.state}`),
          },
          {
            key: 'why',
            head: t('desktops.reason'),
            cell: row => saidWord(row.error?.text) ?? t('common.none'),
            text: row => saidWord(row.error?.text) ?? '',
          },
          {
            key: 'by',
            head: t('desktops.by'),
            cell: row => row.requestedBy ?? t('desktops.system'),
            text: row => row.requestedBy ?? '',
          },
          {
            key: 'at',
            head: t('desktops.when'),
            align: 'right',
            cell: row => <TimeAgo at={row.createdAt} />,
            text: row => row.createdAt,
          },
        ]}
      />
    </Panel>
  )
}
