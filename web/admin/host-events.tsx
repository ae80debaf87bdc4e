import { Button, Stack, Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import type { TFunction } from 'i18next'
import { History } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { Host, HostEvent } from '../data/nouns.ts'
import { hostHistoryQuery, usageMs } from '../data/queries.ts'
import { saidWord } from '../i18n/said.ts'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import type { Look } from '../ui/look.ts'
import { PageWait } from '../ui/PageWait.tsx'
import { Panel } from '../ui/Panel.tsx'
import { Timeline } from '../ui/Timeline.tsx'

const looks = {
  joined: 'good',
  heard: 'good',
  suspect: 'warn',
  lost: 'bad',
  heardAgain: 'good',
  back: 'good',
  agentStarted: 'waiting',
  trouble: 'bad',
  troubleOver: 'good',
  maintenance: 'maintenance',
  evacuation: 'maintenance',
  maintenanceEnded: 'good',
  fenced: 'stopped',
  fenceFailed: 'bad',
  poweredOn: 'running',
  powerOnFailed: 'bad',
  poweredOff: 'stopped',
  powerOffFailed: 'bad',
  returned: 'running',
  waiting: 'warn',
  took: 'running',
  copiesEnded: 'stopped',
  disksRemoved: 'stopped',
} satisfies Record<HostEvent['what'], Look>

/** What happened, in a sentence; a fence by hand is another one than by command. */
export function eventSentence(t: TFunction, { what, amount, reason, userName }: HostEvent): string {
  // By command it has the command's name as its reason.
  const key = what === 'fenced' && userName !== null && reason === '' ? 'fencedByHand' : what
  // The compiler cannot follow a key that varies with its values.
  return t(`hostEvent.${key}`, { count: amount ?? 1, reason } as { count: number; reason: string })
}

function detailOf(t: TFunction, { what, reason }: HostEvent): string | undefined {
  if (what === 'took') return undefined
  return what === 'waiting' && reason ? t('hostHistory.waitsFor', { reason: saidWord(reason) }) : saidWord(reason)
}

/** What a host went through, and what was done about it. */
export function HostEvents({ host }: { host: Host }) {
  const { t } = useTranslation()
  const read = useInfiniteQuery({ ...hostHistoryQuery(host.id), refetchInterval: usageMs })
  const events = read.data?.pages.flatMap(page => page.items)
  if (!events) return read.error ? <ErrorPanel error={read.error} retry={() => void read.refetch()} /> : <PageWait />
  const moments = events.map(event => ({
    id: event.id,
    at: event.at,
    look: looks[event.what],
    text: eventSentence(t, event),
    detail: detailOf(t, event),
    by: event.userName === null ? t('hostHistory.byItself') : t('hostHistory.by', { name: event.userName }),
  }))
  return (
    <Panel title={t('hostHistory.title')}>
      {moments.length === 0 ? (
        <EmptyState icon={History} title={t('hostHistory.emptyTitle')} text={t('hostHistory.emptyText')} />
      ) : (
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            {t('hostHistory.lead')}
          </Text>
          <Timeline moments={moments} label={t('hostHistory.title')} />
          {read.hasNextPage && (
            <Button
              variant="default"
              size="xs"
              w="fit-content"
              loading={read.isFetchingNextPage}
              onClick={() => void read.fetchNextPage()}
            >
              {t('hostHistory.older')}
            </Button>
          )}
        </Stack>
      )}
    </Panel>
  )
}
