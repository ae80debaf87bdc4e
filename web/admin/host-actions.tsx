import { useNavigate, useSearch } from '@tanstack/react-router'
import { PowerOff, Wrench } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useRefusal } from '../data/actions.ts'
import type { Host } from '../data/nouns.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Icon } from '../ui/Icon.tsx'
import { Fence } from './host-fence.tsx'
import { EnterMaintenance, LeaveMaintenance } from './host-maintenance.tsx'
import { RemoveHost } from './host-removal.tsx'

/** What may be done with a host; what is not named by the API is not there. */
export function HostActions({ host }: { host: Host }) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const navigate = useNavigate()
  const { show: asked, ...rest } = useSearch({ from: '/person/admin/hosts/$id' })
  const setAsked = (show?: string) =>
    void navigate({ to: '.', search: show ? { ...rest, show } : rest, replace: true, resetScroll: false })
  const close = () => setAsked()
  const inMaintenance = host.state === 'maintenance' || refusal(host.actions, 'leaveMaintenance') === null
  const silent = host.state === 'lost' || host.state === 'suspect'
  const shown = [
    { name: inMaintenance ? 'leaveMaintenance' : 'enterMaintenance', icon: Wrench } as const,
    ...(silent ? [{ name: 'fence', icon: PowerOff } as const] : []),
  ]
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
      {asked === 'fence' && <Fence host={host} onClose={close} />}
    </>
  )
}
