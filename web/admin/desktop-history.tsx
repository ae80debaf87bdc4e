import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { ScreenShare } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { Transition } from '../data/nouns.ts'
import { historyQuery } from '../data/queries.ts'
import { phaseWord } from '../data/words.ts'
import { saidWord } from '../i18n/said.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'

/** Every change of a desktop's state, newest first, with its reason. */
export function DesktopHistory({ id }: { id: string }) {
  const { t } = useTranslation()
  const read = useQuery(historyQuery(id))
  const word = (phase: string | null) => (phase === null ? t('common.none') : phaseWord(t, phase))
  const rowId = (row: Transition) => `${row.at} ${row.to} ${row.from}`
  return (
    <Panel flush>
      <Stack gap={2} p="md">
        <Text component="h2" fw={650}>
          {t('desktops.history')}
        </Text>
        <Text size="sm" c="dimmed">
          {t('desktops.historyText')}
        </Text>
      </Stack>
      <DataTable
        noun={t('desktops.history')}
        rows={read.data?.items}
        rowId={rowId}
        rowName={row => row.to}
        state={{ search: '', filters: {}, cursors: [] }}
        onState={() => undefined}
        error={read.error}
        retry={() => void read.refetch()}
        empty={<EmptyState icon={ScreenShare} title={t('desktops.history')} text={t('desktops.noHistory')} />}
        columns={[
          { key: 'at', head: t('desktops.when'), cell: row => <TimeAgo at={row.at} />, text: row => row.at },
          { key: 'from', head: t('desktops.from'), cell: row => word(row.from), text: row => row.from ?? '' },
          { key: 'to', head: t('desktops.to'), cell: row => word(row.to), text: row => row.to },
          {
            key: 'reason',
            head: t('desktops.reason'),
            cell: row => saidWord(row.reason),
            text: row => saidWord(row.reason),
          },
          {
            key: 'whose',
            head: t('desktops.whose'),
            cell: row => row.userName ?? t('common.none'),
            text: row => row.userName ?? '',
          },
        ]}
      />
    </Panel>
  )
}
