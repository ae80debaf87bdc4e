import { Button, Group, Progress, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ArrowLeft, ArrowRight, ArrowRightLeft, X } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { MoveBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import { useMay } from '../data/me.ts'
import type { Move } from '../data/nouns.ts'
import { movesQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { useListState } from './list-state.ts'

export const moveIsOpen = (move: Move): boolean => move.endedAt === null

/** Moves of a host or of a desktop, newest first; those under way with how far they are. */
export function Moves({ query: asked, hostId }: { query: { hostId?: string; desktopId?: string }; hostId?: string }) {
  const { t } = useTranslation()
  const { state, onState, query } = useListState()
  const read = useQuery(movesQuery({ ...query, ...asked }))
  return (
    <Panel flush>
      <DataTable
        noun={t('moves.noun')}
        rows={read.data?.items}
        rowId={row => row.id}
        rowName={row => row.desktopName}
        state={{ ...state, search: '', filters: {} }}
        onState={onState}
        nextCursor={read.data?.nextCursor}
        error={read.error}
        retry={() => void read.refetch()}
        empty={<EmptyState icon={ArrowRightLeft} title={t('moves.emptyTitle')} text={t('moves.emptyText')} />}
        columns={[
          {
            key: 'desktop',
            head: t('desktops.one'),
            cell: row => (
              <Link to="/admin/desktops/$id" params={{ id: row.desktopId }}>
                {row.desktopName}
              </Link>
            ),
            text: row => row.desktopName,
          },
          {
            key: 'way',
            head: t('moves.way'),
            cell: row => <Way move={row} {...(hostId && { hostId })} />,
            text: row => `${row.fromHostName} > ${row.toHostName}`,
          },
          { key: 'kind', head: t('moves.how'), cell: row => t(`moveKind.${row.kind}`), text: row => row.kind },
          {
            key: 'why',
            head: t('desktops.reason'),
            cell: row => (
              <>
                {t(`moveCause.${row.cause}`)}
                {row.reason && (
                  <Text size="xs" c="dimmed">
                    {saidWord(row.reason)}
                  </Text>
                )}
              </>
            ),
            text: row => `${row.cause} ${row.reason}`,
          },
          {
            key: 'state',
            head: t('hosts.state'),
            cell: row => <MoveState move={row} />,
            text: row => t(`moveState.${row.state}`),
          },
          {
            key: 'at',
            head: t('desktops.when'),
            align: 'right',
            cell: row => <TimeAgo at={row.endedAt ?? row.startedAt ?? row.createdAt} />,
            text: row => row.createdAt,
          },
        ]}
      />
    </Panel>
  )
}

/** From where to where; seen from one of the two hosts only the other one, with the direction in words. */
function Way({ move, hostId }: { move: Move; hostId?: string }) {
  const { t } = useTranslation()
  const to = <HostLink id={move.toHostId} name={move.toHostName} />
  const from = <HostLink id={move.fromHostId} name={move.fromHostName} />
  if (!hostId)
    return (
      <Group gap={4} component="span">
        {from} <Icon of={ArrowRight} small /> {to}
      </Group>
    )
  const leaves = hostId === move.fromHostId
  return (
    <Group gap={4} component="span">
      <Icon of={leaves ? ArrowRight : ArrowLeft} small />
      {t(leaves ? 'moves.leavesTo' : 'moves.comesFrom')} {leaves ? to : from}
    </Group>
  )
}

/** @param id null: it was removed since; its name stays. */
function HostLink({ id, name }: { id: string | null; name: string }) {
  if (id === null) return name
  return (
    <AnchorLink to="/admin/hosts/$id" params={{ id }}>
      {name}
    </AnchorLink>
  )
}

/** The state; while under way its progress and how to stop it, when it failed what to do. */
function MoveState({ move }: { move: Move }) {
  return (
    <Stack gap={4}>
      <div>
        <MoveBadge move={move} />
      </div>
      {moveIsOpen(move) ? (
        <MoveProgress move={move} />
      ) : (
        move.trouble && (
          <Text size="xs" c="var(--mantine-color-error)">
            {saidWord(move.trouble.text)}
          </Text>
        )
      )}
    </Stack>
  )
}

/** How far a move is, and how to stop one that somebody asked for: those of a plan stop with their plan. */
export function MoveProgress({ move }: { move: Move }) {
  const { t } = useTranslation()
  return (
    <Stack gap={4}>
      <Progress
        value={Math.max(3, move.progress)}
        size="sm"
        aria-label={t('moves.progressOf', { name: move.desktopName })}
      />
      <Group gap="xs" justify="space-between">
        <Text size="xs">
          {t('moves.percent', { percent: formatNumber(move.progress) })}
          {move.text && ` · ${saidWord(move.text)}`}
        </Text>
        {move.taskId && move.cause === 'person' && (
          <CancelTask
            id={move.taskId}
            label={t('moves.cancel')}
            name={t('moves.cancelNamed', { name: move.desktopName })}
          />
        )}
      </Group>
    </Stack>
  )
}

/** Stops the task behind what is under way; what it began is undone. */
export function CancelTask({ id, label, name }: { id: string; label: string; name?: string }) {
  const { t } = useTranslation()
  const may = useMay()
  const stale = useLiveness() === 'stale'
  const cancel = useWrite(() => client.taskCancel({ params: { id } }), ['migration', 'desktop', 'host'])
  if (!may('desktop.write')) return null
  return (
    <Button
      size="compact-xs"
      variant="default"
      leftSection={<Icon of={X} small />}
      disabled={stale}
      loading={cancel.isPending}
      aria-label={name ?? label}
      onClick={() =>
        cancel.mutate(undefined, {
          onSuccess: () => notifyDone(t('moves.cancelled')),
          onError: error => notifyError(error),
        })
      }
    >
      {label}
    </Button>
  )
}
