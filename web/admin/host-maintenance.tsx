import { Alert, Button, Group, Progress, Stack, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { CircleCheck, Wrench } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Host, Task } from '../data/nouns.ts'
import { bringBackQuery, evacuationQuery, movesQuery, tasksQuery } from '../data/queries.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { MovePlan } from './move-plan.tsx'
import { CancelTask, MoveProgress } from './moves.tsx'

const nouns = ['host', 'cluster', 'desktop', 'migration']

/** Into maintenance: the plan first, each desktop with where it goes, then one button. */
export function EnterMaintenance({ host, onClose }: { host: Host; onClose: () => void }) {
  const { t } = useTranslation()
  const [evacuate, setEvacuate] = useState(true)
  const plan = useQuery({ ...evacuationQuery(host.id), enabled: evacuate })
  const enter = useWrite(() => client.hostEnterMaintenance({ params: { id: host.id }, body: { evacuate } }), nouns)
  return (
    <Dialog onClose={onClose} size="xl" title={t('maintenance.enterTitle', { name: host.name })}>
      <Stack>
        <Text size="sm">{t('maintenance.enterText')}</Text>
        <Switch
          label={t('maintenance.evacuate')}
          description={t('maintenance.evacuateHelp')}
          checked={evacuate}
          onChange={event => setEvacuate(event.currentTarget.checked)}
        />
        {evacuate &&
          (plan.data ? (
            <MovePlan plan={plan.data.plan.desktops} empty={t('maintenance.nothingHere')} />
          ) : plan.error ? (
            <ErrorPanel error={plan.error} retry={() => void plan.refetch()} />
          ) : (
            <PageWait />
          ))}
        <ErrorPanel error={enter.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('common.cancel')}
          </Button>
          <Button
            leftSection={<Icon of={Wrench} small />}
            loading={enter.isPending}
            onClick={() =>
              enter.mutate(undefined, {
                onSuccess: () => {
                  notifyDone(t('maintenance.entered', { name: host.name }))
                  onClose()
                },
              })
            }
          >
            {t('action.enterMaintenance')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}

/** Out of maintenance: what left may come back. */
export function LeaveMaintenance({ host, onClose }: { host: Host; onClose: () => void }) {
  const { t } = useTranslation()
  const [bringBack, setBringBack] = useState(true)
  const plan = useQuery({ ...bringBackQuery(host.id), enabled: bringBack })
  const leave = useWrite(() => client.hostLeaveMaintenance({ params: { id: host.id }, body: { bringBack } }), nouns)
  return (
    <Dialog onClose={onClose} size="xl" title={t('maintenance.leaveTitle', { name: host.name })}>
      <Stack>
        <Text size="sm">{t('maintenance.leaveText')}</Text>
        <Switch
          label={t('maintenance.bringBack')}
          description={t('maintenance.bringBackHelp')}
          checked={bringBack}
          onChange={event => setBringBack(event.currentTarget.checked)}
        />
        {bringBack &&
          (plan.data ? (
            <MovePlan plan={plan.data.plan.desktops} empty={t('maintenance.nothingBack')} />
          ) : plan.error ? (
            <ErrorPanel error={plan.error} retry={() => void plan.refetch()} />
          ) : (
            <PageWait />
          ))}
        <ErrorPanel error={leave.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('common.cancel')}
          </Button>
          <Button
            loading={leave.isPending}
            onClick={() =>
              leave.mutate(undefined, {
                onSuccess: () => {
                  notifyDone(t('maintenance.left', { name: host.name }))
                  onClose()
                },
              })
            }
          >
            {t('action.leaveMaintenance')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}

/** Moves shown one by one at most; the others are counted. */
const shownMoves = 5

/** How far the emptying of a host is: it may be serviced once nothing runs on it any more. */
export function EvacuationProgress({ host }: { host: Host }) {
  const { t } = useTranslation()
  const read = useQuery(movesQuery({ hostId: host.id, open: true, limit: 100 }))
  const tasks = useQuery(tasksQuery({ subjectId: host.id, state: 'running', limit: 10 }))
  const leaving = (read.data?.items ?? []).filter(move => move.fromHostId === host.id)
  if (!read.data) return null
  const task = tasks.data?.items.find(({ kind, cancellable }) => cancellable && kind === 'host.enterMaintenance')
  const { desktops } = host.used
  if (leaving.length === 0)
    return desktops === 0 ? (
      <Alert color="teal" icon={<Icon of={CircleCheck} />} title={t('maintenance.emptyTitle')}>
        {t('maintenance.emptyText')}
      </Alert>
    ) : (
      <Waiting host={host} task={task} />
    )
  const done = leaving.reduce((sum, move) => sum + move.progress, 0) / leaving.length
  return (
    <Alert color="blue" icon={<Icon of={Wrench} />} title={t('maintenance.leaving', { count: leaving.length })}>
      <Stack gap="sm">
        <Group wrap="nowrap" gap="sm">
          <Progress
            flex={1}
            value={Math.max(3, done)}
            aria-label={t('maintenance.leaving', { count: leaving.length })}
          />
          {task && <CancelTask id={task.id} label={t('maintenance.stop')} />}
        </Group>
        {leaving.slice(0, shownMoves).map(move => (
          <div key={move.id}>
            <Text size="sm" fw={600}>
              {t('moves.toHost', { name: move.desktopName, host: move.toHostName })}
            </Text>
            <MoveProgress move={move} />
          </div>
        ))}
        {leaving.length > shownMoves && (
          <Text size="sm">{t('maintenance.more', { count: leaving.length - shownMoves })}</Text>
        )}
      </Stack>
    </Alert>
  )
}

/** Nothing is on its way, and yet desktops are here: what each of them waits for. */
function Waiting({ host, task }: { host: Host; task: Task | undefined }) {
  const { t } = useTranslation()
  const plan = useQuery(evacuationQuery(host.id))
  const { desktops } = host.used
  return (
    <Alert color="blue" icon={<Icon of={Wrench} />} title={t(task ? 'maintenance.waits' : 'maintenance.quietTitle')}>
      <Stack gap="sm">
        <Text size="sm">{t('maintenance.quietText', { count: desktops, formatted: formatNumber(desktops) })}</Text>
        {task && (
          <Group wrap="nowrap" gap="sm">
            <Progress flex={1} value={Math.max(3, task.progress)} aria-label={t('maintenance.waits')} />
            <CancelTask id={task.id} label={t('maintenance.stop')} />
          </Group>
        )}
        {plan.data && <MovePlan plan={plan.data.plan.desktops} empty={t('maintenance.nothingHere')} />}
      </Stack>
    </Alert>
  )
}
