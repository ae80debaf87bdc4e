import { ActionIcon, Menu, Modal, Text, Title } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { ArrowRight, CircleHelp, Download, Ellipsis, Hourglass, Power, RotateCcw, Undo2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { DesktopBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import type { Desktop, DesktopAction } from '../data/nouns.ts'
import { personNotice } from '../data/words.ts'
import { ButtonLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss } from '../ui/ConfirmLoss.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { Picture } from '../ui/Picture.tsx'
import { BackNotice } from './BackNotice.tsx'
import classes from './Cards.module.css'
import { useStart } from './claim.ts'
import { useGiveBack } from './give-back.ts'

/** One desktop of mine: how it is, and the one thing to do with it. */
export function DesktopCard({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const [asking, setAsking] = useState(false)
  const [leaving, leave] = useDisclosure(false)
  const refusal = useRefusal()
  const start = useStart()
  const giveBack = useGiveBack(desktop)
  const act = useWrite((name: DesktopAction) => client.desktopAct({ params: { id: desktop.id, name } }), ['desktop'])
  const restart = () =>
    act.mutate('reboot', {
      onSuccess: () => notifyDone(t('portal.restarting', { name: desktop.name })),
      onError: error => notifyError(error),
    })
  const shutdown = () => act.mutate('shutdown', { onError: error => notifyError(error) })
  const on = { params: { desktopId: desktop.id } }
  const wake = desktop.phase === 'paused' ? 'resume' : 'start'
  const wakeRefusal = refusal(desktop.actions, wake)
  const asleep = desktop.phase === 'stopped' || desktop.phase === 'paused' || desktop.phase === 'failed'
  const notice = personNotice(t, desktop)
  const usable = desktop.phase === 'ready' || desktop.phase === 'unknown'

  return (
    <article className={classes.card} aria-labelledby={`desktop-${desktop.id}`}>
      <div className={classes.picture}>
        <Picture name={desktop.poolName} dimmed={!usable} />
        <div className={classes.badge}>
          <DesktopBadge desktop={desktop} size="md" />
        </div>
      </div>
      <div className={classes.body}>
        <Title order={3} size="h4" id={`desktop-${desktop.id}`}>
          {desktop.name}
        </Title>
        <Text size="sm" c="dimmed">
          {desktop.poolName} · {t(desktop.kind === 'floating' ? 'portal.resets' : 'portal.keeps')}
        </Text>
        {notice && (
          <Text size="sm" c="var(--mantine-color-error)" role="status">
            {notice}
          </Text>
        )}
        {desktop.backAt && (
          <Text size="sm" c="var(--hdcs-warn-ink)" role="status">
            <BackNotice at={desktop.backAt} />
          </Text>
        )}
        {desktop.move && (
          <Text size="sm" role="status">
            {t(desktop.move.kind === 'offline' ? 'portal.movingOff' : 'portal.moving')}
          </Text>
        )}
        <ErrorPanel error={start.error} />
        <div className={classes.foot}>
          {usable ? (
            <ButtonLink
              data-primary
              to="/desktop/$desktopId"
              {...on}
              aria-label={`${t('portal.open')} – ${desktop.name}`}
              rightSection={<Icon of={ArrowRight} />}
            >
              {t('portal.open')}
            </ButtonLink>
          ) : asleep ? (
            <ActionButton
              data-primary
              loading={start.isPending}
              reason={wakeRefusal === undefined ? t('problem.code.forbidden') : wakeRefusal}
              leftSection={<Icon of={Power} />}
              onClick={() => start.mutate({ id: desktop.id, poolId: desktop.poolId, how: wake })}
            >
              {t('portal.start')}
            </ActionButton>
          ) : (
            <ButtonLink
              data-primary
              variant="light"
              to="/ready/$desktopId"
              {...on}
              leftSection={<Icon of={Hourglass} />}
            >
              {t('portal.watch')}
            </ButtonLink>
          )}
          <Menu position="bottom-end" width={260}>
            <Menu.Target>
              <ActionIcon variant="default" size="input-sm" aria-label={t('portal.menuNamed', { name: desktop.name })}>
                <Icon of={Ellipsis} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <MenuAction
                icon={RotateCcw}
                label={t('portal.menu.restart')}
                reason={refusal(desktop.actions, 'reboot')}
                act={restart}
              />
              <MenuAction
                icon={Power}
                label={t('portal.menu.shutdown')}
                reason={refusal(desktop.actions, 'shutdown')}
                act={shutdown}
              />
              <Menu.Item
                component="a"
                href={`/api/v1/desktops/${desktop.id}/viewer-file`}
                download={`${desktop.name}.vv`}
                leftSection={<Icon of={Download} small />}
              >
                {t('portal.menu.viewer')}
                <Text size="xs" c="dimmed">
                  {t('portal.menu.viewerHelp')}
                </Text>
              </Menu.Item>
              <Menu.Item leftSection={<Icon of={CircleHelp} small />} onClick={leave.open}>
                {t('portal.menu.leave')}
              </Menu.Item>
              <Menu.Divider />
              <MenuAction
                icon={Undo2}
                label={`${t('portal.menu.giveBack')}…`}
                reason={refusal(desktop.actions, 'release')}
                act={() => setAsking(true)}
              />
            </Menu.Dropdown>
          </Menu>
        </div>
      </div>
      <ConfirmLoss loss={asking ? giveBack : null} onClose={() => setAsking(false)} />
      <Modal
        opened={leaving}
        onClose={leave.close}
        title={t('portal.leave.title')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <Text size="sm">{t(`portal.leave.${desktop.kind}`)}</Text>
      </Modal>
    </article>
  )
}

/** `reason` undefined: not there. A string: there, but not now, with the reason in it. */
function MenuAction(props: { icon: typeof Power; label: string; reason: string | null | undefined; act: () => void }) {
  if (props.reason === undefined) return null
  return (
    <Menu.Item leftSection={<Icon of={props.icon} small />} disabled={props.reason !== null} onClick={props.act}>
      {props.label}
      {props.reason && <Text size="xs">{props.reason}</Text>}
    </Menu.Item>
  )
}
