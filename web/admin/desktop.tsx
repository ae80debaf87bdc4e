import { Alert, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { CircleAlert, ScreenShare } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { DesktopBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay, useMe } from '../data/me.ts'
import type { Desktop, DesktopAction, Transition } from '../data/nouns.ts'
import { desktopQuery, historyQuery } from '../data/queries.ts'
import { actionWord, stepWord } from '../data/words.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { asksFirst, desktopLoss } from './desktop-loss.ts'

export function DesktopDetail() {
  const { t } = useTranslation()
  const { id } = useParams({ from: '/person/admin/desktops/$id' })
  const read = useQuery(desktopQuery(id))
  const me = useMe()
  const up = <AnchorLink to="/admin/desktops">{t('desktops.title')}</AnchorLink>
  const desktop = read.data
  if (!desktop) return read.error ? <ErrorPanel error={read.error} retry={() => void read.refetch()} /> : <PageWait />
  return (
    <>
      <PageHead
        up={up}
        title={desktop.name}
        badge={<DesktopBadge desktop={desktop} size="md" />}
        text={desktop.reason}
        actions={
          <>
            {desktop.userId === me.id && (
              <ButtonLink
                to="/desktop/$desktopId"
                params={{ desktopId: id }}
                leftSection={<Icon of={ScreenShare} small />}
              >
                {t('action.open')}
              </ButtonLink>
            )}
            <Actions desktop={desktop} />
          </>
        }
      />
      <Stack gap="lg">
        {desktop.trouble && (
          <Alert color="red" icon={<Icon of={CircleAlert} />} title={t('desktops.trouble')}>
            {desktop.trouble.text}
          </Alert>
        )}
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Panel title={t('desktops.overview')}>
            <DesktopFacts desktop={desktop} />
          </Panel>
          <Panel title={t('desktops.connection')}>
            <Facts
              of={[
                [t('desktops.address'), desktop.address ?? t('common.none')],
                [
                  t('desktops.connection'),
                  desktop.session ? (
                    <>
                      {t(`session.${desktop.session.state}`)}, <TimeAgo at={desktop.session.since} />
                    </>
                  ) : (
                    t('common.none')
                  ),
                ],
                ...(desktop.session?.clients
                  ? [
                      [t('common.details'), t('desktops.clients', { count: desktop.session.clients })] as [
                        string,
                        string,
                      ],
                    ]
                  : []),
                [t('desktops.assigned'), <TimeAgo key="assigned" at={desktop.assignedAt} />],
                [t('desktops.made'), <TimeAgo key="made" at={desktop.madeAt} />],
              ]}
            />
          </Panel>
        </SimpleGrid>
        <History id={id} />
      </Stack>
    </>
  )
}

function DesktopFacts({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const may = useMay()
  const { step } = desktop
  return (
    <Facts
      of={[
        [
          t('desktops.person'),
          desktop.userId && may('user.read') ? (
            <AnchorLink to="/admin/people/$id" params={{ id: desktop.userId }} key="person">
              {desktop.userName}
            </AnchorLink>
          ) : (
            (desktop.userName ?? t('desktops.free'))
          ),
        ],
        [
          t('desktops.pool'),
          <AnchorLink to="/admin/pools/$id" params={{ id: desktop.poolId }} key="pool">
            {desktop.poolName}
          </AnchorLink>,
        ],
        [t('desktops.kind'), `${t(`kind.${desktop.kind}`)} – ${t(`kindHelp.${desktop.kind}`)}`],
        [t('desktops.template'), desktop.templateVersion],
        [
          t('desktops.host'),
          desktop.hostId ? (
            <AnchorLink to="/admin/hosts/$id" params={{ id: desktop.hostId }} key="host">
              {desktop.hostName}
            </AnchorLink>
          ) : (
            t('common.none')
          ),
        ],
        ...(step
          ? [
              [
                t('desktops.step'),
                <>
                  {stepWord(t, step.name)}
                  {step.queuePlace !== null && `, ${t('desktops.queue', { place: step.queuePlace })}`}
                </>,
              ] as [string, React.ReactNode],
            ]
          : []),
        [t('desktops.since'), <TimeAgo key="since" at={desktop.since} />],
      ]}
    />
  )
}

const headActions = [
  'start',
  'resume',
  'shutdown',
  'suspend',
  'reboot',
  'poweroff',
  'reset',
  'release',
  'delete',
] as const

function Actions({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const [loss, setLoss] = useState<Loss | null>(null)
  const act = useWrite(
    (name: DesktopAction) => client.desktopAct({ params: { id: desktop.id, name } }),
    ['desktop', 'pool'],
  )
  const ask = (name: DesktopAction) => {
    const done = () => notifyDone(t('actionDone.asked', { action: t(`action.${name}`), name: desktop.name }))
    if (!asksFirst(name)) return act.mutate(name, { onSuccess: done, onError: error => notifyError(error) })
    setLoss({
      ...desktopLoss(t, name, [desktop]),
      act: async () => {
        await act.mutateAsync(name)
        done()
      },
    })
  }
  const other = (name: 'resume' | 'suspend') => refusal(desktop.actions, name === 'resume' ? 'suspend' : 'resume')
  return (
    <>
      {headActions.map(name => {
        const reason = refusal(desktop.actions, name)
        if (reason === undefined) return null
        // One of a pair is enough: what is suspended can only be resumed.
        if (reason !== null && (name === 'resume' || name === 'suspend') && other(name) === null) return null
        return (
          <ActionButton
            key={name}
            size="xs"
            variant="default"
            reason={reason}
            danger={name === 'delete'}
            onClick={() => ask(name)}
          >
            {actionWord(t, name)}
          </ActionButton>
        )
      })}
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}

type Phase = Desktop['phase']

function History({ id }: { id: string }) {
  const { t } = useTranslation()
  const read = useQuery(historyQuery(id))
  const word = (phase: string | null) =>
    phase === null
      ? t('common.none')
      : phase in phaseNames
        ? t(`phase.${phase as Phase}`)
        : phase === 'assigned' || phase === 'released'
          ? t(`became.${phase}`)
          : phase
  const rowId = (row: Transition) => `${row.at} ${row.to} ${row.from}`
  return (
    <Panel flush>
      <Stack gap={2} p="md">
        <Text component="h2" fw={650}>
          {t('desktops.history')}
        </Text>
        <Text size="sm" c="dimmed">
          {t('desktops.historyText')}
        </Text>
      </Stack>
      <DataTable
        noun={t('desktops.history')}
        rows={read.data?.items}
        rowId={rowId}
        rowName={row => row.to}
        state={{ search: '', filters: {}, cursors: [] }}
        onState={() => undefined}
        error={read.error}
        retry={() => void read.refetch()}
        empty={<EmptyState icon={ScreenShare} title={t('desktops.history')} text={t('desktops.noHistory')} />}
        columns={[
          { key: 'at', head: t('desktops.when'), cell: row => <TimeAgo at={row.at} />, text: row => row.at },
          { key: 'from', head: t('desktops.from'), cell: row => word(row.from), text: row => row.from ?? '' },
          { key: 'to', head: t('desktops.to'), cell: row => word(row.to), text: row => row.to },
          { key: 'reason', head: t('desktops.reason'), cell: row => row.reason, text: row => row.reason },
          {
            key: 'by',
            head: t('desktops.by'),
            cell: row => row.userName ?? t('desktops.system'),
            text: row => row.userName ?? '',
          },
        ]}
      />
    </Panel>
  )
}

const phaseNames = {
  making: 0,
  stopped: 0,
  starting: 0,
  ready: 0,
  paused: 0,
  stopping: 0,
  recycling: 0,
  removing: 0,
  failed: 0,
  unknown: 0,
} satisfies Record<Phase, 0>
