import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Monitor } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { DesktopBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Desktop, DesktopAction } from '../data/nouns.ts'
import { desktopsQuery, hostsQuery, poolsQuery } from '../data/queries.ts'
import { stepWord } from '../data/words.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { type BulkAction, type Column, DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { desktopLoss } from './desktop-loss.ts'
import { given, useListState } from './list-state.ts'

const phases = [
  'ready',
  'starting',
  'stopped',
  'paused',
  'making',
  'stopping',
  'recycling',
  'failed',
  'unknown',
] as const
const bulkNames = ['start', 'shutdown', 'poweroff', 'release', 'delete'] as const satisfies DesktopAction[]

export function Desktops() {
  const { t } = useTranslation()
  return (
    <>
      <PageHead title={t('desktops.title')} />
      <DesktopTable />
    </>
  )
}

/** The list of desktops, whole or of one pool or host. */
export function DesktopTable({ poolId, hostId }: { poolId?: string; hostId?: string }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const { state, onState, query } = useListState()
  const [loss, setLoss] = useState<Loss | null>(null)
  const { filters, search } = state
  const read = useQuery(
    desktopsQuery({
      ...query,
      ...given({
        search,
        poolId: poolId ?? filters.pool,
        hostId: hostId ?? filters.host,
        phase: phases.find(phase => phase === filters.phase),
      }),
    }),
  )
  const pools = useQuery({ ...poolsQuery({ limit: 500 }), enabled: !poolId && may('pool.read') })
  const hosts = useQuery({ ...hostsQuery({ limit: 500 }), enabled: !hostId && may('host.read') })
  const act = useWrite(
    async ({ name, rows }: { name: DesktopAction; rows: Desktop[] }) => {
      for (const { id } of rows) await client.desktopAct({ params: { id, name } })
    },
    ['desktop', 'pool'],
  )
  const columns = useDesktopColumns({ pool: !poolId, host: !hostId })

  const bulk: BulkAction<Desktop>[] = may('desktop.write')
    ? bulkNames.map(name => ({
        name,
        label: t(`action.${name}`),
        danger: name === 'delete' || name === 'release',
        refusal: row => {
          const reason = refusal(row.actions, name)
          return reason === undefined ? t('problem.code.forbidden') : reason
        },
        act: rows => {
          const done = () => notifyDone(t('actionDone.askedMany', { action: t(`action.${name}`), count: rows.length }))
          if (name === 'start')
            return act.mutate({ name, rows }, { onSuccess: done, onError: error => notifyError(error) })
          setLoss({
            ...desktopLoss(t, name, rows),
            act: async () => {
              await act.mutateAsync({ name, rows })
              done()
            },
          })
        },
      }))
    : []

  return (
    <Panel flush>
      <DataTable
        noun={t('desktops.noun')}
        rows={read.data?.items}
        rowId={row => row.id}
        rowName={row => row.name}
        columns={columns}
        state={state}
        onState={onState}
        searchable
        bulk={bulk}
        filters={[
          {
            key: 'phase',
            label: t('desktops.filterPhase'),
            options: phases.map(phase => ({ value: phase, label: t(`phase.${phase}`) })),
          },
          ...(pools.data
            ? [
                {
                  key: 'pool',
                  label: t('desktops.filterPool'),
                  options: pools.data.items.map(pool => ({ value: pool.id, label: pool.name })),
                },
              ]
            : []),
          ...(hosts.data
            ? [
                {
                  key: 'host',
                  label: t('desktops.filterHost'),
                  options: hosts.data.items.map(host => ({ value: host.id, label: host.name })),
                },
              ]
            : []),
        ]}
        nextCursor={read.data?.nextCursor}
        error={read.error}
        retry={() => void read.refetch()}
        empty={
          <EmptyState
            icon={Monitor}
            title={t('desktops.emptyTitle')}
            text={t('desktops.emptyText')}
            action={
              may('pool.write') && !poolId && <ButtonLink to="/admin/pools/new">{t('desktops.emptyAction')}</ButtonLink>
            }
          />
        }
      />
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </Panel>
  )
}

function useDesktopColumns(shown: { pool: boolean; host: boolean }): Column<Desktop>[] {
  const { t } = useTranslation()
  const may = useMay()
  return [
    {
      key: 'name',
      head: t('desktops.name'),
      cell: row => (
        <Link to="/admin/desktops/$id" params={{ id: row.id }}>
          {row.name}
        </Link>
      ),
      text: row => row.name,
    },
    {
      key: 'state',
      head: t('desktops.state'),
      cell: row => (
        <>
          <DesktopBadge desktop={row} /> {row.step && <small>{stepWord(t, row.step.name)}</small>}
          {row.waitsForHost && <small>{t('desktops.waitsShort', { host: row.waitsForHost.name })}</small>}{' '}
          {row.noNetwork && <StateBadge look="warn" word={t('desktops.noNetwork')} />}
        </>
      ),
      text: row => t(`phase.${row.phase}`),
    },
    {
      key: 'person',
      head: t('desktops.person'),
      cell: row =>
        row.userId && may('user.read') ? (
          <AnchorLink to="/admin/people/$id" params={{ id: row.userId }}>
            {row.userName}
          </AnchorLink>
        ) : (
          (row.userName ?? t('common.none'))
        ),
      text: row => row.userName ?? '',
    },
    ...(shown.pool
      ? [
          {
            key: 'pool',
            head: t('desktops.pool'),
            cell: (row: Desktop) => (
              <AnchorLink to="/admin/pools/$id" params={{ id: row.poolId }}>
                {row.poolName}
              </AnchorLink>
            ),
            text: (row: Desktop) => row.poolName,
          },
        ]
      : []),
    ...(shown.host
      ? [
          {
            key: 'host',
            head: t('desktops.host'),
            cell: (row: Desktop) =>
              row.hostId ? (
                <AnchorLink to="/admin/hosts/$id" params={{ id: row.hostId }}>
                  {row.hostName}
                </AnchorLink>
              ) : (
                t('common.none')
              ),
            text: (row: Desktop) => row.hostName ?? '',
          },
        ]
      : []),
    {
      key: 'address',
      head: t('desktops.address'),
      cell: row => row.address ?? t('common.none'),
      text: row => row.address ?? '',
    },
    {
      key: 'since',
      head: t('desktops.since'),
      align: 'right',
      cell: row => <TimeAgo at={row.since} />,
      text: row => row.since,
    },
  ]
}
