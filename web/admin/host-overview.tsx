import { List, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { capacityOf, machineExtraBytes, referenceProfile } from '../../lib/capacity.ts'
import type { Host } from '../data/nouns.ts'
import { bootQueueQuery, clusterQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber, formatPercent } from '../ui/format.ts'
import { Meter, toneOfShare } from '../ui/Meter.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { ForeignMachines } from './foreign-machines.tsx'
import { HostTags } from './host-tags.tsx'
import { HostUsb } from './host-usb.tsx'
import { HostXml } from './libvirt-xml.tsx'
import { ResourceMeters } from './resources.tsx'

export function HostOverview({ host }: { host: Host }) {
  const { t } = useTranslation()
  const { facts } = host
  return (
    <Stack gap="lg">
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
                [
                  t('hardware.hostUefi'),
                  t(
                    facts.uefi === undefined
                      ? 'hardware.hostUefiOld'
                      : facts.uefi
                        ? 'common.on'
                        : 'hardware.hostUefiNo',
                  ),
                ],
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
      <Panel title={t('dongles.usb')}>
        <HostUsb host={host} />
      </Panel>
      <ForeignMachines host={host} />
      <HostXml host={host} />
    </Stack>
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
          {t(cluster.vcpusPerCore === null ? 'hosts.capacityCpu' : 'hosts.capacityCpuSet', {
            cores: formatNumber(facts.cpus),
            layout: `${facts.sockets} × ${facts.coresPerSocket} × ${facts.threadsPerCore}`,
            mhz: formatNumber(facts.cpuMhz),
            vcpus: formatNumber(vcpus),
            each: formatNumber(cluster.vcpusPerCore ?? 0, 1),
          })}
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

/** How many of the queue are shown; the rest is counted by the place of the last. */
const shownInQueue = 20

/** Who waits for a start here, in the order in which they start. */
function BootQueue({ host }: { host: Host }) {
  const { t } = useTranslation()
  const read = useQuery(bootQueueQuery(host.id))
  if (!read.data) return <ErrorPanel error={read.error} retry={() => void read.refetch()} />
  const waiting = read.data.items.filter(({ step }) => step === 'queued').slice(0, shownInQueue)
  return (
    <Stack gap="xs">
      {read.data.booting > 0 && <Text size="sm">{t('hosts.queueBooting', { count: read.data.booting })}</Text>}
      {waiting.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t('hosts.queueEmpty')}
        </Text>
      ) : (
        <List type="ordered" size="sm" spacing={4}>
          {waiting.map(({ desktopId, desktopName, userName }) => (
            <List.Item key={desktopId}>
              <AnchorLink to="/admin/desktops/$id" params={{ id: desktopId }} underline="always">
                {desktopName}
              </AnchorLink>{' '}
              – {userName ? t('hosts.queuePerson', { name: userName }) : t('hosts.queuePrewarm')}
            </List.Item>
          ))}
        </List>
      )}
    </Stack>
  )
}
