import { useTranslation } from 'react-i18next'
import type { Task } from '../data/nouns.ts'
import { isOpen } from '../data/tasks.ts'
import { formatDuration } from '../ui/format.ts'
import { useNow } from '../ui/TimeAgo.tsx'

/** How long it took, or takes so far; nothing yet before its set time. */
export function TaskTook({ task }: { task: Task }) {
  const { t } = useTranslation()
  const now = useNow()
  if (task.state === 'queued') return <>{t('common.none')}</>
  const end = isOpen(task) ? now : Date.parse(task.finishedAt ?? task.createdAt)
  return <>{formatDuration(end - Date.parse(task.createdAt))}</>
}
