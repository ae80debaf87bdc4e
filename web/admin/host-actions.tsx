import { useNavigate } from '@tanstack/react-router'
import { Trash2, Wrench } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Host } from '../data/nouns.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { EnterMaintenance, LeaveMaintenance } from './host-maintenance.tsx'

/** What may be done with a host; what is not named by the API is not there. */
export function HostActions({ host }: { host: Host }) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const [asked, setAsked] = useState<'enterMaintenance' | 'leaveMaintenance' | null>(null)
  const close = () => setAsked(null)
  const inMaintenance = host.state === 'maintenance' || refusal(host.actions, 'leaveMaintenance') === null
  const shown = [{ name: inMaintenance ? 'leaveMaintenance' : 'enterMaintenance', icon: Wrench }] as const
  return (
    <>
      {shown.map(({ name, icon }) => {
        const reason = refusal(host.actions, name)
        if (reason === undefined) return null
        return (
          <ActionButton
            key={name}
            size="xs"
            variant="default"
            reason={reason}
            leftSection={<Icon of={icon} small />}
            onClick={() => setAsked(name)}
          >
            {t(`action.${name}`)}
          </ActionButton>
        )
      })}
      <RemoveHost host={host} />
      {asked === 'enterMaintenance' && <EnterMaintenance host={host} onClose={close} />}
      {asked === 'leaveMaintenance' && <LeaveMaintenance host={host} onClose={close} />}
    </>
  )
}

function RemoveHost({ host }: { host: Host }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const [loss, setLoss] = useState<Loss | null>(null)
  const remove = useWrite(() => client.hostRemove({ params: { id: host.id } }), ['host', 'cluster', 'site'])
  const name = host.actions.some(action => action.name === 'delete') ? 'delete' : 'remove'
  const reason = refusal(host.actions, name)
  if (reason === undefined) return null
  return (
    <>
      <ActionButton
        size="xs"
        variant="default"
        reason={reason}
        danger
        leftSection={<Icon of={Trash2} small />}
        onClick={() =>
          setLoss({
            title: t('loss.title', { action: t('action.remove'), name: host.name }),
            lost: t('hosts.removeLoss'),
            confirm: t('action.remove'),
            act: async () => {
              await remove.mutateAsync(undefined)
              notifyDone(t('hosts.removed', { name: host.name }))
              await navigate({ to: '/admin/hosts' })
            },
          })
        }
      >
        {t('common.remove')}
      </ActionButton>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}
