import { useDisclosure, useLocalStorage } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { TaskBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import type { Task } from '../data/nouns.ts'
import { tasksQuery } from '../data/queries.ts'
import { isOpen } from '../data/tasks.ts'
import { stepWord, taskWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { notifyError } from '../ui/notify.tsx'
import { TaskTray, type TrayTask } from '../ui/TaskTray.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'

/** How many are looked at. Fewer: a failure of the morning slips out unseen; more: a longer answer on every change. */
const looked = 30
/** A task that ended well is shown this long, so that one sees it end. */
const shownAfterMs = 60_000

/** The task tray of the console: each leads to its page with steps and log. */
export function Tray() {
  const { t } = useTranslation()
  const [opened, tray] = useDisclosure(false)
  const [read, setRead] = useLocalStorage<string[]>({ key: 'hdcs.tasks.read', defaultValue: [] })
  const { data } = useQuery(tasksQuery({ limit: looked }))
  const cancel = useWrite((id: string) => client.taskCancel({ params: { id } }), ['task'])

  const ended = (task: Task) => !isOpen(task)
  const fresh = (task: Task) => task.finishedAt && Date.now() - new Date(task.finishedAt).getTime() < shownAfterMs
  const tasks = (data?.items ?? [])
    .filter(task => !ended(task) || (task.state === 'failed' ? !read.includes(task.id) : fresh(task)))
    .map((task): TrayTask => {
      const current = task.steps.find(step => step.state === 'current')
      return {
        id: task.id,
        title: t('tasks.what', { kind: taskWord(t, task.kind), name: task.subject.name }),
        badge: <TaskBadge task={task} />,
        when: <TimeAgo at={task.createdAt} />,
        text: saidWord(task.error?.text) ?? (current ? stepWord(t, current.text ?? current.name) : null),
        failed: task.state === 'failed',
        progress: ended(task) ? null : task.progress,
        link: (
          <AnchorLink
            to="/admin/tasks/$id"
            params={{ id: task.id }}
            size="xs"
            onClick={tray.close}
            aria-label={t('tasks.openNamed', {
              name: t('tasks.what', { kind: taskWord(t, task.kind), name: task.subject.name }),
            })}
          >
            {t('tasks.open')}
          </AnchorLink>
        ),
        ...(task.cancellable &&
          !ended(task) && { cancel: () => cancel.mutate(task.id, { onError: error => notifyError(error) }) }),
      }
    })
  return (
    <TaskTray
      tasks={tasks}
      opened={opened}
      all={
        <AnchorLink to="/admin/tasks" size="xs" onClick={tray.close}>
          {t('taskPage.all')}
        </AnchorLink>
      }
      onToggle={tray.toggle}
      onRead={task => setRead(now => [...now.slice(-200), task.id])}
    />
  )
}
