import { Alert, Box, SimpleGrid, Stack, Tabs, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { Pencil, TriangleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { PoolBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Pool } from '../data/nouns.ts'
import { clustersQuery, poolQuery } from '../data/queries.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { Bytes } from '../ui/Bytes.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { Meter } from '../ui/Meter.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { DesktopTable } from './desktops.tsx'
import { DryRun } from './dry-run.tsx'
import { PoolAccess } from './pool-access.tsx'
import { PoolPushes } from './pool-pushes.tsx'
import { RemovePool } from './pool-removal.tsx'
import { networkTold } from './pool-values.ts'
import { PoolVerify } from './pool-verify.tsx'

const tabs = ['overview', 'desktops', 'access'] as const

export function PoolDetail() {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const { id } = useParams({ from: '/person/admin/pools/$id' })
  const { tab = 'overview' } = useSearch({ from: '/person/admin/pools/$id' })
  const read = useQuery(poolQuery(id))
  const pool = read.data
  const up = <AnchorLink to="/admin/pools">{t('pools.title')}</AnchorLink>
  if (!pool) return <PageUnread read={read} up={up} />
  const shown = tabs.filter(name => name !== 'desktops' || may('desktop.read'))
  const words = { overview: t('pools.overview'), desktops: t('pools.desktops'), access: t('pools.access') }
  return (
    <>
      <PageHead
        up={up}
        title={pool.name}
        badge={<PoolBadge pool={pool} size="md" />}
        text={pool.description}
        actions={<PoolActions pool={pool} />}
      />
      {(pool.status === 'restrained' || pool.status === 'waiting') && (
        <Alert color="yellow" mb="lg" icon={<Icon of={TriangleAlert} />} title={t(`poolStatus.${pool.status}`)}>
          {saidWord(pool.statusText)}
          {pool.restrainedUntil && (
            <Text size="sm" mt="xs">
              <TimeAgo at={pool.restrainedUntil} />
            </Text>
          )}
        </Alert>
      )}
      {pool.warnings.map(warning => (
        <Alert key={warning} color="yellow" mb="lg" icon={<Icon of={TriangleAlert} />} title={t('pools.warning')}>
          {saidWord(warning)}
        </Alert>
      ))}
      <Tabs
        value={shown.find(name => name === tab) ?? 'overview'}
        onChange={value =>
          void navigate({ to: '.', search: value && value !== 'overview' ? { tab: value } : {}, replace: true })
        }
        keepMounted={false}
      >
        <Tabs.List mb="lg">
          {shown.map(name => (
            <Tabs.Tab key={name} value={name}>
              {words[name]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="overview">
          <PoolOverview pool={pool} />
        </Tabs.Panel>
        <Tabs.Panel value="desktops">
          <DesktopTable poolId={id} />
        </Tabs.Panel>
        <Tabs.Panel value="access">
          <PoolAccess pool={pool} />
        </Tabs.Panel>
      </Tabs>
    </>
  )
}

function PoolOverview({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const may = useMay()
  const { counts, hardware } = pool
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Panel title={t('pools.counts')}>
        <Stack>
          <Meter
            label={t('pools.total')}
            text={t('common.of', { part: formatNumber(counts.total), whole: formatNumber(pool.maxSize) })}
            whole={pool.maxSize}
            parts={[
              { value: counts.assigned, tone: 'busy' },
              { value: counts.ready, tone: 'good' },
              { value: counts.starting + counts.recycling, tone: 'violet' },
              { value: counts.stopped, tone: 'idle' },
              { value: counts.failed, tone: 'bad' },
            ]}
          />
          <Facts
            of={[
              [t('pools.ready'), formatNumber(counts.ready)],
              [t('pools.assigned'), formatNumber(counts.assigned)],
              [t('pools.connected'), formatNumber(counts.connected)],
              [t('pools.starting'), formatNumber(counts.starting)],
              [t('pools.stopped'), formatNumber(counts.stopped)],
              [t('pools.recycling'), formatNumber(counts.recycling)],
              [t('pools.failed'), formatNumber(counts.failed)],
              [
                t('pools.wait'),
                pool.estimateMs === null
                  ? t('pools.waitUnknown')
                  : pool.estimateMs === 0
                    ? t('pools.waitNow')
                    : formatDuration(pool.estimateMs),
              ],
            ]}
          />
        </Stack>
      </Panel>
      <Panel title={t('pools.settings')}>
        <Facts
          of={[
            [t('pools.kind'), `${t(`kind.${pool.kind}`)} – ${t(`kindHelp.${pool.kind}`)}`],
            [
              t('pools.template'),
              may('template.read') ? (
                <AnchorLink to="/admin/templates/$id" params={{ id: pool.templateId }} key="t">
                  {pool.templateName}
                </AnchorLink>
              ) : (
                pool.templateName
              ),
            ],
            [
              t('pools.currentVersion'),
              pool.currentVersion === null
                ? t('pools.noVersion')
                : `${pool.currentVersion}${pool.templateVersion === null ? ` (${t('pools.newest')})` : ''}`,
            ],
            [t('pools.size'), `${formatNumber(pool.minSize)} – ${formatNumber(pool.maxSize)}`],
            [t('pools.warm'), formatNumber(pool.warm)],
            [t('pools.cold'), formatNumber(pool.cold)],
            [t('pools.perUser'), formatNumber(pool.maxPerUser)],
            [
              t('pools.hardware'),
              <span key="h">
                {hardware.vcpus} vCPU · <Bytes of={hardware.memoryBytes} /> · {hardware.video}
              </span>,
            ],
            [t('common.details'), saidWord(pool.statusText) || undefined],
          ]}
        />
      </Panel>
      <PoolPushes pool={pool} />
      <Panel title={t('pools.place')}>
        <PlacementFacts pool={pool} />
      </Panel>
      {may('host.read') && (
        <Panel title={t('dryRun.title')}>
          <Text size="sm" c="dimmed" mb="sm">
            {t('dryRun.lead')}
          </Text>
          <DryRun act={count => client.poolPlace({ params: { id: pool.id }, body: { count, priority: 'prewarm' } })} />
        </Panel>
      )}
      {/* Its table needs the room. */}
      <Box style={{ gridColumn: '1 / -1' }}>
        <PoolVerify pool={pool} />
      </Box>
    </SimpleGrid>
  )
}

/** Where its desktops go and what they reach. */
function PlacementFacts({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const may = useMay()
  const clusters = useQuery({ ...clustersQuery, enabled: may('host.read') && pool.clusterIds.length > 0 })
  const names = pool.clusterIds.map(id => clusters.data?.items.find(cluster => cluster.id === id)?.name)
  const { network } = pool
  const told = networkTold(network)
  return (
    <Facts
      of={[
        [
          t('pools.clusters'),
          names.length ? names.map(name => name ?? t('common.unknown')).join(', ') : t('pools.anyCluster'),
        ],
        [t('clusters.placement'), t(`placement.${pool.placement ?? 'cluster'}`)],
        [t('pools.affinity'), t(`affinity.${pool.affinity}`)],
        [t('pools.needs'), pool.needs.join(', ') || t('common.none')],
        [t('pools.ha'), t(`ha.${pool.ha}`)],
        [
          t('pools.network'),
          <>
            {t(`networkMode.${network.mode}`)}
            {network.interface && ` · ${network.interface}`}
            {network.vlan && ` · VLAN ${network.vlan}`}
          </>,
        ],
        [t('pools.neighbours'), told.neighbours && t(told.neighbours)],
        [
          t('pools.allow'),
          network.allow?.length
            ? network.allow.map(rule => [rule.cidr, rule.protocol, rule.ports].filter(Boolean).join(' ')).join('; ')
            : t(told.unlisted),
        ],
      ]}
    />
  )
}

function PoolActions({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const may = useMay()
  if (!may('pool.write')) return null
  return (
    <>
      <ButtonLink
        to="/admin/pools/$id/edit"
        params={{ id: pool.id }}
        size="xs"
        variant="default"
        leftSection={<Icon of={Pencil} small />}
      >
        {t('common.edit')}
      </ButtonLink>
      <RemovePool pool={pool} />
    </>
  )
}
