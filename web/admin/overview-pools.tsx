import { Group, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { PoolBadge } from '../data/badges.tsx'
import type { Pool } from '../data/nouns.ts'
import { AnchorLink } from '../frame/links.tsx'
import { formatNumber } from '../ui/format.ts'
import { Meter } from '../ui/Meter.tsx'
import { Panel } from '../ui/Panel.tsx'
import { poolsByNeed } from './overview-findings.ts'

/** As many as stand beside hosts and tasks. More: a column that nobody reads to its end. */
const shown = 8

/** The pools that need attention and the fullest ones; the others are one click away. */
export function PoolBars({ pools, more }: { pools: readonly Pool[]; more: boolean }) {
  const { t } = useTranslation()
  return (
    <Panel
      title={t('overview.pools')}
      aside={
        pools.length > shown && (
          <AnchorLink to="/admin/pools">
            {more ? t('overview.allPools') : t('overview.allPoolsCount', { count: pools.length })}
          </AnchorLink>
        )
      }
    >
      <Stack>
        {pools.length === 0 && (
          <Text size="sm" c="dimmed">
            {t('overview.poolsEmpty')}
          </Text>
        )}
        {poolsByNeed(pools)
          .slice(0, shown)
          .map(pool => (
            <div key={pool.id}>
              <Group justify="space-between" mb={4}>
                <AnchorLink to="/admin/pools/$id" params={{ id: pool.id }} fw={600}>
                  {pool.name}
                </AnchorLink>
                <PoolBadge pool={pool} />
              </Group>
              <Meter
                label={`${t('overview.assigned', { count: pool.counts.assigned })} · ${t('overview.readyNow', { count: pool.counts.ready })}`}
                text={t('common.of', { part: formatNumber(pool.counts.total), whole: formatNumber(pool.maxSize) })}
                whole={pool.maxSize}
                parts={[
                  { value: pool.counts.assigned, tone: 'busy' },
                  { value: pool.counts.ready, tone: 'good' },
                  { value: pool.counts.starting + pool.counts.recycling, tone: 'violet' },
                  { value: pool.counts.stopped, tone: 'idle' },
                ]}
              />
            </div>
          ))}
      </Stack>
    </Panel>
  )
}
