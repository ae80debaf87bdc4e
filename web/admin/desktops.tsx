import { Button, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Monitor, ScreenShare, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Answer } from '../../api/client.ts'
import { useRefusal, useWrite } from '../data/actions.ts'
import { DesktopBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Desktop, DesktopAction } from '../data/nouns.ts'
import { desktopsQuery, hostsQuery, poolsQuery } from '../data/queries.ts'
import { stepWord } from '../data/words.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { type BulkAction, type Column, DataTable } from '../ui/DataTable.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { asksFirst, desktopLoss } from './desktop-loss.ts'
import { MakeDesktop } from './desktop-making.tsx'
import { useUndo } from './desktop-undo.ts'
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
const rareNames = ['reboot', 'reset', 'suspend', 'resume', 'save', 'customise'] as const satisfies DesktopAction[]

export function Desktops() {
  const { t } = useTranslation()
  const may = useMay()
  const [making, setMaking] = useState(false)
  return (
    <>
      <PageHead
        title={t('desktops.title')}
        actions={
          may('desktop.write') && (
            <>
              <ButtonLink to="/admin/recycle-bin" size="xs" variant="default" leftSection={<Icon of={Trash2} small />}>
                {t('bin.button')}
              </ButtonLink>
              <Button size="xs" onClick={() => setMaking(true)}>
                {t('making.button')}
              </Button>
            </>
          )
        }
      />
      <DesktopTable />
      {making && <MakeDesktop onClose={() => setMaking(false)} />}
    </>
  )
}

type BulkAnswer = Answer<'desktopsAct'>
interface RefusedOne {
  name: string
  why: string
}
const nameOf = (rows: Desktop[], id: string) => rows.find(row => row.id === id)?.name ?? id

/** Of many that were asked: which were refused, and why. */
function Refused({ of, onClose }: { of: RefusedOne[]; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog onClose={onClose} title={t('bulk.refused', { count: of.length })}>
      <Stack gap="xs">
        <Text size="sm">{t('bulk.text')}</Text>
        {of.map(({ name, why }) => (
          <Text key={name} size="sm">
            <strong>{name}</strong> – {saidWord(why)}
          </Text>
        ))}
      </Stack>
    </Dialog>
  )
}

/** The list of desktops, whole or of one pool or host. */
export function DesktopTable({ poolId, hostId }: { poolId?: string; hostId?: string }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const { state, onState, query } = useListState()
  const undo = useUndo()
  const [loss, setLoss] = useState<Loss | null>(null)
  const [refused, setRefused] = useState<RefusedOne[]>([])
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
    ({ name, rows }: { name: DesktopAction; rows: Desktop[] }) =>
      client.desktopsAct({ params: { name }, body: { ids: rows.map(({ id }) => id) } }),
    ['desktop', 'pool'],
  )
  const columns = useDesktopColumns({ pool: !poolId, host: !hostId })

  const bulk: BulkAction<Desktop>[] = may('desktop.write')
    ? [...bulkNames, ...rareNames].map(name => ({
        name,
        rare: rareNames.some(rare => rare === name),
        label: t(`action.${name}`),
        danger: name === 'delete' || name === 'release',
        refusal: row => {
          const reason = refusal(row.actions, name)
          return reason === undefined ? t('problem.code.forbidden') : reason
        },
        act: rows => {
          const done = ({ results }: BulkAnswer) => {
            setRefused(results.flatMap(one => (one.error ? [{ name: nameOf(rows, one.id), why: one.error.text }] : [])))
            const asked = rows.filter(row => results.some(({ id, error }) => id === row.id && error === null))
            const words = { action: t(`action.${name}`), count: asked.length }
            if (asked.length > 0) notifyDone(t('actionDone.askedMany', words), undo(name, asked))
          }
          if (!asksFirst(name))
            return act.mutate({ name, rows }, { onSuccess: done, onError: error => notifyError(error) })
          setLoss({
            ...desktopLoss(t, name, rows),
            act: async () => {
              done(await act.mutateAsync({ name, rows }))
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
      {refused.length > 0 && <Refused of={refused} onClose={() => setRefused([])} />}
    </Panel>
  )
}

function useDesktopColumns(shown: { pool: boolean; host: boolean }): Column<Desktop>[] {
  const { t } = useTranslation()
  const may = useMay()
  const screens = (row: Desktop) =>
    may('desktop.write') && row.actions.some(({ name, allowed }) => name === 'screen' && allowed)
  return [
    {
      key: 'name',
      head: t('desktops.name'),
      cell: row => (
        <>
          <Link to="/admin/desktops/$id" params={{ id: row.id }}>
            {row.name}
          </Link>
          {screens(row) && (
            <>
              {' '}
              <AnchorLink
                to="/admin/desktops/$id/screen"
                params={{ id: row.id }}
                preload={false}
                aria-label={t('watch.open', { name: row.name })}
              >
                <Icon of={ScreenShare} small />
              </AnchorLink>
            </>
          )}
        </>
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
