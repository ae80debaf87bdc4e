import { Group, Text } from '@mantine/core'
import { ArrowRight } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { PlannedMove } from '../data/nouns.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import type { Look } from '../ui/look.ts'
import { StateBadge } from '../ui/StateBadge.tsx'
import classes from './MovePlan.module.css'

const planLooks = {
  migrate: 'good',
  restart: 'warn',
  remake: 'waiting',
  remove: 'stopped',
  wait: 'warn',
} satisfies Record<PlannedMove['do'], Look>

/** What would happen to each desktop, before anything does: those that cannot go first. */
export function MovePlan({ plan, empty }: { plan: PlannedMove[]; empty: string }) {
  const { t } = useTranslation()
  const stuck = plan.filter(planned => planned.do === 'wait')
  const rows = [...stuck, ...plan.filter(planned => planned.do !== 'wait')]
  if (rows.length === 0) return <Text size="sm">{empty}</Text>
  return (
    <div>
      <Group gap="xs" mb="xs">
        <Text size="sm" fw={600}>
          {t('plan.go', { count: rows.length - stuck.length, formatted: formatNumber(rows.length - stuck.length) })}
        </Text>
        {stuck.length > 0 && (
          <StateBadge
            look="warn"
            word={t('plan.stay', { count: stuck.length, formatted: formatNumber(stuck.length) })}
          />
        )}
      </Group>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keyboard */}
      <section className={classes.plan} tabIndex={0} aria-label={t('plan.title')}>
        <DataTable
          part
          noun={t('plan.title')}
          rows={rows}
          rowId={row => row.desktopId}
          rowName={row => row.desktopName}
          state={{ search: '', filters: {}, cursors: [] }}
          onState={() => undefined}
          empty={null}
          columns={[
            {
              key: 'desktop',
              head: t('desktops.one'),
              cell: row => (
                <AnchorLink to="/admin/desktops/$id" params={{ id: row.desktopId }}>
                  {row.desktopName}
                </AnchorLink>
              ),
            },
            {
              key: 'person',
              head: t('desktops.person'),
              cell: row => row.userName ?? t('desktops.free'),
            },
            {
              key: 'how',
              head: t('moves.how'),
              cell: row => (
                <>
                  <StateBadge look={planLooks[row.do]} word={t(`planDo.${row.do}`)} />{' '}
                  {row.kind && <small>{t(`moveKind.${row.kind}`)}</small>}
                </>
              ),
            },
            {
              key: 'to',
              head: t('plan.where'),
              cell: row =>
                row.hostName === null ? (
                  t('common.none')
                ) : (
                  <Group gap={4} component="span" wrap="nowrap">
                    <Icon of={ArrowRight} small /> {row.hostName}
                  </Group>
                ),
            },
            { key: 'why', head: t('desktops.reason'), cell: row => saidWord(row.because) || t('common.none') },
          ]}
        />
      </section>
    </div>
  )
}
