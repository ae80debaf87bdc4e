import { Button, Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQueries, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { TFunction } from 'i18next'
import { CircleAlert, CircleCheck, TriangleAlert } from 'lucide-react'
import { type CSSProperties, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { TaskBadge } from '../data/badges.tsx'
import { useMay } from '../data/me.ts'
import type { Cluster, Host, Pool, Task } from '../data/nouns.ts'
import {
  clustersQuery,
  desktopsQuery,
  hostLossesQuery,
  hostsQuery,
  poolsQuery,
  tasksQuery,
  templatesQuery,
  usageMs,
} from '../data/queries.ts'
import { clusterStoragesQuery, storagePoolsQuery } from '../data/storage.ts'
import { taskWord } from '../data/words.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { HostLosses } from './host-losses.tsx'
import classes from './Overview.module.css'
import { type Finding, findingsOf } from './overview-findings.ts'
import { PoolBars } from './overview-pools.tsx'
import type { StorageSeen } from './overview-storage.ts'
import { ResourceMeters } from './resources.tsx'
import { desktopsRunning, resourcesSum } from './resources-sum.ts'

/** The message and its values belong together in a finding, but the compiler cannot follow a key that varies with them. */
const sentence = (t: TFunction, { key, ...values }: Finding['words']): string =>
  t(key, values as { host: string; text: string; name: string; number: number; count: number })

/** Is anything wrong? How much is in use? Every figure leads to what it counts. */
export function Overview() {
  const { t } = useTranslation()
  const may = useMay()
  const machines = may('host.read')
  const hosts = useQuery({ ...hostsQuery({ limit: 200 }), enabled: machines })
  const pools = useQuery({ ...poolsQuery({ limit: 500 }), enabled: may('pool.read') })
  const clusters = useQuery({ ...clustersQuery, enabled: machines, refetchInterval: usageMs })
  const losses = useQuery({ ...hostLossesQuery, enabled: machines })
  const troubled = useQuery({ ...desktopsQuery({ troubled: true, limit: 100 }), enabled: may('desktop.read') })
  const cutOff = useQuery({ ...desktopsQuery({ noNetwork: true, limit: 100 }), enabled: may('desktop.read') })
  const templates = useQuery({ ...templatesQuery({ limit: 200 }), enabled: may('template.read') })
  const tasks = useQuery(tasksQuery({ limit: 30 }))
  const storage = useStorages(clusters.data?.items ?? [], machines)
  if ((machines && !hosts.data && !hosts.error) || (!pools.data && !pools.error)) return <PageWait />

  const poolItems = pools.data?.items ?? []
  const findings = findingsOf({
    hosts: machines ? (hosts.data?.items ?? null) : null,
    pools: poolItems,
    troubled: troubled.data?.items ?? [],
    cutOff: cutOff.data?.items ?? [],
    templates: templates.data?.items ?? [],
    storage,
  })
  return (
    <>
      <PageHead title={t('overview.title')} text={t('overview.readAll')} />
      <Stack gap="lg">
        <Panel title={t('overview.wrong')}>
          <Findings of={findings} />
        </Panel>
        <HostLosses losses={losses.data?.items ?? []} />
        <Panel title={t('overview.use')}>
          <Use
            clusters={clusters.data?.items ?? []}
            hosts={hosts.data?.items ?? []}
            pools={poolItems}
            machines={machines}
          />
        </Panel>
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <PoolBars pools={poolItems} more={!!pools.data?.nextCursor} />
          <Stack gap="lg">
            {machines && (
              <Panel title={t('overview.hosts')}>
                <HostMap hosts={hosts.data?.items ?? []} />
              </Panel>
            )}
            <Panel title={t('overview.recentTasks')}>
              <RecentTasks tasks={(tasks.data?.items ?? []).slice(0, 6)} />
            </Panel>
          </Stack>
        </SimpleGrid>
      </Stack>
    </>
  )
}

/** How full storages are changes without an event that says so: asked again as the figures of use are. */
function useStorages(clusters: readonly Cluster[], enabled: boolean): StorageSeen {
  const again = { enabled, refetchInterval: usageMs }
  const pools = useQuery({ ...storagePoolsQuery(), ...again })
  const roots = useQueries({ queries: clusters.map(({ id }) => ({ ...clusterStoragesQuery(id), ...again })) })
  return {
    pools: pools.data?.items ?? [],
    roots: clusters.map(({ id }, index) => ({ clusterId: id, storages: roots[index]?.data?.items ?? [] })),
  }
}

/** Of many findings the worst stand there at once. More: what stands beneath them is out of sight. */
const findingsShown = 10

function Findings({ of: findings }: { of: Finding[] }) {
  const { t } = useTranslation()
  const [all, setAll] = useState(false)
  const shown = all ? findings : findings.slice(0, findingsShown)
  const hidden = findings.length - shown.length
  if (findings.length === 0)
    return (
      <div className={classes.calm}>
        <Icon of={CircleCheck} />
        {t('overview.calm')}
      </div>
    )
  return (
    <>
      <ul className={classes.findings}>
        {shown.map(({ key, level, words, text, next, to, id, show, tab }) => (
          <li key={key} className={classes.finding} data-level={level}>
            <Icon of={level === 'bad' ? CircleAlert : TriangleAlert} />
            <div>
              <Text fw={600} size="sm">
                {sentence(t, words)}
              </Text>
              {(text || next) && (
                <Text size="sm" c="dimmed">
                  {saidWord(text) ?? (next && t(next))}
                </Text>
              )}
            </div>
            <ButtonLink
              to={to}
              params={{ id } as never}
              search={{ ...(show && { show }), ...(tab && { tab }) } as never}
              size="compact-sm"
              variant="default"
            >
              {t('overview.look')}
            </ButtonLink>
          </li>
        ))}
      </ul>
      {hidden > 0 && (
        <Button variant="subtle" size="compact-sm" mt="xs" onClick={() => setAll(true)}>
          {t('overview.moreFindings', { count: hidden })}
        </Button>
      )}
    </>
  )
}

const sum = <T,>(items: readonly T[], of: (item: T) => number) => items.reduce((total, item) => total + of(item), 0)

function Use({
  clusters,
  hosts,
  pools,
  machines,
}: {
  clusters: readonly Cluster[]
  hosts: readonly Host[]
  pools: readonly Pool[]
  machines: boolean
}) {
  const { t } = useTranslation()
  const resources = resourcesSum(clusters)
  const figures = [
    { label: t('overview.people'), value: sum(pools, pool => pool.counts.assigned), to: '/admin/desktops' as const },
    {
      label: t('overview.desktopsInUse'),
      value: sum(pools, pool => pool.counts.connected),
      to: '/admin/desktops' as const,
    },
    { label: t('pools.ready'), value: sum(pools, pool => pool.counts.ready), to: '/admin/pools' as const },
    ...(machines
      ? [{ label: t('overview.desktopsRunning'), value: desktopsRunning(hosts), to: '/admin/desktops' as const }]
      : []),
  ]
  const may = useMay()
  return (
    <Stack gap="lg">
      <div className={classes.figures}>
        {figures.map(({ label, value, to }) => {
          const body = (
            <>
              <div className={classes.number}>{formatNumber(value)}</div>
              <Text size="sm" c="dimmed">
                {label}
              </Text>
            </>
          )
          return to === '/admin/desktops' && !may('desktop.read') ? (
            <div key={label} className={classes.figure}>
              {body}
            </div>
          ) : (
            <Link key={label} to={to} className={classes.figure ?? ''}>
              {body}
            </Link>
          )
        })}
      </div>
      {machines && resources.desktops.total > 0 && <ResourceMeters of={resources} />}
      {machines && resources.desktops.total === 0 && hosts.length > 0 && (
        <Text size="sm" c="dimmed">
          {t('overview.nothingOffered')}
        </Text>
      )}
    </Stack>
  )
}

const hostTones = { online: 'good', suspect: 'warn', lost: 'bad', maintenance: 'violet', joining: 'busy' } as const

function HostMap({ hosts }: { hosts: readonly Host[] }) {
  const { t } = useTranslation()
  if (!hosts.length)
    return (
      <Text size="sm" c="dimmed">
        {t('overview.noHosts')}
      </Text>
    )
  return (
    <ul className={classes.map}>
      {hosts.map(host => {
        const tone = hostTones[host.state]
        const style = { '--tone-ink': `var(--hdcs-${tone}-ink)`, '--tone-tint': `var(--hdcs-${tone}-tint)` }
        return (
          <li key={host.id}>
            <Link
              to="/admin/hosts/$id"
              params={{ id: host.id }}
              className={classes.host ?? ''}
              style={style as CSSProperties}
            >
              <strong>{host.name}</strong>
              {t(`hostState.${host.state}`)}
              <br />
              {t('common.of', { part: formatNumber(host.used.running), whole: formatNumber(host.capacity) })}
            </Link>
          </li>
        )
      })}
    </ul>
  )
}

function RecentTasks({ tasks }: { tasks: readonly Task[] }) {
  const { t } = useTranslation()
  if (!tasks.length)
    return (
      <Text size="sm" c="dimmed">
        {t('overview.noTasks')}
      </Text>
    )
  return (
    <Stack gap="xs">
      {tasks.map(task => (
        <Group key={task.id} justify="space-between" wrap="nowrap" gap="xs">
          <div>
            <AnchorLink to="/admin/tasks/$id" params={{ id: task.id }}>
              {t('tasks.what', { kind: taskWord(t, task.kind), name: task.subject.name })}
            </AnchorLink>
            <Text size="xs" c="dimmed">
              <TimeAgo at={task.createdAt} />
            </Text>
          </div>
          <TaskBadge task={task} />
        </Group>
      ))}
    </Stack>
  )
}
