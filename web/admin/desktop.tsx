import { Alert, Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { ArrowRightLeft, ScreenShare, Waypoints } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { DesktopBadge } from '../data/badges.tsx'
import { useMay, useMe } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { desktopQuery, movesQuery } from '../data/queries.ts'
import { stepWord } from '../data/words.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { formatBytes, formatExact } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { DesktopActions } from './desktop-actions.tsx'
import { BeingCaptured, CaptureDesktop } from './desktop-capture.tsx'
import { DesktopDongles } from './desktop-dongles.tsx'
import { DesktopHardware } from './desktop-hardware.tsx'
import { DesktopHistory } from './desktop-history.tsx'
import { MoveDesktop } from './desktop-move.tsx'
import { DesktopScreen } from './desktop-screen.tsx'
import { DesktopSetup } from './desktop-setup.tsx'
import { DesktopSnapshots } from './desktop-snapshots.tsx'
import { DesktopTrouble } from './desktop-trouble.tsx'
import { DesktopVolumes } from './desktop-volumes.tsx'
import { networkText } from './hardware-values.ts'
import { DesktopXml } from './libvirt-xml.tsx'
import { MoveProgress, Moves } from './moves.tsx'
import { InTheBin } from './recycle-bin.tsx'
import { WhyHere } from './why-here.tsx'

export function DesktopDetail() {
  const { t } = useTranslation()
  const { id } = useParams({ from: '/person/admin/desktops/$id' })
  const search = useSearch({ from: '/person/admin/desktops/$id' })
  const navigate = useNavigate()
  const may = useMay()
  const read = useQuery(desktopQuery(id))
  const me = useMe()
  const show = (what?: 'why' | 'move' | 'capture') =>
    void navigate({ to: '.', search: what ? { show: what } : {}, replace: true, resetScroll: false })
  const up = <AnchorLink to="/admin/desktops">{t('desktops.title')}</AnchorLink>
  const desktop = read.data
  if (!desktop) return <PageUnread read={read} up={up} />
  return (
    <>
      <PageHead
        up={up}
        title={desktop.name}
        badge={<DesktopBadge desktop={desktop} size="md" />}
        text={desktop.reason === desktop.trouble?.text ? undefined : saidWord(desktop.reason)}
        actions={
          <>
            {desktop.userId === me.id &&
              (desktop.phase === 'unknown' || desktop.binned ? (
                <ActionButton
                  reason={desktop.binned ? t('bin.here') : t('screen.hostLost')}
                  leftSection={<Icon of={ScreenShare} small />}
                  onClick={() => undefined}
                >
                  {t('action.open')}
                </ActionButton>
              ) : (
                <ButtonLink
                  to="/desktop/$desktopId"
                  params={{ desktopId: id }}
                  leftSection={<Icon of={ScreenShare} small />}
                >
                  {t('action.open')}
                </ButtonLink>
              ))}
            <DesktopActions desktop={desktop} onMove={() => show('move')} onCapture={() => show('capture')} />
          </>
        }
      />
      <Stack gap="lg">
        {desktop.move && may('desktop.read') && <OnItsWay desktopId={id} />}
        <InTheBin desktop={desktop} />
        <BeingCaptured desktop={desktop} />
        <DesktopTrouble desktop={desktop} />
        <SimpleGrid cols={{ base: 1, md: 2, ...(may('desktop.write') && { lg: 3 }) }} spacing="lg">
          {may('desktop.write') && <DesktopScreen desktop={desktop} />}
          <Panel title={t('desktops.overview')}>
            <DesktopFacts desktop={desktop} onWhy={() => show('why')} />
          </Panel>
          <Panel title={t('desktops.connection')}>
            <Facts
              of={[
                [t('desktops.address'), desktop.address ?? t('common.none')],
                [t('desktops.mac'), desktop.nic.mac],
                [t('pools.network'), networkText(t, desktop.nic)],
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
        {may('desktop.read') && <DesktopSetup desktop={desktop} />}
        {may('desktop.read') && <DesktopHardware desktop={desktop} />}
        {may('desktop.read') && <DesktopDongles desktop={desktop} />}
        {may('desktop.read') && desktop.kind === 'persistent' && <DesktopSnapshots desktop={desktop} />}
        {may('host.read') && <DesktopVolumes desktop={desktop} />}
        <DesktopHistory id={id} />
        {may('desktop.read') && <DesktopXml desktop={desktop} />}
        {may('desktop.read') && <PastMoves id={id} />}
      </Stack>
      {search.show === 'why' && <WhyHere desktop={desktop} onClose={show} />}
      {search.show === 'move' && <MoveDesktop desktop={desktop} onClose={show} />}
      {search.show === 'capture' && may('template.write') && <CaptureDesktop desktop={desktop} onClose={show} />}
    </>
  )
}

function DesktopFacts({ desktop, onWhy }: { desktop: Desktop; onWhy: () => void }) {
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
            <Group key="host" gap="xs" component="span">
              <AnchorLink to="/admin/hosts/$id" params={{ id: desktop.hostId }}>
                {desktop.hostName}
              </AnchorLink>
              <Button
                size="compact-xs"
                variant="default"
                // A third of a page is narrow for some languages.
                h="auto"
                styles={{ label: { whiteSpace: 'normal' } }}
                leftSection={<Icon of={Waypoints} small />}
                onClick={onWhy}
              >
                {t('why.ask')}
              </Button>
            </Group>
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
        ...(desktop.saved
          ? [
              [
                t('saved.title'),
                t('saved.text', { size: formatBytes(desktop.saved.bytes), when: formatExact(desktop.saved.at) }),
              ] as [string, React.ReactNode],
            ]
          : []),
        [t('desktops.since'), <TimeAgo key="since" at={desktop.since} />],
      ]}
    />
  )
}

/** The move that is under way: how far, and the way to stop it. */
function OnItsWay({ desktopId }: { desktopId: string }) {
  const { t } = useTranslation()
  const [move] = useQuery(movesQuery({ desktopId, open: true, limit: 1 })).data?.items ?? []
  if (!move) return null
  return (
    <Alert
      color="blue"
      icon={<Icon of={ArrowRightLeft} />}
      title={t('moves.toHost', { name: move.desktopName, host: move.toHostName })}
    >
      <Text size="sm" mb="xs">
        {t(`moveKindHelp.${move.kind}`)}
      </Text>
      <MoveProgress move={move} />
    </Alert>
  )
}

/** Where it was before; nothing for one that never moved. */
function PastMoves({ id }: { id: string }) {
  const { t } = useTranslation()
  const any = useQuery(movesQuery({ desktopId: id, limit: 1 })).data?.items.length
  if (!any) return null
  return (
    <div>
      <Title order={2} size="h5" mb="sm">
        {t('moves.title')}
      </Title>
      <Moves query={{ desktopId: id }} />
    </div>
  )
}
