import { Alert, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { TFunction } from 'i18next'
import { HardDrive, Plus, RefreshCw, Trash2, TriangleAlert, Wrench } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Cluster } from '../data/nouns.ts'
import {
  clusterStoragesQuery,
  type RootStorage,
  type StoragePool,
  storagePoolsQuery,
  volumesQuery,
} from '../data/storage.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import type { Look } from '../ui/look.ts'
import { Meter } from '../ui/Meter.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import type { Tone } from '../ui/theme.ts'
import { StoragePoolDialog } from './storage-pool-dialog.tsx'
import { VolumeDialog } from './volume-dialogs.tsx'
import { VolumeLines } from './volume-lines.tsx'

const tones = { ok: 'busy', warning: 'warn', critical: 'bad', full: 'bad' } satisfies Record<RootStorage['level'], Tone>
const looks = {
  waiting: 'waiting',
  making: 'busy',
  ready: 'good',
  degraded: 'warn',
  failed: 'bad',
  removing: 'busy',
} satisfies Record<StoragePool['state'], Look>

/**
 * How full a cluster's storages are, and its storage pools with their volumes.
 * @param among on a page of several clusters: it says whose they are.
 */
export function ClusterStorage({ cluster, among = false }: { cluster: Cluster; among?: boolean }) {
  const { t } = useTranslation()
  const may = useMay()
  const [adding, setAdding] = useState(false)
  const roots = useQuery(clusterStoragesQuery(cluster.id))
  const pools = useQuery(storagePoolsQuery({ clusterId: cluster.id }))
  return (
    <Panel
      title={
        among ? (
          <AnchorLink to="/admin/hosts/clusters/$id" params={{ id: cluster.id }} inherit>
            {cluster.name}
          </AnchorLink>
        ) : (
          t('storage.title')
        )
      }
      aside={
        may('host.write') && (
          <ActionButton
            size="xs"
            variant="default"
            leftSection={<Icon of={Plus} small />}
            reason={null}
            onClick={() => setAdding(true)}
          >
            {t('storage.add')}
          </ActionButton>
        )
      }
    >
      <Stack gap="lg">
        <ErrorPanel error={roots.error ?? pools.error} retry={() => void pools.refetch()} />
        {roots.data?.items.map(root => (
          <Fullness
            key={root.storageId}
            label={t('storage.rootOf', { hosts: root.hosts.map(({ name }) => name).join(', ') })}
            of={root}
            rest={t('storage.rest', {
              free: formatBytes(root.freeBytes),
              kept: formatBytes(root.keptBytes),
              virtual: ratioText(t, root),
            })}
          />
        ))}
        <div>
          <Title order={3} size="h6">
            {t('storage.pools')}
          </Title>
          <Text size="sm" c="dimmed">
            {t('storage.poolsLead')}
          </Text>
        </div>
        {pools.data?.items.length === 0 && (
          <EmptyState icon={HardDrive} title={t('storage.emptyTitle')} text={t('storage.emptyText')} />
        )}
        {pools.data?.items.map(pool => (
          <PoolLine key={pool.id} pool={pool} />
        ))}
      </Stack>
      {adding && <StoragePoolDialog cluster={cluster} onClose={() => setAdding(false)} />}
    </Panel>
  )
}

function ratioText(
  t: TFunction,
  { virtualBytes, promisedBytes, thinRatio }: Pick<RootStorage, 'virtualBytes' | 'promisedBytes' | 'thinRatio'>,
) {
  const virtual = formatBytes(virtualBytes)
  if (thinRatio === null || thinRatio < 0.01) return virtual
  const ratio = formatNumber(thinRatio, 2)
  return promisedBytes > virtualBytes
    ? t('storage.ratioShared', { virtual, promised: formatBytes(promisedBytes), ratio })
    : t('storage.ratio', { virtual, ratio })
}

type Figures = Pick<RootStorage, 'capacityBytes' | 'freeBytes' | 'level' | 'warning'>

