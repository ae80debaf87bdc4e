import { Alert, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { Info, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Cluster } from '../data/nouns.ts'
import { clusterQuery, hostsQuery, sitesQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatDuration, formatNumber, formatPercent } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { ClusterBalance } from './cluster-balance.tsx'
import { ClusterDialog } from './cluster-form.tsx'
import { ClusterNetworks } from './cluster-networks.tsx'
import { ClusterStorage } from './cluster-storage.tsx'
import { HostJoin } from './host-join.tsx'
import { HostTable } from './host-tree.tsx'
import { ResourceMeters } from './resources.tsx'

/** One cluster: its resource pool, its rules, its hosts. */
export function ClusterDetail() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const writable = useMay()('host.write')
  const { id } = useParams({ from: '/person/admin/hosts/clusters/$id' })
  const { show } = useSearch({ from: '/person/admin/hosts/clusters/$id' })
  const read = useQuery(clusterQuery(id))
  const sites = useQuery(sitesQuery)
  const hosts = useQuery(hostsQuery({ clusterId: id, limit: 500 }))
  const cluster = read.data
  const up = <AnchorLink to="/admin/hosts">{t('hosts.title')}</AnchorLink>
  if (!cluster) return <PageUnread read={read} up={up} />
  const open = (what?: string) => void navigate({ to: '.', search: what ? { show: what } : {}, replace: true })
  return (
    <>
      <PageHead
        up={up}
        title={cluster.name}
        text={`${cluster.siteName} · ${t('sites.hostCount', { count: hosts.data?.items.length ?? 0 })}`}
        actions={<ClusterActions cluster={cluster} onEdit={() => open('settings')} onJoin={() => open('host')} />}
      />
      <Stack gap="lg">
        {hosts.data?.items.length === 0 && (
          <Alert color="blue" icon={<Icon of={Info} />} title={t('clusters.emptyTitle')}>
            {t('clusters.emptyText')}
          </Alert>
        )}
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Panel title={t('resources.title')}>
            <Stack>
              <Text size="sm" c="dimmed">
                {t('resources.lead')}
              </Text>
              <ResourceMeters of={cluster.resources} />
            </Stack>
          </Panel>
          <Panel title={t('pools.settings')}>
            <ClusterFacts cluster={cluster} />
          </Panel>
        </SimpleGrid>
        <ClusterStorage cluster={cluster} />
        <ClusterNetworks cluster={cluster} />
        <ClusterBalance cluster={cluster} />
        <ErrorPanel error={hosts.error} retry={() => void hosts.refetch()} />
        {!!hosts.data?.items.length && (
          <div>
            <Title order={2} size="h5" mb="sm">
              {t('hosts.title')}
            </Title>
            <Panel flush>
              <HostTable hosts={hosts.data.items} cluster={cluster.name} />
            </Panel>
          </div>
        )}
      </Stack>
      {writable && show === 'settings' && sites.data && (
        <ClusterDialog
          cluster={cluster}
          sites={sites.data.items}
          siteId={cluster.siteId}
          onClose={open}
          onMade={() => open()}
        />
      )}
      {writable && show === 'host' && <HostJoin clusterId={id} onClose={open} />}
    </>
  )
}

function ClusterFacts({ cluster }: { cluster: Cluster }) {
  const { t } = useTranslation()
  const limit = cluster.imageBytesPerSecond
  return (
    <Facts
      of={[
        [
          t('clusters.placement'),
          `${t(`placement.${cluster.placement}`)} – ${t(`placementHelp.${cluster.placement}`)}`,
        ],
        [
          t('clusters.perCore'),
          cluster.vcpusPerCore === null ? t('clusters.perCoreAuto') : formatNumber(cluster.vcpusPerCore, 1),
        ],
        [t('clusters.memoryReserve'), formatPercent(cluster.memoryReserve)],
        [t('clusters.personReserve'), formatPercent(cluster.personReserve)],
        [t('clusters.suspect'), formatDuration(cluster.suspectMs)],
        [t('clusters.lost'), formatDuration(cluster.lostMs)],
        [t('bin.days'), t('bin.daysOf', { count: cluster.binDays })],
        [
          t('clusters.imageLimit'),
          limit === null ? t('clusters.noLimit') : t('copies.atMost', { rate: formatBytes(limit) }),
        ],
        [t('clusters.supernet'), cluster.supernet],
        [t('clusters.ports'), `${cluster.portFrom} – ${cluster.portTo}`],
        [t('clusters.fence'), cluster.fenceCommand ?? t('clusters.noCommand')],
        [t('clusters.power'), cluster.powerCommand ?? t('clusters.noCommand')],
      ]}
    />
  )
}

function ClusterActions(props: { cluster: Cluster; onEdit: () => void; onJoin: () => void }) {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const { cluster } = props
  const [loss, setLoss] = useState<Loss | null>(null)
  const remove = useWrite(() => client.clusterDelete({ params: { id: cluster.id } }), ['cluster', 'site'])
  if (!may('host.write')) return null
  return (
    <>
      <ActionButton
        size="xs"
        leftSection={<Icon of={Plus} small />}
        reason={refusal(cluster.actions, 'join') ?? null}
        onClick={props.onJoin}
      >
        {t('hosts.join')}
      </ActionButton>
      <ActionButton
        size="xs"
        variant="default"
        leftSection={<Icon of={Pencil} small />}
        reason={refusal(cluster.actions, 'update') ?? null}
        onClick={props.onEdit}
      >
        {t('common.edit')}
      </ActionButton>
      <ActionButton
        size="xs"
        variant="default"
        danger
        leftSection={<Icon of={Trash2} small />}
        reason={refusal(cluster.actions, 'delete') ?? null}
        onClick={() =>
          setLoss({
            title: t('loss.title', { action: t('action.remove'), name: cluster.name }),
            lost: t('clusters.removeLoss'),
            confirm: t('action.remove'),
            act: async () => {
              await remove.mutateAsync(undefined)
              notifyDone(t('clusters.removed', { name: cluster.name }))
              await navigate({ to: '/admin/hosts' })
            },
          })
        }
      >
        {t('common.remove')}
      </ActionButton>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}
