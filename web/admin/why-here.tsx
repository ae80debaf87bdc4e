import { Alert, Select, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Waypoints } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Desktop, PlacementHost } from '../data/nouns.ts'
import { placementQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatExact, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'

/** Why a desktop is where it is, and why not elsewhere: every decision that was made about it, with all hosts. */
export function WhyHere({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const read = useQuery(placementQuery(desktop.id))
  const [chosen, setChosen] = useState('0')
  const decisions = read.data?.items
  const shown = decisions?.[Number(chosen)] ?? decisions?.[0]
  return (
    <Dialog onClose={onClose} size="xl" title={t('why.title', { name: desktop.name })}>
      {!decisions ? (
        read.error ? (
          <ErrorPanel error={read.error} retry={() => void read.refetch()} />
        ) : (
          <PageWait />
        )
      ) : !shown ? (
        <EmptyState icon={Waypoints} title={t('why.emptyTitle')} text={t('why.emptyText')} />
      ) : (
        <Stack>
          {decisions.length > 1 && (
            <Select
              label={t('why.decision')}
              data={decisions.map((decision, index) => ({
                value: String(index),
                label: `${t(`placeCause.${decision.cause}`)}, ${formatExact(decision.at)}`,
              }))}
              value={chosen}
              onChange={value => value && setChosen(value)}
            />
          )}
          <Alert color="blue" icon={<Icon of={Waypoints} />}>
            <Text size="sm" fw={600}>
              {shown.hostName ? t('why.chosen', { host: shown.hostName }) : t('why.nowhere')}
            </Text>
            <Text size="sm">{saidWord(shown.why)}</Text>
            {decisions.length === 1 && (
              <Text size="xs" mt={4}>
                {t(`placeCause.${shown.cause}`)}, {formatExact(shown.at)}
              </Text>
            )}
          </Alert>
          <PlacementTable hosts={shown.hosts} hostId={shown.hostId} />
          <Text size="xs" c="dimmed">
            {t('why.scoreHelp')}
          </Text>
        </Stack>
      )}
    </Dialog>
  )
}

/** All hosts of one decision, best first: scores of those that fit, reasons of those that do not. */
export function PlacementTable({ hosts, hostId }: { hosts: PlacementHost[]; hostId: string | null }) {
  const { t } = useTranslation()
  const word = (row: PlacementHost) =>
    t(row.hostId === hostId ? 'why.chosenWord' : row.fits ? 'why.fits' : 'why.fitsNot')
  return (
    <DataTable
      part
      noun={t('hosts.noun')}
      rows={hosts}
      rowId={row => row.hostId}
      rowName={row => row.hostName}
      state={{ search: '', filters: {}, cursors: [] }}
      onState={() => undefined}
      empty={<Text size="sm">{t('why.noHosts')}</Text>}
      columns={[
        {
          key: 'host',
          head: t('hosts.one'),
          cell: row => (
            <AnchorLink to="/admin/hosts/$id" params={{ id: row.hostId }}>
              {row.hostName}
            </AnchorLink>
          ),
        },
        { key: 'cluster', head: t('clusters.one'), cell: row => row.clusterName },
        {
          key: 'fits',
          head: t('why.fitsHead'),
          cell: row => (
            <StateBadge look={row.hostId === hostId ? 'good' : row.fits ? 'waiting' : 'stopped'} word={word(row)} />
          ),
        },
        {
          key: 'score',
          head: t('why.score'),
          align: 'right',
          cell: row => (row.score === null ? t('common.none') : formatNumber(row.score, 2)),
        },
        { key: 'reason', head: t('why.reason'), cell: row => saidWord(row.reason) || t('common.none') },
      ]}
    />
  )
}
