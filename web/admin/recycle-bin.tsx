/** Deleted desktops that can still be restored. */
import { Alert, Group, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Trash2, TriangleAlert, Undo2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'
import { desktopsQuery, hostsQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { type Column, DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { formatExact } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { desktopLoss } from './desktop-loss.ts'
import { useRestore } from './desktop-undo.ts'
import { given, useListState } from './list-state.ts'

/** Of its storage: below this share of free space, what is deleted for good is worth while. */
const scarce = 0.1

export function RecycleBin() {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const restore = useRestore()
  const { state, onState, query } = useListState()
  const [loss, setLoss] = useState<Loss | null>(null)
  const read = useQuery(desktopsQuery({ ...query, ...given({ search: state.search }), binned: true }))
  const hosts = useQuery(hostsQuery({ limit: 500 }))
  const destroy = useWrite(
    (rows: Desktop[]) => client.desktopsAct({ params: { name: 'purge' }, body: { ids: rows.map(({ id }) => id) } }),
    ['desktop', 'pool'],
  )
  const holding = new Set((read.data?.items ?? []).map(({ hostId }) => hostId))
  const full = (hosts.data?.items ?? []).filter(
    ({ id, usage }) => holding.has(id) && usage && usage.storageFreeBytes < usage.storageTotalBytes * scarce,
  )
  const columns: Column<Desktop>[] = [
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
      key: 'person',
      head: t('desktops.person'),
      cell: row => row.userName ?? t('common.none'),
      text: row => row.userName ?? '',
    },
    { key: 'pool', head: t('desktops.pool'), cell: row => row.poolName, text: row => row.poolName },
    {
      key: 'host',
      head: t('desktops.host'),
      cell: row => row.hostName ?? t('common.none'),
      text: row => row.hostName ?? '',
    },
    {
      key: 'deleted',
      head: t('bin.deleted'),
      align: 'right',
      cell: row => <TimeAgo at={row.binned?.at ?? null} />,
      text: row => row.binned?.at ?? '',
    },
    {
      key: 'until',
      head: t('bin.until'),
      align: 'right',
      cell: row => (row.binned ? formatExact(row.binned.until) : t('common.none')),
      text: row => row.binned?.until ?? '',
    },
    {
      key: 'actions',
      head: t('snapshots.actions'),
      cell: row => (
        <ActionButton
          size="xs"
          variant="default"
          leftSection={<Icon of={Undo2} small />}
          reason={refusal(row.actions, 'restore') ?? null}
          aria-label={t('bin.restore', { name: row.name })}
          onClick={() => void restore([row])}
        >
          {t('action.restore')}
        </ActionButton>
      ),
    },
  ]
  const remove = (rows: Desktop[]) =>
    setLoss({ ...desktopLoss(t, 'purge', rows), act: () => destroy.mutateAsync(rows) })
  return (
    <>
      <PageHead
        up={<AnchorLink to="/admin/desktops">{t('desktops.title')}</AnchorLink>}
        title={t('bin.title')}
        text={t('bin.text')}
      />
      {full.map(({ id, name }) => (
        <Alert key={id} color="yellow" mb="lg" icon={<Icon of={TriangleAlert} />}>
          {t('bin.full', { host: name })}
        </Alert>
      ))}
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
          bulk={[
            {
              name: 'restore',
              label: t('action.restore'),
              refusal: row => refusal(row.actions, 'restore') ?? null,
              act: rows => void restore(rows),
            },
            {
              name: 'purge',
              label: t('action.purge'),
              danger: true,
              refusal: row => refusal(row.actions, 'purge') ?? null,
              act: remove,
            },
          ]}
          nextCursor={read.data?.nextCursor}
          error={read.error}
          retry={() => void read.refetch()}
          empty={<EmptyState icon={Trash2} title={t('bin.emptyTitle')} text={t('bin.emptyText')} />}
        />
      </Panel>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}

/** That a desktop is in it, on its own page. */
export function InTheBin({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const restore = useRestore()
  const [loss, setLoss] = useState<Loss | null>(null)
  const purge = useWrite(() => client.desktopAct({ params: { id: desktop.id, name: 'purge' } }), ['desktop', 'pool'])
  if (!desktop.binned) return null
  return (
    <Alert color="yellow" icon={<Icon of={Trash2} />} title={t('bin.here')}>
      <Group justify="space-between">
        <Text size="sm">{t('bin.hereText', { when: formatExact(desktop.binned.until) })}</Text>
        <Group gap="xs">
          <ActionButton
            size="xs"
            variant="default"
            reason={refusal(desktop.actions, 'restore') ?? null}
            onClick={() => void restore([desktop])}
          >
            {t('action.restore')}
          </ActionButton>
          <ActionButton
            size="xs"
            variant="default"
            danger
            reason={refusal(desktop.actions, 'purge') ?? null}
            onClick={() => setLoss({ ...desktopLoss(t, 'purge', [desktop]), act: () => purge.mutateAsync(undefined) })}
          >
            {t('action.purge')}
          </ActionButton>
        </Group>
      </Group>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </Alert>
  )
}
