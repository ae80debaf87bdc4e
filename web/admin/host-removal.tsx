import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Host, HostRemoval } from '../data/nouns.ts'
import { removalQuery } from '../data/queries.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss } from '../ui/ConfirmLoss.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'

type Fate = HostRemoval['desktops'][number]['fate']
const fates = ['lost', 'returned', 'moved', 'remade'] as const satisfies Fate[]
const rankOf = ({ fate }: { fate: Fate }) => fates.indexOf(fate)

/**
 * An empty host simply leaves; one that is lost may be given up with what was on it, after it was said, desktop by
 * desktop, what becomes of them.
 */
export function RemoveHost({ host }: { host: Host }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const [asked, setAsked] = useState(false)
  const remove = useWrite(
    (force: boolean) => client.hostRemove({ params: { id: host.id }, query: { force } }),
    ['host', 'cluster', 'site', 'desktop'],
  )
  const plain = refusal(host.actions, 'remove')
  const force = plain !== null && refusal(host.actions, 'forceRemove') === null
  const plan = useQuery({ ...removalQuery(host.id), enabled: asked && force })
  if (plain === undefined) return null
  // What is lost stands first: of hundreds nobody reads the last.
  const items = (force ? (plan.data?.desktops ?? []) : []).toSorted((a, b) => rankOf(a) - rankOf(b))
  return (
    <>
      <ActionButton
        size="xs"
        variant="default"
        reason={force ? null : plain}
        danger
        leftSection={<Icon of={Trash2} small />}
        onClick={() => setAsked(true)}
      >
        {force ? t('removal.giveUp') : t('common.remove')}
      </ActionButton>
      <ConfirmLoss
        loss={
          asked && (!force || plan.data)
            ? {
                title: t(force ? 'removal.title' : 'loss.title', { action: t('action.remove'), name: host.name }),
                facts: items.map(item => [item.desktopName, <FateOf key={item.desktopId} of={item} />]),
                lost: force ? t('removal.lost') : t('hosts.removeLoss'),
                ...(force && items.length > 0 && { typeName: host.name }),
                confirm: t('action.remove'),
                act: async () => {
                  await remove.mutateAsync(force)
                  notifyDone(t('hosts.removed', { name: host.name }))
                  await navigate({ to: '/admin/hosts' })
                },
              }
            : null
        }
        onClose={() => setAsked(false)}
      />
    </>
  )
}

function FateOf({ of: item }: { of: HostRemoval['desktops'][number] }) {
  const { t } = useTranslation()
  return (
    <>
      <Text size="sm" fw={item.fate === 'lost' ? 600 : 400}>
        {item.hostName && (item.fate === 'moved' || item.fate === 'returned')
          ? t(`removal.${item.fate}To`, { host: item.hostName })
          : t(`fate.${item.fate}`)}
      </Text>
      {item.losesDongle && <Text size="sm">{t('removal.losesDongle')}</Text>}
      {item.userName && (
        <Text size="xs" c="dimmed">
          {item.userName}
        </Text>
      )}
    </>
  )
}