function Fullness({ label, of: figures, rest }: { label: string; of: Figures; rest: string }) {
  const { t } = useTranslation()
  const { capacityBytes, freeBytes, level, warning } = figures
  const used = capacityBytes - freeBytes
  return (
    <div>
      <Meter
        label={label}
        text={
          capacityBytes > 0
            ? t('storage.used', { used: formatBytes(used), total: formatBytes(capacityBytes) })
            : t('storage.unknown')
        }
        whole={capacityBytes}
        parts={[{ value: used, tone: tones[level] }]}
      />
      <Text size="xs" c="dimmed" mt={4}>
        {rest}
      </Text>
      {warning && (
        <Alert color={level === 'warning' ? 'yellow' : 'red'} icon={<Icon of={TriangleAlert} />} mt="xs">
          <Text size="sm">{saidWord(warning)}</Text>
        </Alert>
      )}
    </div>
  )
}

const placeOf = ({ source }: StoragePool) =>
  source.type === 'netfs'
    ? `${source.server}:${source.path}`
    : source.type === 'rbd'
      ? `${source.monitors?.join(', ')} · ${source.pool}`
      : (source.target ?? '')

function PoolLine({ pool }: { pool: StoragePool }) {
  const { t } = useTranslation()
  const volumes = useQuery(volumesQuery({ poolId: pool.id }))
  const rest = t('storage.restPool', {
    free: formatBytes(pool.freeBytes),
    kept: formatNumber(pool.reserve * 100),
    virtual: ratioText(t, pool),
  })
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group gap="sm">
          <Text fw={600}>{pool.name}</Text>
          <StateBadge look={looks[pool.state]} word={t(`storage.state.${pool.state}`)} />
          <Text size="sm" c="dimmed">
            {t(`storage.types.${pool.source.type}`)} · {placeOf(pool)}
          </Text>
        </Group>
        <PoolActions pool={pool} />
      </Group>
      {pool.text && (
        <Alert color={pool.state === 'failed' || pool.state === 'degraded' ? 'red' : 'blue'}>
          <Text size="sm">{saidWord(pool.text)}</Text>
        </Alert>
      )}
      <Fullness label={pool.name} of={pool} rest={rest} />
      {volumes.data?.items.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t('volumes.none')}
        </Text>
      ) : (
        <VolumeLines volumes={volumes.data?.items ?? []} here="pool" />
      )}
    </Stack>
  )
}

function PoolActions({ pool }: { pool: StoragePool }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const [making, setMaking] = useState(false)
  const [mending, setMending] = useState(false)
  const [loss, setLoss] = useState<Loss | null>(null)
  const { id, name, actions } = pool
  const mend = refusal(actions, 'mend')
  const refresh = useWrite(() => client.storagePoolRefresh({ params: { id } }), ['storagePool', 'volume'])
  const remove = useWrite(() => client.storagePoolDelete({ params: { id } }), ['storagePool'])
  if (!may('host.write')) return null
  return (
    <Group gap="xs">
      <ActionButton
        size="xs"
        variant="default"
        leftSection={<Icon of={Plus} small />}
        reason={refusal(actions, 'createVolume') ?? null}
        onClick={() => setMaking(true)}
      >
        {t('volumes.add')}
      </ActionButton>
      <ActionButton
        size="xs"
        variant="default"
        leftSection={<Icon of={RefreshCw} small />}
        reason={refusal(actions, 'refresh') ?? null}
        loading={refresh.isPending}
        onClick={() =>
          refresh.mutate(undefined, {
            onSuccess: () => notifyDone(t('storage.refreshed', { name })),
            onError: error => notifyError(error),
          })
        }
      >
        {t('storage.refresh')}
      </ActionButton>
      {pool.state === 'failed' && mend !== undefined && (
        <ActionButton
          size="xs"
          variant="default"
          leftSection={<Icon of={Wrench} small />}
          reason={mend}
          onClick={() => setMending(true)}
        >
          {t('storage.mend')}
        </ActionButton>
      )}
      <ActionButton
        size="xs"
        variant="default"
        danger
        leftSection={<Icon of={Trash2} small />}
        reason={refusal(actions, 'delete') ?? null}
        onClick={() =>
          setLoss({
            title: t('loss.title', { action: t('storage.forget'), name }),
            lost: t('storage.forgetLoss'),
            confirm: t('storage.forget'),
            act: async () => {
              await remove.mutateAsync(undefined)
              notifyDone(t('storage.forgotten', { name }))
            },
          })
        }
      >
        {t('storage.forget')}
      </ActionButton>
      {making && <VolumeDialog pool={pool} onClose={() => setMaking(false)} />}
      {mending && <StoragePoolDialog mend={pool} onClose={() => setMending(false)} />}
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </Group>
  )
}
