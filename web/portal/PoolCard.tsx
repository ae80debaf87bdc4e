import { Button, Text, Title } from '@mantine/core'
import { ArrowRight, RotateCcw, Save } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useLiveness } from '../data/live.ts'
import type { Pool } from '../data/nouns.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatDuration } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { Picture } from '../ui/Picture.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import classes from './Cards.module.css'
import { useClaim } from './claim.ts'
import { offerOf, offers } from './pool-offer.ts'

/** A pool in a person's words: what I would get, how soon, and the one button. */
export function PoolCard({ pool, mine }: { pool: Pool; mine: number }) {
  const offer = useOffer(pool, mine)
  return (
    <article className={classes.card} aria-labelledby={`pool-${pool.id}`}>
      <div className={classes.picture}>
        <Picture name={pool.name} dimmed={offer.help !== null} />
        <div className={classes.badge}>{offer.badge}</div>
      </div>
      <div className={classes.body}>
        <Title order={3} size="h4" id={`pool-${pool.id}`}>
          {pool.name}
        </Title>
        {pool.description && <Text size="sm">{pool.description}</Text>}
        <Kept kind={pool.kind} />
        {offer.help && (
          <Text size="sm" c="dimmed">
            {offer.help}
          </Text>
        )}
        <ErrorPanel error={offer.error} />
        {offer.button && <div className={classes.foot}>{offer.button}</div>}
      </div>
    </article>
  )
}

/** One pool and no desktop: the button is the page. */
export function PoolHero({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const offer = useOffer(pool, 0, true)
  return (
    <section className={classes.hero} aria-labelledby={`pool-${pool.id}`}>
      <div className={classes.heroBody}>
        {offer.badge}
        <Title order={2} size="h2" id={`pool-${pool.id}`}>
          {offer.help ? pool.name : t('portal.hero')}
        </Title>
        <Text c="dimmed">{offer.help ?? t('portal.heroText')}</Text>
        {pool.description && <Text size="sm">{pool.description}</Text>}
        <Kept kind={pool.kind} />
        <ErrorPanel error={offer.error} />
        {offer.button}
      </div>
      <div className={classes.heroPicture}>
        <Picture name={pool.name} dimmed={offer.help !== null} />
      </div>
    </section>
  )
}

function Kept({ kind }: { kind: Pool['kind'] }) {
  const { t } = useTranslation()
  return (
    <Text size="sm" c="dimmed" component="div" className={classes.kept ?? ''}>
      <Icon of={kind === 'floating' ? RotateCcw : Save} small />
      {kind === 'floating' ? t('portal.resets') : t('portal.keeps')}
    </Text>
  )
}

function useOffer(pool: Pool, mine: number, large = false) {
  const { t } = useTranslation()
  const claim = useClaim()
  const stale = useLiveness() === 'stale'
  const offer = offerOf(pool, mine)
  const { look, help } = offers[offer]
  const words = {
    readyNow: t('portal.readyNow'),
    readyIn: t('portal.readyIn', { time: formatDuration(pool.estimateMs ?? 0) }),
    readyLater: t('portal.readyLater'),
    full: t('portal.full'),
    have: t('portal.have'),
    disabled: t('portal.disabled'),
    waiting: t('portal.waiting'),
    restrained: t('portal.restrained'),
  }
  return {
    help: help && t(help),
    error: claim.error,
    badge: <StateBadge look={look} word={words[offer]} size="md" />,
    button: help === null && (
      <Button
        data-primary
        size={large ? 'lg' : 'md'}
        loading={claim.isPending}
        disabled={stale}
        onClick={() => claim.mutate(pool.id)}
        aria-label={`${t('portal.get')} – ${pool.name}`}
        rightSection={<Icon of={ArrowRight} />}
      >
        {t('portal.get')}
      </Button>
    ),
  }
}
