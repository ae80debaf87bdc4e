import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Layers, Plus } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { PoolBadge } from '../data/badges.tsx'
import { useMay } from '../data/me.ts'
import type { Pool } from '../data/nouns.ts'
import { poolsQuery } from '../data/queries.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { type Column, DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { given, useListState } from './list-state.ts'

export function Pools() {
  const { t } = useTranslation()
  const may = useMay()
  const { state, onState, query } = useListState()
  const read = useQuery(poolsQuery({ ...query, ...given({ search: state.search }) }))
  const add = may('pool.write') && (
    <ButtonLink to="/admin/pools/new" leftSection={<Icon of={Plus} />}>
      {t('pools.new')}
    </ButtonLink>
  )
  const number = (head: string, value: (pool: Pool) => number): Omit<Column<Pool>, 'key'> => ({
    head,
    align: 'right',
    cell: row => formatNumber(value(row)),
    text: row => String(value(row)),
  })
  return (
    <>
      <PageHead title={t('pools.title')} actions={add} />
      <Panel flush>
        <DataTable
          noun={t('pools.noun')}
          rows={read.data?.items}
          rowId={row => row.id}
          rowName={row => row.name}
          state={state}
          onState={onState}
          searchable
          nextCursor={read.data?.nextCursor}
          error={read.error}
          retry={() => void read.refetch()}
          empty={<EmptyState icon={Layers} title={t('pools.emptyTitle')} text={t('pools.emptyText')} action={add} />}
          columns={[
            {
              key: 'name',
              head: t('pools.name'),
              cell: row => (
                <Link to="/admin/pools/$id" params={{ id: row.id }}>
                  {row.name}
                </Link>
              ),
              text: row => row.name,
            },
            {
              key: 'status',
              head: t('pools.status'),
              cell: row => <PoolBadge pool={row} />,
              text: row => t(`poolStatus.${row.status}`),
            },
            { key: 'kind', head: t('pools.kind'), cell: row => t(`kind.${row.kind}`), text: row => row.kind },
            {
              key: 'template',
              head: t('pools.template'),
              cell: row =>
                may('template.read') ? (
                  <AnchorLink to="/admin/templates/$id" params={{ id: row.templateId }}>
                    {row.templateName}
                  </AnchorLink>
                ) : (
                  row.templateName
                ),
              text: row => row.templateName,
            },
            { key: 'ready', ...number(t('pools.ready'), row => row.counts.ready) },
            { key: 'inUse', ...number(t('pools.inUse'), row => row.counts.assigned) },
            {
              key: 'total',
              head: t('pools.total'),
              align: 'right',
              cell: row => t('common.of', { part: formatNumber(row.counts.total), whole: formatNumber(row.maxSize) }),
              text: row => String(row.counts.total),
            },
            {
              key: 'wait',
              head: t('pools.wait'),
              align: 'right',
              cell: row =>
                row.estimateMs === null
                  ? t('common.unknown')
                  : row.estimateMs === 0
                    ? t('pools.waitNow')
                    : formatDuration(row.estimateMs),
              text: row => String(row.estimateMs ?? ''),
            },
          ]}
        />
      </Panel>
    </>
  )
}
