import { Alert, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { CircleAlert, Info, Trash2, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { HostBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Host } from '../data/nouns.ts'
import { hostQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber, formatPercent } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { Meter, toneOfShare } from '../ui/Meter.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { DesktopTable } from './desktops.tsx'

export function HostDetail() {
  const { t } = useTranslation()
  const { id } = useParams({ from: '/person/admin/hosts/$id' })
  const read = useQuery(hostQuery(id))
  const host = read.data
  if (!host) return read.error ? <ErrorPanel error={read.error} retry={() => void read.refetch()} /> : <PageWait />
  const { facts } = host
  return (
    <>
      <PageHead
        up={<AnchorLink to="/admin/hosts">{t('hosts.title')}</AnchorLink>}
        title={host.name}
        badge={<HostBadge host={host} size="md" />}
        text={
          <>
            {host.siteName} / {host.clusterName} · <TimeAgo at={host.since} />
          </>
        }
        actions={<RemoveHost host={host} />}
      />
      <Stack gap="lg">
        {facts?.simulated && (
          <Alert color="blue" icon={<Icon of={Info} />} title={t('hosts.simulated')}>
            {t('hosts.simulatedHelp')}
          </Alert>
        )}
        {facts && !facts.simulated && facts.accelerator === 'tcg' && (
          <Alert color="yellow" icon={<Icon of={TriangleAlert} />} title={t('hosts.slow')}>
            <Text size="sm">{t('hosts.slowText')}</Text>
            {facts.acceleratorReason && (
              <Text size="sm" mt="xs">
                {t('hosts.slowWhy', { reason: facts.acceleratorReason })}
              </Text>
            )}
          </Alert>
        )}
        {host.troubles.map(trouble => (
          <Alert key={trouble.text} color="red" icon={<Icon of={CircleAlert} />} title={t('hosts.troubles')}>
            {trouble.text}
          </Alert>
        ))}
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Panel title={t('hosts.use')}>
            <HostMeters host={host} />
          </Panel>
          <Panel title={t('hosts.facts')}>
            {facts ? (
              <Facts
                of={[
                  [t('hosts.hostName'), facts.hostName],
                  [t('hosts.cpuModel'), `${facts.cpuModel} · ${t('hosts.cpus', { count: facts.cpus })}`],
                  [t('hosts.memory'), <Bytes key="m" of={facts.memoryBytes} />],
                  [t('hosts.accel'), facts.accelerator === 'kvm' ? t('hosts.kvm') : t('hosts.tcg')],
                  [t('hosts.kernel'), facts.kernel],
                  [t('hosts.libvirt'), facts.libvirtVersion],
                  [t('hosts.qemu'), facts.qemuVersion],
                  [t('hosts.subnet'), host.subnet || t('common.none')],
                ]}
              />
            ) : (
              <Text size="sm">{t('hosts.noFacts')}</Text>
            )}
          </Panel>
        </SimpleGrid>
        <div>
          <Title order={2} size="h5" mb="sm">
            {t('hosts.desktops')}
          </Title>
          <DesktopTable hostId={id} />
        </div>
      </Stack>
    </>
  )
}

/** How full one host is: desktops, processor, memory, storage. */
function HostMeters({ host }: { host: Host }) {
  const { t } = useTranslation()
  const { usage, facts, used } = host
  const share = (part: number, whole: number) => [{ value: part, tone: toneOfShare(whole ? part / whole : 0) }]
  const storageUsed = usage ? usage.storageTotalBytes - usage.storageFreeBytes : 0
  return (
    <Stack>
      <Meter
        label={t('hosts.running')}
        text={t('hosts.ofCapacity', { running: formatNumber(used.running), capacity: formatNumber(host.capacity) })}
        whole={host.capacity}
        parts={share(used.running, host.capacity)}
      />
      {usage && <Meter label={t('hosts.cpu')} text={formatPercent(usage.cpu)} whole={1} parts={share(usage.cpu, 1)} />}
      {usage && facts && (
        <Meter
          label={t('hosts.memory')}
          text={t('hosts.memoryOf', {
            used: formatBytes(usage.memoryUsedBytes),
            whole: formatBytes(facts.memoryBytes),
          })}
          whole={facts.memoryBytes}
          parts={share(usage.memoryUsedBytes, facts.memoryBytes)}
        />
      )}
      {usage && usage.storageTotalBytes > 0 && (
        <Meter
          label={t('hosts.storage')}
          text={t('hosts.memoryOf', { used: formatBytes(storageUsed), whole: formatBytes(usage.storageTotalBytes) })}
          whole={usage.storageTotalBytes}
          parts={share(storageUsed, usage.storageTotalBytes)}
        />
      )}
      <Facts
        of={[
          [t('hosts.vcpus'), formatNumber(used.vcpus)],
          [t('hosts.memoryGiven'), <Bytes key="g" of={used.memoryBytes} />],
        ]}
      />
    </Stack>
  )
}

function RemoveHost({ host }: { host: Host }) {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const [loss, setLoss] = useState<Loss | null>(null)
  const remove = useWrite(() => client.hostRemove({ params: { id: host.id } }), ['host'])
  const name = host.actions.some(action => action.name === 'delete') ? 'delete' : 'remove'
  const reason = refusal(host.actions, name)
  if (!may('host.write') || reason === undefined) return null
  return (
    <>
      <ActionButton
        size="xs"
        variant="default"
        reason={reason}
        danger
        leftSection={<Icon of={Trash2} small />}
        onClick={() =>
          setLoss({
            title: t('loss.title', { action: t('action.remove'), name: host.name }),
            lost: t('hosts.removeLoss'),
            confirm: t('action.remove'),
            act: async () => {
              await remove.mutateAsync(undefined)
              notifyDone(t('hosts.removed', { name: host.name }))
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
