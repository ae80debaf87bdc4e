import { Code, ScrollArea, Text } from '@mantine/core'
import { useDisclosure, useLocalStorage } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { TaskBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import type { Task } from '../data/nouns.ts'
import { taskLogQuery, tasksQuery } from '../data/queries.ts'
import { stepWord, taskWord } from '../data/words.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatNumber, formatTime } from '../ui/format.ts'
import { notifyError } from '../ui/notify.tsx'
import { TaskTray, type TrayTask } from '../ui/TaskTray.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'

/** How many are looked at. Fewer: a failure of the morning slips out unseen; more: a longer answer on every change. */
const looked = 30
/** A task that ended well is shown this long, so that one sees it end. */
const shownAfterMs = 60_000

/** The task tray of the console, with the log of a task behind it. */
export function Tasks() {
  const { t } = useTranslation()
  const [opened, tray] = useDisclosure(false)
  const [log, setLog] = useState<TrayTask | null>(null)
  const [read, setRead] = useLocalStorage<string[]>({ key: 'hdcs.tasks.read', defaultValue: [] })
  const { data } = useQuery(tasksQuery({ limit: looked }))
  const cancel = useWrite((id: string) => client.taskCancel({ params: { id } }), ['task'])

  const ended = (task: Task) => task.state !== 'queued' && task.state !== 'running'
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
        text: task.error?.text ?? (current ? stepWord(t, current.text ?? current.name) : null),
        failed: task.state === 'failed',
        progress: ended(task) ? null : task.progress,
        ...(task.cancellable &&
          !ended(task) && { cancel: () => cancel.mutate(task.id, { onError: error => notifyError(error) }) }),
      }
    })
  return (
    <>
      <TaskTray
        tasks={tasks}
        opened={opened}
        onToggle={tray.toggle}
        onLog={setLog}
        onRead={task => setRead(now => [...now.slice(-200), task.id])}
      />
      {log && <TaskLog task={log} onClose={() => setLog(null)} />}
    </>
  )
}

function TaskLog({ task, onClose }: { task: TrayTask; onClose: () => void }) {
  const { t } = useTranslation()
  const { data, error } = useQuery(taskLogQuery(task.id))
  return (
    <Dialog onClose={onClose} size="xl" title={task.title}>
      <ErrorPanel error={error} />
      {task.failed && task.text && (
        <Text size="sm" c="var(--mantine-color-error)" mb="sm">
          {task.text}
        </Text>
      )}
      {data && data.summary.steps.length > 0 && (
        <Text size="sm" mb="sm">
          {[
            t('customise.summary', { seconds: formatNumber(data.summary.ms / 1000, 1) }),
            ...data.summary.steps.map(
              ({ name, ms, exitCode }) =>
                `${stepWord(t, name)} ${formatNumber(ms / 1000, 1)} s${exitCode ? ` (${t('customise.exit', { code: exitCode })})` : ''}`,
            ),
          ].join(' · ')}
        </Text>
      )}
      <ScrollArea.Autosize mah="60vh">
        {data?.items.length ? (
          <Code block>{data.items.map(line => `${formatTime(line.at)}  ${line.text}`).join('\n')}</Code>
        ) : (
          <Text size="sm" c="dimmed">
            {t('tasks.noLog')}
          </Text>
        )}
      </ScrollArea.Autosize>
    </Dialog>
  )
}
