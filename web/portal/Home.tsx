import { Skeleton, Stack, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { MonitorOff } from 'lucide-react'
import { useId } from 'react'
import { useTranslation } from 'react-i18next'
import { desktopsQuery, poolsQuery } from '../data/queries.ts'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Panel } from '../ui/Panel.tsx'
import classes from './Cards.module.css'
import { DesktopCard } from './DesktopCard.tsx'
import { PoolCard, PoolHero } from './PoolCard.tsx'

export function Home() {
  const { t } = useTranslation()
  useDocumentTitle(t('app.title', { page: t('portal.title') }))
  const mineTitle = useId()
  const availableTitle = useId()
  const desktops = useQuery(desktopsQuery({ mine: true }))
  const pools = useQuery(poolsQuery({ usable: true }))
  const error = desktops.error ?? pools.error
  const mine = desktops.data?.items
  const offered = pools.data?.items

  if (!mine || !offered)
    return error ? (
      <ErrorPanel error={error} retry={() => void Promise.all([desktops.refetch(), pools.refetch()])} />
    ) : (
      <div className={classes.grid} aria-busy="true">
        {['a', 'b', 'c'].map(key => (
          <Skeleton key={key} h="16rem" radius="lg" />
        ))}
      </div>
    )

  const only = offered.length === 1 ? offered[0] : undefined
  return (
    <Stack gap="xl">
      <Title order={1} size="h2">
        {t('portal.title')}
      </Title>
      {!mine.length && !offered.length && (
        <Panel>
          <EmptyState icon={MonitorOff} title={t('portal.emptyTitle')} text={t('portal.emptyText')} />
        </Panel>
      )}
      {mine.length > 0 && (
        <section aria-labelledby={mineTitle}>
          <Title order={2} size="h4" mb="md" id={mineTitle}>
            {t('portal.yours')}
          </Title>
          <ul className={classes.grid}>
            {mine.map(desktop => (
              <li key={desktop.id}>
                <DesktopCard desktop={desktop} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {!mine.length && only ? (
        <PoolHero pool={only} />
      ) : (
        offered.length > 0 && (
          <section aria-labelledby={availableTitle}>
            <Title order={2} size="h4" mb={mine.length ? 'md' : 'xs'} id={availableTitle}>
              {t('portal.available')}
            </Title>
            {!mine.length && (
              <Text c="dimmed" mb="md">
                {t('portal.nothingMine')}
              </Text>
            )}
            <ul className={classes.grid}>
              {offered.map(pool => (
                <li key={pool.id}>
                  <PoolCard pool={pool} mine={mine.filter(desktop => desktop.poolId === pool.id).length} />
                </li>
              ))}
            </ul>
          </section>
        )
      )}
    </Stack>
  )
}
