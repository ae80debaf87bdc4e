import { Button, Group, Progress, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { ListChecks } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import { useMay } from '../data/me.ts'
import type { Pool, Verification, Verified } from '../data/nouns.ts'
import { verificationsQuery, verifiedQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import type { Look } from '../ui/look.ts'
import { notifyDone } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { CancelTask } from './moves.tsx'

const looks = {
  waiting: 'waiting',
  starting: 'busy',
  asking: 'busy',
  ok: 'good',
  failed: 'bad',
  skipped: 'stopped',
} satisfies Record<Verified['state'], Look>

/** Whether every desktop is up and has its address: the last look, and another one. */
export function PoolVerify({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const may = useMay()
  const stale = useLiveness() === 'stale'
  const read = useQuery(verificationsQuery(pool.id))
  const [last] = read.data?.items ?? []
  const verify = useWrite(() => client.verificationMake({ params: { id: pool.id }, body: {} }), ['pool', 'desktop'])
  return (
    <Panel
      title={t('verify.title')}
      aside={
        may('pool.write') &&
        last?.state !== 'running' && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<Icon of={ListChecks} small />}
            disabled={stale || pool.counts.total === 0}
            loading={verify.isPending}
            onClick={() => verify.mutate(undefined, { onSuccess: () => notifyDone(t('verify.begun')) })}
          >
            {t('verify.ask')}
          </Button>
        )
      }
    >
      <Stack gap="sm">
        <ErrorPanel error={verify.error ?? read.error} />
        <Text size="sm" c="dimmed">
          {t('verify.lead')}
        </Text>
        {last && <LastLook key={last.id} look={last} />}
      </Stack>
    </Panel>
  )
}

function LastLook({ look }: { look: Verification }) {
  const { t } = useTranslation()
  const { ok, failed, skipped, waiting, looking } = look.counts
  const total = ok + failed + skipped + waiting + looking
  const told = { ok: formatNumber(ok), total: formatNumber(total) }
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <StateBadge
          look={look.state === 'running' ? 'busy' : failed > 0 ? 'bad' : 'good'}
          word={t('verify.works', told)}
        />
        {failed > 0 && (
          <StateBadge look="bad" word={t('verify.failed', { count: failed, formatted: formatNumber(failed) })} />
        )}
        {skipped > 0 && (
          <StateBadge look="stopped" word={t('verify.skipped', { count: skipped, formatted: formatNumber(skipped) })} />
        )}
        <Text size="sm" c="dimmed">
          <TimeAgo at={look.endedAt ?? look.createdAt} />
        </Text>
      </Group>
      {look.state === 'running' && (
        <Group wrap="nowrap" gap="sm">
          <Progress
            flex={1}
            value={Math.max(2, (100 * (total - waiting - looking)) / Math.max(1, total))}
            aria-label={t('verify.works', told)}
          />
          <CancelTask id={look.taskId} label={t('common.cancel')} />
        </Group>
      )}
      <Results id={look.id} />
    </Stack>
  )
}

/** Most of what a person wants to see stands first: what does not work. */
function Results({ id }: { id: string }) {
  const { t } = useTranslation()
  const may = useMay()
  const enabled = may('desktop.read')
  const failed = useQuery({ ...verifiedQuery(id, 'failed'), enabled })
  const all = useQuery({ ...verifiedQuery(id), enabled })
  const wrong = failed.data?.items ?? []
  const rows = [...wrong, ...(all.data?.items ?? []).filter(({ state }) => state !== 'failed')]
  if (rows.length === 0) return null
  return (
    <DataTable
      part
      noun={t('verify.title')}
      rows={rows}
      rowId={row => row.id}
      rowName={row => row.name}
      state={{ search: '', filters: {}, cursors: [] }}
      onState={() => undefined}
      empty={null}
      columns={[
        {
          key: 'desktop',
          head: t('desktops.one'),
          cell: row => (
            <AnchorLink to="/admin/desktops/$id" params={{ id: row.id }}>
              {row.name}
            </AnchorLink>
          ),
        },
        {
          key: 'result',
          head: t('verify.result'),
          cell: row => <StateBadge look={looks[row.state]} word={t(`verify.state.${row.state}`)} />,
        },
        { key: 'why', head: t('common.details'), cell: row => saidWord(row.text) },
      ]}
    />
  )
}
