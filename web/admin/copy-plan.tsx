import { Alert, List, Skeleton, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Info, TriangleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { Ask } from '../../api/client.ts'
import type { CopyPlan } from '../data/nouns.ts'
import { copyPlanQuery } from '../data/queries.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatDuration, formatList } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { Meter } from '../ui/Meter.tsx'
import { copyWarnings } from './copies.ts'

type Storage = CopyPlan['storages'][number]

/** What a copy would come to: where it lies, whether there is room, where from, how long, and on which networks. */
export function CopyForeseen(props: { params: Ask<'copyMake'>['params']; bytesPerSecond: number | null }) {
  const { t } = useTranslation()
  const { data: plan, error } = useQuery(copyPlanQuery(props.params, props.bytesPerSecond))
  if (!plan) return error ? <ErrorPanel error={error} /> : <Skeleton h="6rem" />
  const warnings = copyWarnings(plan)
  return (
    <Stack gap="sm" role="status">
      <Text size="sm" fw={600}>
        {t('copyPlan.title')}
      </Text>
      {plan.storages.map(storage => (
        <StorageLine key={storage.storageId} storage={storage} />
      ))}
      <Text size="sm">{sendText(plan)}</Text>
      {warnings.length > 0 && (
        <Alert color="yellow" icon={<Icon of={TriangleAlert} />} title={t('copyPlan.heed')}>
          <List size="sm">
            {warnings.map(warning => (
              <List.Item key={warning}>{t(`copyPlan.${warning}`)}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      <Networks plan={plan} />
    </Stack>
  )

  function sendText({ storages, bytesToSend, sizeBytes, sources, bytesPerSecond, ms }: CopyPlan) {
    if (storages.length === 0) return t('copyPlan.noStorage', { size: formatBytes(sizeBytes) })
    if (bytesToSend === 0) return t('copyPlan.nothing')
    const from = sources.filter(({ up }) => up).map(({ hostName }) => hostName)
    const told = [
      t('copyPlan.send', { bytes: formatBytes(bytesToSend), size: formatBytes(sizeBytes) }),
      from.length > 0 && t('copyPlan.from', { hosts: formatList(from.slice(0, 3)) }),
      bytesPerSecond !== null && ms !== null
        ? t('copyPlan.pace', { rate: formatBytes(bytesPerSecond), time: formatDuration(ms) })
        : t('copyPlan.paceUnknown'),
    ]
    return told.filter(text => text).join(' ')
  }
}

function StorageLine({ storage }: { storage: Storage }) {
  const { t } = useTranslation()
  const { capacityBytes, freeBytes, bytesToSend, freeAfterBytes, keptBytes, fits, state } = storage
  const hosts = formatList(storage.hosts.map(({ name }) => name))
  return (
    <div>
      <Meter
        label={t('copyPlan.storage', { hosts })}
        text={state === 'there' ? t('copyPlan.there') : t('copyPlan.after', { free: formatBytes(freeAfterBytes) })}
        whole={capacityBytes}
        parts={[
          { value: capacityBytes - freeBytes, tone: 'busy' },
          { value: Math.min(bytesToSend, freeBytes), tone: fits ? 'good' : 'bad' },
        ]}
      />
      <Text size="xs" c="dimmed" mt={4}>
        {t(state === 'partly' ? 'copyPlan.partly' : 'copyPlan.before', {
          free: formatBytes(freeBytes),
          kept: formatBytes(keptBytes),
          rest: formatBytes(bytesToSend),
        })}
      </Text>
    </div>
  )
}

function Networks({ plan: { networks, clusterName } }: { plan: CopyPlan }) {
  const { t } = useTranslation()
  if (networks.length === 0) return null
  return (
    <Alert color="blue" icon={<Icon of={Info} />} title={t('copyPlan.networks')}>
      <List size="sm">
        {networks.map(({ poolId, poolName, network, here, mapped, hosts, hostsWithout }) => (
          <List.Item key={poolId}>
            {t(mapped ? 'copyPlan.mapped' : 'copyPlan.unmapped', { pool: poolName, network, here })}{' '}
            {hosts.length === 0
              ? t('copyPlan.onNone', { cluster: clusterName })
              : hostsWithout.length > 0
                ? t('copyPlan.notOn', { hosts: formatList(hostsWithout) })
                : t('copyPlan.onAll')}
          </List.Item>
        ))}
      </List>
    </Alert>
  )
}
