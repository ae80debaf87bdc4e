import { Button, Group, Text, Title, UnstyledButton } from '@mantine/core'
import { useLocalStorage } from '@mantine/hooks'
import { Link } from '@tanstack/react-router'
import { ChevronDown, ChevronRight, Pencil, Plus } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { HostBadge } from '../data/badges.tsx'
import { useMay } from '../data/me.ts'
import type { Cluster, Host, Site } from '../data/nouns.ts'
import { ButtonLink } from '../frame/links.tsx'
import { type Column, DataTable } from '../ui/DataTable.tsx'
import { formatPercent } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import classes from './HostTree.module.css'
import { ResourceBar, resourceKinds } from './resources.tsx'

interface HostTreeProps {
  sites: readonly Site[]
  clusters: readonly Cluster[]
  hosts: readonly Host[]
  /** Only some hosts are shown: branches without one are left out. */
  narrowed: boolean
  onJoin: (clusterId: string) => void
  onCluster: (siteId: string) => void
  onSite: (siteId: string) => void
}

/** Sites with their clusters, clusters with their hosts; a branch that was closed stays closed. */
export function HostTree(props: HostTreeProps) {
  const { t } = useTranslation()
  const writable = useMay()('host.write')
  const [closed, setClosed] = useLocalStorage<string[]>({ key: 'hdcs.hosts.closed', defaultValue: [] })
  const toggle = (id: string) =>
    setClosed(now => (now.includes(id) ? now.filter(other => other !== id) : [...now.slice(-100), id]))
  const hostsOf = (cluster: Cluster) => props.hosts.filter(host => host.clusterId === cluster.id)
  const clustersOf = (site: Site) =>
    props.clusters.filter(cluster => cluster.siteId === site.id && (!props.narrowed || hostsOf(cluster).length > 0))
  return (
    <ul className={classes.sites}>
      {props.sites
        .filter(site => !props.narrowed || clustersOf(site).length > 0)
        .map(site => {
          const own = clustersOf(site)
          const hosts = own.reduce((sum, cluster) => sum + hostsOf(cluster).length, 0)
          return (
            <li key={site.id} className={classes.site}>
              <Group justify="space-between" gap="xs" className={classes.siteHead}>
                <Branch
                  level={2}
                  name={site.name}
                  open={!closed.includes(site.id)}
                  onToggle={() => toggle(site.id)}
                  text={`${t('sites.clusterCount', { count: own.length })} · ${t('sites.hostCount', { count: hosts })}`}
                />
                {writable && (
                  <Group gap={4}>
                    <Button
                      size="compact-sm"
                      variant="subtle"
                      leftSection={<Icon of={Pencil} small />}
                      aria-label={t('sites.editNamed', { name: site.name })}
                      onClick={() => props.onSite(site.id)}
                    >
                      {t('common.edit')}
                    </Button>
                    <Button
                      size="compact-sm"
                      variant="subtle"
                      leftSection={<Icon of={Plus} small />}
                      aria-label={t('clusters.newIn', { name: site.name })}
                      onClick={() => props.onCluster(site.id)}
                    >
                      {t('clusters.one')}
                    </Button>
                  </Group>
                )}
              </Group>
              {!closed.includes(site.id) && (
                <ul className={classes.clusters}>
                  {own.length === 0 && (
                    <li className={classes.none}>
                      <Text size="sm" c="dimmed">
                        {t('sites.noClusters')}
                      </Text>
                    </li>
                  )}
                  {own.map(cluster => (
                    <ClusterBranch
                      key={cluster.id}
                      cluster={cluster}
                      hosts={hostsOf(cluster)}
                      open={!closed.includes(cluster.id)}
                      onToggle={() => toggle(cluster.id)}
                      {...(writable && { onJoin: () => props.onJoin(cluster.id) })}
                    />
                  ))}
                </ul>
              )}
            </li>
          )
        })}
    </ul>
  )
}

/** A heading that opens and closes what stands beneath it. */
function Branch(props: { level: 2 | 3; name: string; open: boolean; onToggle: () => void; text: string }) {
  return (
    <Title order={props.level} size={props.level === 2 ? 'h4' : 'h5'}>
      <UnstyledButton className={classes.branch} aria-expanded={props.open} onClick={props.onToggle}>
        <Icon of={props.open ? ChevronDown : ChevronRight} small />
        <span>{props.name}</span>
        <small>{props.text}</small>
      </UnstyledButton>
    </Title>
  )
}

function ClusterBranch(props: {
  cluster: Cluster
  hosts: Host[]
  open: boolean
  onToggle: () => void
  onJoin?: () => void
}) {
  const { t } = useTranslation()
  const { cluster, hosts } = props
  return (
    <li className={classes.cluster}>
      <Group justify="space-between" gap="xs" mb="xs">
        <Branch
          level={3}
          name={cluster.name}
          open={props.open}
          onToggle={props.onToggle}
          text={t('sites.hostCount', { count: hosts.length })}
        />
        <Group gap={4}>
          {props.onJoin && (
            <Button
              size="compact-sm"
              variant="subtle"
              leftSection={<Icon of={Plus} small />}
              aria-label={t('hosts.joinTo', { name: cluster.name })}
              onClick={props.onJoin}
            >
              {t('hosts.join')}
            </Button>
          )}
          <ButtonLink
            to="/admin/hosts/clusters/$id"
            params={{ id: cluster.id }}
            size="compact-sm"
            variant="default"
            aria-label={t('clusters.lookNamed', { name: cluster.name })}
          >
            {t('clusters.look')}
          </ButtonLink>
        </Group>
      </Group>
      <dl className={classes.bars}>
        {resourceKinds.map(kind => (
          <div key={kind}>
            <dt>{t(`resources.${kind}`)}</dt>
            <dd>
              <ResourceBar kind={kind} of={cluster.resources[kind]} />
            </dd>
          </div>
        ))}
      </dl>
      {props.open && (
        <div className={classes.hosts}>
          <HostTable hosts={hosts} cluster={cluster.name} />
        </div>
      )}
    </li>
  )
}

/** The hosts of one cluster: live bars instead of bare figures. */
export function HostTable({ hosts, cluster }: { hosts: Host[]; cluster: string }) {
  const { t } = useTranslation()
  const columns: Column<Host>[] = [
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
      cell: row => (
        <Group gap={4}>
          <HostBadge host={row} />
          {row.facts && !row.facts.simulated && row.facts.accelerator === 'tcg' && (
            <StateBadge look="warn" word={t('hosts.tcg')} />
          )}
        </Group>
      ),
      text: row => t(`hostState.${row.state}`),
    },
    ...resourceKinds.map(
      (kind): Column<Host> => ({
        key: kind,
        head: t(`resources.${kind}`),
        cell: row => <ResourceBar kind={kind} of={row.resources[kind]} />,
        text: row => String(row.resources[kind].used),
      }),
    ),
    {
      key: 'cpu',
      head: t('hosts.cpu'),
      align: 'right',
      cell: row => (row.usage ? formatPercent(row.usage.cpu) : t('common.unknown')),
      text: row => String(row.usage?.cpu ?? ''),
    },
  ]
  return (
    <DataTable
      part
      noun={t('hosts.nounOf', { name: cluster })}
      rows={hosts}
      rowId={row => row.id}
      rowName={row => row.name}
      columns={columns}
      state={{ search: '', filters: {}, cursors: [] }}
      onState={() => undefined}
      empty={
        <Text size="sm" c="dimmed">
          {t('clusters.noHosts')}
        </Text>
      }
    />
  )
}
