import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import type { Task } from '../data/nouns.ts'
import { isOpen } from '../data/tasks.ts'
import { takesBackWord } from '../data/words.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { notifyDone } from '../ui/notify.tsx'

/** Calls a task off, after saying what that takes back. Nothing where it is over; the reason where it cannot be. */
export function TaskCancel({ task, title }: { task: Task; title: string }) {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  const [loss, setLoss] = useState<Loss | null>(null)
  const cancel = useWrite(
    () => client.taskCancel({ params: { id: task.id } }),
    ['task', 'desktop', 'pool', 'template', 'host'],
  )
  const { takesBack } = task
  if (!isOpen(task)) return null
  const ask = () => {
    const words = takesBackWord(t, task)
    setLoss({
      title: t('taskPage.cancelTitle', { name: title }),
      lost: words,
      ...(!takesBack?.loss && { kept: words }),
      confirm: t('tasks.cancel'),
      keep: t('taskPage.goOn'),
      act: async () => {
        await cancel.mutateAsync(undefined)
        notifyDone(t('taskPage.cancelled', { name: title }))
      },
    })
  }
  return (
    <>
      <ActionButton
        size="xs"
        variant="default"
        danger={takesBack?.loss ?? false}
        reason={stale ? t('frame.offlineAction') : task.cancellable ? null : t('taskPage.notCancellable')}
        onClick={ask}
      >
        {t('tasks.cancel')}
      </ActionButton>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}
