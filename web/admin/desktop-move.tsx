import { Alert, Button, Checkbox, Group, Radio, Skeleton, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { ArrowRightLeft, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import type { Desktop, MoveChoice } from '../data/nouns.ts'
import { movePlanQuery } from '../data/queries.ts'
import { saidWord } from '../i18n/said.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'

/** Choose a host, or let HDCS choose; what would happen stands beneath before it does. */
export function MoveDesktop({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  const [hostId, setHostId] = useState('')
  const [restart, setRestart] = useState(false)
  const ask = { ...(hostId && { hostId }), ...(restart && { restart }) }
  const free = useQuery(movePlanQuery(desktop.id, restart ? { restart } : {}))
  const plan = useQuery(movePlanQuery(desktop.id, ask))
  const move = useWrite(
    () => client.desktopMigrate({ params: { id: desktop.id }, body: ask }),
    ['desktop', 'migration', 'host'],
  )
  const best = free.data?.choice
  return (
    <Dialog onClose={onClose} size="lg" title={t('moves.ask', { name: desktop.name })}>
      <Stack>
        <Text size="sm">{t('moves.lead', { host: desktop.hostName ?? t('common.none') })}</Text>
        {!best ? (
          free.error ? (
            <ErrorPanel error={free.error} retry={() => void free.refetch()} />
          ) : (
            <Skeleton h="8rem" />
          )
        ) : (
          <Radio.Group label={t('moves.where')} value={hostId} onChange={setHostId}>
            <Stack gap="xs" mt="xs">
              <Radio
                value=""
                label={t('moves.choose')}
                description={
                  best.hostName
                    ? t('moves.chooses', { host: best.hostName, why: saidWord(best.why) })
                    : saidWord(best.why)
                }
              />
              {best.hosts
                .filter(host => host.hostId !== desktop.hostId)
                .map(host => (
                  <Radio
                    key={host.hostId}
                    value={host.hostId}
                    label={t('moves.hostOf', { host: host.hostName, cluster: host.clusterName })}
                    description={saidWord(host.reason)}
                    disabled={host.nameable === false}
                  />
                ))}
            </Stack>
          </Radio.Group>
        )}
        <div role="status">
          {plan.data ? (
            <Foreseen choice={plan.data.choice} hostId={hostId} />
          ) : (
            plan.isFetching && hostId && <Skeleton h="4rem" />
          )}
        </div>
        {(restart || (plan.data && !plan.data.choice.kind)) && (
          <Checkbox
            label={t('moves.restart')}
            description={t('moves.restartHelp')}
            checked={restart}
            onChange={event => setRestart(event.currentTarget.checked)}
          />
        )}
        <ErrorPanel error={move.error ?? (free.error ? null : plan.error)} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('common.cancel')}
          </Button>
          <Button
            disabled={stale || !plan.data?.choice.kind}
            loading={move.isPending}
            leftSection={<Icon of={ArrowRightLeft} small />}
            onClick={() =>
              move.mutate(undefined, {
                onSuccess: () => {
                  notifyDone(t('actionDone.asked', { action: t('action.migrate'), name: desktop.name }))
                  onClose()
                },
              })
            }
          >
            {t('action.migrate')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}

/** How it would move, and what its person notices; or why it cannot. */
function Foreseen({ choice, hostId }: { choice: MoveChoice; hostId: string }) {
  const { t } = useTranslation()
  const { kind, hostName } = choice
  if (kind && hostName)
    return (
      <Alert
        color={kind === 'offline' ? 'yellow' : 'blue'}
        icon={<Icon of={ArrowRightLeft} />}
        title={t('moves.to', { host: hostName, kind: t(`moveKind.${kind}`) })}
      >
        {t(`moveKindHelp.${kind}`)}
      </Alert>
    )
  const reason = choice.hosts.find(host => host.hostId === hostId)?.reason
  return (
    <Alert color="yellow" icon={<Icon of={TriangleAlert} />} title={t('moves.cannot')}>
      {saidWord(reason ?? choice.why)}
    </Alert>
  )
}
