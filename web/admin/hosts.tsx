import { Button, Select, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { CircleCheck, Plus, Server } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { HostBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import { clustersQuery, hostsQuery } from '../data/queries.ts'
import { CopyField } from '../ui/CopyField.tsx'
import { DataTable } from '../ui/DataTable.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber, formatPercent, formatTime } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { useListState } from './list-state.ts'

export function Hosts() {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const { new: wanted } = useSearch({ from: '/person/admin/hosts' })
  const { state, onState, query } = useListState()
  const read = useQuery(hostsQuery(query))
  const joining = (opened: boolean) =>
    void navigate({ to: '/admin/hosts', search: opened ? { new: 'host' } : {}, replace: true })
  const add = may('host.write') && (
    <Button leftSection={<Icon of={Plus} />} onClick={() => joining(true)}>
      {t('hosts.join')}
    </Button>
  )
  return (
    <>
      <PageHead title={t('hosts.title')} actions={add} />
      <Panel flush>
        <DataTable
          noun={t('hosts.noun')}
          rows={read.data?.items}
          rowId={row => row.id}
          rowName={row => row.name}
          state={{ ...state, filters: {} }}
          onState={onState}
          nextCursor={read.data?.nextCursor}
          error={read.error}
          retry={() => void read.refetch()}
          empty={<EmptyState icon={Server} title={t('hosts.emptyTitle')} text={t('hosts.emptyText')} action={add} />}
          columns={[
            {
              key: 'name',
              head: t('hosts.name'),
              cell: row => (
                <Link to="/admin/hosts/$id" params={{ id: row.id }}>
                  {row.name}
                </Link>
              ),
              text: row => row.name,
            },
            {
              key: 'state',
              head: t('hosts.state'),
              cell: row => <HostBadge host={row} />,
              text: row => t(`hostState.${row.state}`),
            },
            {
              key: 'cluster',
              head: t('hosts.cluster'),
              cell: row => `${row.siteName} / ${row.clusterName}`,
              text: row => row.clusterName,
            },
            {
              key: 'accel',
              head: t('hosts.accel'),
              cell: row =>
                row.facts === null ? (
                  t('common.unknown')
                ) : row.facts.simulated ? (
                  <StateBadge look="unknown" word={t('hosts.simulated')} />
                ) : row.facts.accelerator === 'kvm' ? (
                  <StateBadge look="good" word={t('hosts.kvm')} />
                ) : (
                  <StateBadge look="warn" word={t('hosts.tcg')} />
                ),
              text: row => row.facts?.accelerator ?? '',
            },
            {
              key: 'running',
              head: t('hosts.running'),
              align: 'right',
              cell: row => t('common.of', { part: formatNumber(row.used.running), whole: formatNumber(row.capacity) }),
              text: row => String(row.used.running),
            },
            {
              key: 'cpu',
              head: t('hosts.cpu'),
              align: 'right',
              cell: row => (row.usage ? formatPercent(row.usage.cpu) : t('common.unknown')),
              text: row => String(row.usage?.cpu ?? ''),
            },
            {
              key: 'memory',
              head: t('hosts.memory'),
              align: 'right',
              cell: row =>
                row.usage && row.facts
                  ? t('hosts.memoryOf', {
                      used: formatBytes(row.usage.memoryUsedBytes),
                      whole: formatBytes(row.facts.memoryBytes),
                    })
                  : t('common.unknown'),
              text: row => String(row.usage?.memoryUsedBytes ?? ''),
            },
          ]}
        />
      </Panel>
      {wanted === 'host' && may('host.write') && <Join onClose={() => joining(false)} />}
    </>
  )
}

/** The one line for the new server; turns green when it arrives. */
function Join({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const clusters = useQuery(clustersQuery)
  const hosts = useQuery(hostsQuery({ limit: 200 }))
  const [clusterId, setClusterId] = useState<string | null>(null)
  const [known, setKnown] = useState<ReadonlySet<string> | null>(null)
  const make = useWrite((id: string | undefined) => client.joinTokenMake({ body: id ? { clusterId: id } : {} }), [])
  const first = clusters.data?.items[0]
  const arrived = known && hosts.data?.items.find(host => !known.has(host.id))
  return (
    <Dialog onClose={onClose} size="lg" title={t('hosts.joinTitle')}>
      <Stack>
        <Text size="sm">{t('hosts.joinText')}</Text>
        {!make.data && (
          <>
            <Select
              label={t('hosts.joinCluster')}
              data={(clusters.data?.items ?? []).map(cluster => ({
                value: cluster.id,
                label: `${cluster.siteName} / ${cluster.name}`,
              }))}
              value={clusterId ?? first?.id ?? null}
              onChange={setClusterId}
            />
            <ErrorPanel error={make.error ?? clusters.error} />
            <Button
              data-autofocus
              loading={make.isPending}
              onClick={() => {
                setKnown(new Set(hosts.data?.items.map(host => host.id)))
                make.mutate(clusterId ?? first?.id)
              }}
            >
              {t('hosts.joinMake')}
            </Button>
          </>
        )}
        {make.data && (
          <>
            <CopyField value={make.data.command} />
            <Text size="sm" c="dimmed">
              {t('hosts.joinExpires', { time: formatTime(make.data.expiresAt) })}
            </Text>
            <div role="status">
              {arrived ? (
                <StateBadge look="good" size="md" word={t('hosts.joinArrived', { name: arrived.name })} />
              ) : (
                <StateBadge look="busy" size="md" word={t('hosts.joinWaiting')} />
              )}
            </div>
            <Button variant="default" onClick={onClose} leftSection={<Icon of={CircleCheck} />}>
              {t('common.done')}
            </Button>
          </>
        )}
      </Stack>
    </Dialog>
  )
}
