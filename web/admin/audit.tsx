import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { FileClock } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { AuditEntry } from '../data/nouns.ts'
import { auditQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { formatExact } from '../ui/format.ts'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { given, useListState } from './list-state.ts'

const detailText = (entry: AuditEntry) =>
  Object.entries(entry.detail)
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ')

export function Audit() {
  const { t } = useTranslation()
  const { state, onState, query } = useListState()
  const read = useQuery({
    ...auditQuery({ ...query, ...given({ outcome: state.filters.outcome, subjectId: state.filters.subject }) }),
    // The trail has no events of its own: it would answer every change with a read.
    refetchInterval: 15_000,
  })
  return (
    <>
      <PageHead title={t('audit.title')} text={t('audit.text')} />
      <Panel flush>
        <DataTable
          noun={t('audit.noun')}
          rows={read.data?.items}
          rowId={row => row.id}
          rowName={row => row.action}
          state={state}
          onState={onState}
          filters={[
            {
              key: 'outcome',
              label: t('audit.filterOutcome'),
              options: [
                { value: 'ok', label: t('audit.ok') },
                { value: 'refused', label: t('audit.denied') },
              ],
            },
          ]}
          nextCursor={read.data?.nextCursor}
          error={read.error}
          retry={() => void read.refetch()}
          empty={<EmptyState icon={FileClock} title={t('audit.emptyTitle')} text={t('audit.emptyText')} />}
          columns={[
            {
              key: 'when',
              head: t('audit.when'),
              cell: row => <TimeAgo at={row.at} />,
              text: row => formatExact(row.at),
            },
            {
              key: 'who',
              head: t('audit.who'),
              cell: row =>
                row.userId ? (
                  <AnchorLink to="/admin/people/$id" params={{ id: row.userId }}>
                    {row.userName}
                  </AnchorLink>
                ) : (
                  (row.userName ?? t('audit.nobody'))
                ),
              text: row => row.userName ?? '',
            },
            { key: 'what', head: t('audit.what'), cell: row => row.action, text: row => row.action },
            {
              key: 'subject',
              head: t('audit.subject'),
              cell: row => <Subject entry={row} />,
              text: row => `${row.subjectType ?? ''} ${row.subjectId ?? ''}`,
            },
            {
              key: 'outcome',
              head: t('audit.outcome'),
              cell: row => (
                <StateBadge
                  look={row.outcome === 'ok' ? 'good' : 'warn'}
                  word={row.outcome === 'ok' ? t('audit.ok') : row.outcome}
                />
              ),
              text: row => row.outcome,
            },
            { key: 'address', head: t('audit.address'), cell: row => row.address, text: row => row.address },
            {
              key: 'detail',
              head: t('audit.detail'),
              cell: row => (
                // What was sent has no spaces to break at: it is cut to two lines, not the table to what fits.
                <Text
                  size="xs"
                  c="dimmed"
                  lineClamp={2}
                  title={detailText(row)}
                  miw="10rem"
                  style={{ overflowWrap: 'anywhere' }}
                >
                  {detailText(row) || t('common.none')}
                </Text>
              ),
              text: detailText,
            },
          ]}
        />
      </Panel>
    </>
  )
}

const pages = {
  desktop: '/admin/desktops/$id',
  pool: '/admin/pools/$id',
  template: '/admin/templates/$id',
  host: '/admin/hosts/$id',
  user: '/admin/people/$id',
} as const

function Subject({ entry }: { entry: AuditEntry }) {
  const { t } = useTranslation()
  if (!entry.subjectType) return t('common.none')
  const to = pages[entry.subjectType as keyof typeof pages]
  const words = {
    desktop: t('desktops.one'),
    pool: t('pools.one'),
    template: t('templates.one'),
    host: t('hosts.one'),
    user: t('people.one'),
  }
  const word = words[entry.subjectType as keyof typeof words] ?? entry.subjectType
  const name = typeof entry.detail.name === 'string' ? ` ${entry.detail.name}` : ''
  return to && entry.subjectId ? (
    <AnchorLink to={to} params={{ id: entry.subjectId }}>
      {word}
      {name}
    </AnchorLink>
  ) : (
    `${word}${name}`
  )
}
