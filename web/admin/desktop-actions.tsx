/** What can be done with one desktop: often used at hand, the others in a menu, and last, apart, what removes it. */
import { useNavigate } from '@tanstack/react-router'
import { ArrowRightLeft, Copy, Package, Pencil, ScreenShare, SquareTerminal } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Desktop, DesktopAction } from '../data/nouns.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { Icon } from '../ui/Icon.tsx'
import { type MoreItem, MoreMenu } from '../ui/MoreMenu.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { pairFitting } from './action-pairs.ts'
import { CopyDialog, RenameDialog } from './desktop-copy.tsx'
import { asksFirst, desktopLoss } from './desktop-loss.ts'
import { useUndo } from './desktop-undo.ts'

const atHand = ['start', 'resume', 'shutdown', 'suspend'] as const
const power = ['save', 'reboot', 'reset', 'poweroff'] as const

interface DesktopActionsProps {
  desktop: Desktop
  onMove: () => void
  onCapture: () => void
}

export function DesktopActions({ desktop, onMove, onCapture }: DesktopActionsProps) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const undo = useUndo()
  const navigate = useNavigate()
  const [loss, setLoss] = useState<Loss | null>(null)
  const [open, setOpen] = useState<'copy' | 'rename' | null>(null)
  const { id, name: whose, actions } = desktop
  const act = useWrite((name: DesktopAction) => client.desktopAct({ params: { id, name } }), ['desktop', 'pool'])
  const ask = (name: DesktopAction) => {
    const done = () =>
      notifyDone(t('actionDone.asked', { action: t(`action.${name}`), name: whose }), undo(name, [desktop]))
    if (!asksFirst(name)) return act.mutate(name, { onSuccess: done, onError: error => notifyError(error) })
    setLoss({
      ...desktopLoss(t, name, [desktop]),
      act: async () => {
        await act.mutateAsync(name)
        done()
      },
    })
  }
  /** Nothing where the API does not name the action. */
  const item = (name: string, rest: Omit<MoreItem, 'name' | 'reason'>): MoreItem[] => {
    const reason = refusal(actions, name)
    return reason === undefined ? [] : [{ name, reason, ...rest }]
  }
  const asked = (name: DesktopAction, rest: Partial<MoreItem> = {}) =>
    item(name, { label: t(`action.${name}`), onClick: () => ask(name), ...rest })
  const screen = () => void navigate({ to: '/admin/desktops/$id/screen', params: { id } })
  const console = () => void navigate({ to: '/admin/desktops/$id/console', params: { id } })
  const write = may('desktop.write')
  const buttons = [
    ...pairFitting(
      atHand.flatMap(name => asked(name)),
      desktop.phase === 'paused',
    ),
    ...(write
      ? [
          ...item('screen', { label: t('watch.button'), icon: ScreenShare, onClick: screen }),
          ...item('console', { label: t('console.button'), icon: SquareTerminal, onClick: console }),
        ]
      : []),
  ]
  const capture = { label: t('templates.captureAsk'), icon: Package, onClick: onCapture }
  const more = [
    ...power.flatMap(name => asked(name)),
    ...item('migrate', { label: t('moves.button'), icon: ArrowRightLeft, apart: true, onClick: onMove }),
    ...(may('template.write') ? item('capture', capture) : []),
    ...(write
      ? [
          ...item('clone', { label: t('action.clone'), icon: Copy, onClick: () => setOpen('copy') }),
          ...item('rename', { label: t('action.rename'), icon: Pencil, onClick: () => setOpen('rename') }),
        ]
      : []),
    ...asked('release', { apart: true }),
  ]
  const button = ({ name, label, icon, reason, danger = false, onClick }: MoreItem) => (
    <ActionButton
      key={name}
      size="xs"
      variant="default"
      ml={danger ? 'md' : 0}
      reason={reason}
      danger={danger}
      leftSection={icon && <Icon of={icon} small />}
      onClick={onClick}
    >
      {label}
    </ActionButton>
  )
  return (
    <>
      {buttons.map(button)}
      <MoreMenu items={more} />
      {asked('delete', { danger: true }).map(button)}
      {open === 'copy' && <CopyDialog desktop={desktop} onClose={() => setOpen(null)} />}
      {open === 'rename' && <RenameDialog desktop={desktop} onClose={() => setOpen(null)} />}
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}
