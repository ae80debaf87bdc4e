import { Alert, Button, Group, Progress, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { CalendarClock, Rocket, Undo2, X } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { PushBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Pool, Push } from '../data/nouns.ts'
import { pushDesktopsQuery, pushesQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatExact, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { PushDialog } from './push-dialog.tsx'
import { localZone, timeAsked, timeHeld } from './push-time.ts'

/** On which version the pool is, how it goes to another one, and back. */
export function PoolPushes({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const may = useMay()
  const [asking, setAsking] = useState(false)
  const pushes = useQuery(pushesQuery(pool.id))
  const all = pushes.data?.items ?? []
  const open = all.filter(({ state }) => state === 'scheduled' || state === 'running')
  const earlier = all.filter(push => !open.includes(push)).slice(0, 5)
  return (
    <Panel
      title={t('pushes.title')}
      aside={
        may('pool.write') && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<Icon of={Rocket} small />}
            onClick={() => setAsking(true)}
          >
            {t('pushes.ask')}
          </Button>
        )
      }
    >
      <Stack>
        <ErrorPanel error={pushes.error} />
        {pushes.data && all.length === 0 && (
          <Text size="sm" c="dimmed">
            {t('pushes.none')}
          </Text>
        )}
        {open.map(push => (
          <OnePush key={push.id} push={push} />
        ))}
        {earlier.length > 0 && (
          <>
            {open.length > 0 && (
              <Text size="sm" fw={600}>
                {t('pushes.earlier')}
              </Text>
            )}
            {earlier.map(push => (
              <OnePush key={push.id} push={push} />
            ))}
          </>
        )}
      </Stack>
      {asking && <PushDialog pool={pool} onClose={() => setAsking(false)} />}
    </Panel>
  )
}

function OnePush({ push }: { push: Push }) {
  const { t } = useTranslation()
  const { version: number, fromVersion: from, counts } = push
  const ended = push.endedAt ?? push.startedAt
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Text size="sm" fw={600}>
          {from === null ? t('pushes.head', { number }) : t('pushes.headFrom', { from, number })}
        </Text>
        <PushBadge push={push} />
        <Text size="sm" c="dimmed">
          {push.state === 'scheduled' ? t('pushes.startsAt', { time: formatExact(push.at) }) : <TimeAgo at={ended} />}{' '}
          {t('pushes.by', { name: push.requestedBy })}
        </Text>
      </Group>
      {push.notes && <Text size="sm">{push.notes}</Text>}
      {push.text && <Text size="sm">{saidWord(push.text)}</Text>}
      {push.state === 'running' && counts && (
        <>
          <Progress
            value={counts.total === 0 ? 100 : Math.max(2, (100 * counts.done) / counts.total)}
            aria-label={t('pushes.onIt', { done: counts.done, total: counts.total })}
          />
          <Text size="sm">
            {t('pushes.onIt', { done: formatNumber(counts.done), total: formatNumber(counts.total) })}
          </Text>
          <Facts
            of={(['remaking', 'waiting', 'inUse', 'failed', 'lost', 'kept'] as const)
              .filter(place => counts[place] > 0)
              .map(place => [t(`pushes.place.${place}`), formatNumber(counts[place])])}
          />
          {counts.inUse > 0 && <StillOld push={push} />}
        </>
      )}
      <PushActions push={push} />
    </Stack>
  )
}

/** Who holds it up, and until when. */
function StillOld({ push }: { push: Push }) {
  const { t } = useTranslation()
  const may = useMay()
  const read = useQuery({ ...pushDesktopsQuery(push.id, 'inUse'), enabled: may('desktop.read') })
  const rows = read.data?.items ?? []
  if (rows.length === 0) return null
  return (
    <Alert color="gray" title={t('pushes.stillOld')}>
      {push.forceAt && (
        <Text size="sm" mb="xs">
          {t('pushes.forceAt', { time: formatExact(push.forceAt) })}
        </Text>
      )}
      <Group gap="md">
        {rows.map(({ id, name, userName }) => (
          <Text size="sm" key={id}>
            <AnchorLink to="/admin/desktops/$id" params={{ id }}>
              {name}
            </AnchorLink>{' '}
            {userName}
          </Text>
        ))}
      </Group>
    </Alert>
  )
}

function PushActions({ push }: { push: Push }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const [moving, setMoving] = useState(false)
  const params = { id: push.id }
  const nouns = ['pool', 'desktop']
  const cancel = useWrite(() => client.pushCancel({ params }), nouns)
  const back = useWrite(() => client.pushRollback({ params, body: {} }), nouns)
  if (!may('pool.write')) return null
  const allowed = (name: string) => refusal(push.actions, name) ?? null
  const open = push.endedAt === null
  const failed = (error: unknown) => notifyError(error)
  const callOff = () =>
    cancel.mutate(undefined, {
      onSuccess: () => notifyDone(t(push.state === 'running' ? 'pushes.cancelRunning' : 'pushes.cancelScheduled')),
      onError: failed,
    })
  const goBack = () =>
    back.mutate(undefined, {
      onSuccess: made => notifyDone(t('pushes.rolledBack', { number: made.push.version })),
      onError: failed,
    })
  const rollback = push.actions.some(action => action.name === 'rollback' && action.allowed)
  if (!open && !rollback) return null
  return (
    <Group gap="xs">
      {push.state === 'scheduled' && (
        <ActionButton
          size="compact-xs"
          variant="default"
          leftSection={<Icon of={CalendarClock} small />}
          reason={allowed('update')}
          onClick={() => setMoving(true)}
        >
          {t('pushes.reschedule')}
        </ActionButton>
      )}
      {open && (
        <ActionButton
          size="compact-xs"
          variant="default"
          leftSection={<Icon of={X} small />}
          reason={allowed('cancel')}
          onClick={callOff}
        >
          {t('pushes.cancel')}
        </ActionButton>
      )}
      {rollback && (
        <ActionButton
          size="compact-xs"
          variant="default"
          leftSection={<Icon of={Undo2} small />}
          reason={allowed('rollback')}
          onClick={goBack}
        >
          {push.fromVersion === null ? t('pushes.back') : t('pushes.backTo', { number: push.fromVersion })}
        </ActionButton>
      )}
      {moving && <Reschedule push={push} onClose={() => setMoving(false)} />}
    </Group>
  )
}

function Reschedule({ push, onClose }: { push: Push; onClose: () => void }) {
  const { t } = useTranslation()
  const [at, setAt] = useState(timeHeld(new Date(push.at)))
  const time = timeAsked(at)
  const save = useWrite(
    (to: Date) => client.pushUpdate({ params: { id: push.id }, body: { at: to.toISOString() } }),
    ['pool'],
  )
  const submit = (time: Date) =>
    save.mutate(time, {
      onSuccess: () => {
        notifyDone(t('pushes.rescheduled'))
        onClose()
      },
    })
  return (
    <Dialog onClose={onClose} title={t('pushes.rescheduleTitle', { number: push.version })}>
      <Stack>
        <TextInput
          required
          type="datetime-local"
          label={t('pushes.atField')}
          description={t('pushes.zone', { zone: localZone() })}
          value={at}
          onChange={event => setAt(event.currentTarget.value)}
          error={time === null ? t('pushes.atMissing') : undefined}
        />
        <ErrorPanel error={save.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button disabled={time === null} loading={save.isPending} onClick={() => time && submit(time)}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
