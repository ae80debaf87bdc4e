import { List, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { capacityOf, machineExtraBytes, referenceProfile } from '../../lib/capacity.ts'
import { useMay } from '../data/me.ts'
import type { Host } from '../data/nouns.ts'
import { clusterQuery, desktopsQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import { formatBytes, formatNumber, formatPercent } from '../ui/format.ts'
import { Meter, toneOfShare } from '../ui/Meter.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { bootQueue } from './boot-queue.ts'
import { HostTags } from './host-tags.tsx'
import { ResourceMeters } from './resources.tsx'

export function HostOverview({ host }: { host: Host }) {
  const { t } = useTranslation()
  const { facts } = host
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Panel title={t('hosts.use')}>
        <Stack gap="lg">
          <ResourceMeters of={host.resources} />
          {host.usage && (
            <Meter
              label={t('hosts.cpuNow')}
              text={formatPercent(host.usage.cpu)}
              whole={1}
              parts={[{ value: host.usage.cpu, tone: toneOfShare(host.usage.cpu) }]}
            />
          )}
        </Stack>
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
              [t('hosts.address'), host.address || t('common.none')],
              [t('hosts.subnet'), host.subnet || t('common.none')],
              [t('hosts.bridges'), facts.bridges.join(', ') || t('common.none')],
            ]}
          />
        ) : (
          <Text size="sm">{t('hosts.noFacts')}</Text>
        )}
      </Panel>
      <Panel title={t('hosts.ready')}>
        <Readiness host={host} />
      </Panel>
      <Panel title={t('hosts.capacity')}>
        <Capacity host={host} />
      </Panel>
      <Panel title={t('hosts.queueTitle')}>
        <BootQueue host={host} />
      </Panel>
      <Panel title={t('hosts.tags')}>
        <HostTags host={host} />
      </Panel>
    </SimpleGrid>
  )
}

/** What must be in place before desktops can come and go while they run: each with why it is not. */
function Readiness({ host }: { host: Host }) {
  const { t } = useTranslation()
  const { facts } = host
  if (!facts) return <Text size="sm">{t('hosts.noFacts')}</Text>
  const checks = [
    { name: t('hosts.readyMove'), well: facts.migrationUri !== null, why: t('hosts.readyMoveNot') },
    { name: t('hosts.readyLocks'), well: facts.diskLocks, why: t('hosts.readyLocksNot') },
    { name: t('hosts.readyAddress'), well: Boolean(host.address), why: t('hosts.readyAddressNot') },
  ]
  return (
    <Stack gap="sm">
      {checks.map(({ name, well, why }) => (
        <div key={name}>
          <StateBadge look={well ? 'good' : 'warn'} word={name} />
          {!well && (
            <Text size="sm" c="dimmed" mt={2}>
              {why}
            </Text>
          )}
        </div>
      ))}
      <Facts of={[[t('hosts.storageId'), host.storageId ?? t('common.none')]]} />
    </Stack>
  )
}

/** How the number of desktops comes about: the smaller of two, each with its sum. */
function Capacity({ host }: { host: Host }) {
  const { t } = useTranslation()
  const cluster = useQuery(clusterQuery(host.clusterId)).data
  const { facts } = host
  if (!facts || !cluster) return <Text size="sm">{t('hosts.noFacts')}</Text>
  const { vcpus, memoryBytes, desktops, limit } = capacityOf(facts, cluster)
  const each = referenceProfile.memoryBytes + machineExtraBytes
  return (
    <Stack gap="xs">
      <Text size="sm">
        {t('hosts.capacityText', { count: desktops, memory: formatBytes(referenceProfile.memoryBytes) })}
      </Text>
      <List size="sm" spacing={4}>
        <List.Item>
          {t('hosts.capacityCpu', {
            cores: formatNumber(facts.cpus),
            layout: `${facts.sockets} × ${facts.coresPerSocket} × ${facts.threadsPerCore}`,
            mhz: formatNumber(facts.cpuMhz),
            vcpus: formatNumber(vcpus),
          })}{' '}
          {cluster.vcpusPerCore === null
            ? t('hosts.capacityAuto')
            : t('hosts.capacitySet', { vcpus: formatNumber(cluster.vcpusPerCore, 1) })}
        </List.Item>
        <List.Item>
          {t('hosts.capacityMemory', {
            memory: formatBytes(facts.memoryBytes),
            kept: formatBytes(facts.memoryBytes - memoryBytes),
            each: formatBytes(each),
            desktops: formatNumber(Math.floor(memoryBytes / each)),
          })}
        </List.Item>
        <List.Item>{t('hosts.capacityMost', { vcpus: formatNumber(facts.maxVcpus) })}</List.Item>
      </List>
      <Text size="sm" c="dimmed">
        {t(limit === 'vcpus' ? 'hosts.capacityByCpu' : 'hosts.capacityByMemory')}
      </Text>
    </Stack>
  )
}

/** Who waits for a start here, in the order in which they start. */
function BootQueue({ host }: { host: Host }) {
  const { t } = useTranslation()
  const may = useMay()
  const read = useQuery({
    ...desktopsQuery({ hostId: host.id, phase: 'starting', limit: 200 }),
    enabled: may('desktop.read'),
  })
  const waiting = bootQueue(read.data?.items ?? [])
  if (waiting.length === 0)
    return (
      <Text size="sm" c="dimmed">
        {t('hosts.queueEmpty')}
      </Text>
    )
  return (
    <List type="ordered" size="sm" spacing={4}>
      {waiting.map(desktop => (
        <List.Item key={desktop.id}>
          <AnchorLink to="/admin/desktops/$id" params={{ id: desktop.id }}>
            {desktop.name}
          </AnchorLink>{' '}
          – {desktop.userName ? t('hosts.queuePerson', { name: desktop.userName }) : t('hosts.queuePrewarm')}
        </List.Item>
      ))}
    </List>
  )
}
