import { useNavigate } from '@tanstack/react-router'
import { Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Pool, PoolRemoval } from '../data/nouns.ts'
import { poolRemovalQuery, queryClient } from '../data/queries.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { formatList, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'

/** More names than this: nobody reads on. */
const mostNamed = 10

/** Removes a pool; who loses what is read anew before the question. */
export function RemovePool({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const [loss, setLoss] = useState<Loss | null>(null)
  const [reading, setReading] = useState(false)
  const remove = useWrite(
    (force: boolean) => client.poolDelete({ params: { id: pool.id }, query: { force } }),
    ['pool', 'desktop'],
  )
  const lostBy = usePoolLoss()
  const ask = async () => {
    setReading(true)
    try {
      const plan = await queryClient.fetchQuery(poolRemovalQuery(pool.id))
      setLoss({
        title: t('loss.title', { action: t('action.delete'), name: pool.name }),
        facts: [
          [t('pools.total'), formatNumber(plan.desktops)],
          [t('pools.assigned'), formatNumber(plan.people.length)],
          [t('pools.connected'), formatNumber(plan.sessions)],
        ],
        lost: [t('pools.deleteLoss', { count: plan.desktops }), ...lostBy(plan)].join(' '),
        ...(plan.people.length > 0 && { also: t('pools.deleteForce') }),
        ...(plan.loss && { typeName: pool.name }),
        confirm: t('common.delete'),
        act: async force => {
          await remove.mutateAsync(force)
          notifyDone(t('pools.deleted', { name: pool.name }))
          await navigate({ to: '/admin/pools' })
        },
      })
    } catch (error) {
      notifyError(error)
    } finally {
      setReading(false)
    }
  }
  return (
    <>
      <ActionButton
        size="xs"
        variant="default"
        danger
        loading={reading}
        leftSection={<Icon of={Trash2} small />}
        reason={refusal(pool.actions, 'delete') ?? null}
        onClick={() => void ask()}
      >
        {t('common.delete')}
      </ActionButton>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}

/** Whom it concerns, in sentences. */
function usePoolLoss() {
  const { t } = useTranslation()
  return ({ people, sessions, versions }: PoolRemoval): string[] => {
    const some = (names: string[]) => formatList(names.slice(0, mostNamed)) + (names.length > mostNamed ? ' …' : '')
    const losing = (loses: 'disk' | 'unsaved') => {
      const those = people.filter(one => one.loses === loses)
      const names = some(
        those.map(({ desktopName: desktop, userName: person }) => t('poolRemoval.person', { desktop, person })),
      )
      const count = those.length
      const said = { count, formatted: formatNumber(count), names }
      return count === 0 ? [] : [t(loses === 'disk' ? 'poolRemoval.disks' : 'poolRemoval.unsaved', said)]
    }
    const told = (ends: boolean) => {
      const those = versions.filter(version => version.ends === ends)
      const names = some(those.map(({ templateName: name, number }) => t('poolRemoval.version', { name, number })))
      return those.length === 0 ? [] : [t(ends ? 'poolRemoval.ends' : 'poolRemoval.stays', { names })]
    }
    const connected =
      sessions > 0 ? [t('poolRemoval.sessions', { count: sessions, formatted: formatNumber(sessions) })] : []
    return [...losing('disk'), ...losing('unsaved'), ...connected, ...told(true), ...told(false)]
  }
}
