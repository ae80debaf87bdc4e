import { Button, Group, Progress, Text } from '@mantine/core'
import { ChevronDown, ChevronUp, CircleAlert, ListChecks, LoaderCircle } from 'lucide-react'
import { type ReactNode, useId } from 'react'
import { useTranslation } from 'react-i18next'
import { Icon } from './Icon.tsx'
import classes from './TaskTray.module.css'

export interface TrayTask {
  id: string
  title: string
  badge: ReactNode
  when: ReactNode
  /** The step at hand, or what is wrong. */
  text: string | null
  failed: boolean
  /** Null: it has ended. */
  progress: number | null
  /** To its page. */
  link: ReactNode
  cancel?: () => void
}

interface TaskTrayProps {
  tasks: TrayTask[]
  opened: boolean
  /** To the page of all of them. */
  all: ReactNode
  onToggle: () => void
  onRead: (task: TrayTask) => void
}

/** What is under way, at the bottom of every page; what failed stays until it was read. */
export function TaskTray({ tasks, opened, all, onToggle, onRead }: TaskTrayProps) {
  const { t } = useTranslation()
  const listId = useId()
  const running = tasks.filter(task => task.progress !== null).length
  const failed = tasks.filter(task => task.failed).length
  const word = [
    ...(failed ? [t('tasks.failed', { count: failed })] : []),
    ...(running ? [t('tasks.running', { count: running })] : []),
  ].join(' · ')
  return (
    <aside className={classes.tray} aria-label={t('tasks.title')}>
      {opened && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keyboard
        <ul className={classes.list} id={listId} tabIndex={0} aria-label={t('tasks.title')}>
          {tasks.length === 0 && <li className={classes.item}>{t('tasks.empty')}</li>}
          {tasks.map(task => (
            <li key={task.id} className={classes.item}>
              <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
                <Text size="sm" fw={600}>
                  {task.title}
                </Text>
                {task.badge}
              </Group>
              {task.text && (
                <Text size="xs" c={task.failed ? 'var(--mantine-color-error)' : 'dimmed'} mt={2}>
                  {task.text}
                </Text>
              )}
              {task.progress !== null && (
                <Progress value={Math.max(4, task.progress)} mt="xs" size="sm" aria-label={task.title} />
              )}
              {task.failed && (
                <Text size="xs" mt={4}>
                  {t('tasks.next')}
                </Text>
              )}
              <Group gap="xs" mt={4} justify="space-between">
                <Text size="xs" c="dimmed">
                  {task.when}
                </Text>
                <Group gap={4}>
                  {task.link}
                  {task.cancel && (
                    <Button
                      size="compact-xs"
                      variant="subtle"
                      onClick={task.cancel}
                      aria-label={t('tasks.cancelNamed', { name: task.title })}
                    >
                      {t('tasks.cancel')}
                    </Button>
                  )}
                  {task.failed && (
                    <Button
                      size="compact-xs"
                      variant="subtle"
                      onClick={() => onRead(task)}
                      aria-label={t('tasks.readNamed', { name: task.title })}
                    >
                      {t('tasks.read')}
                    </Button>
                  )}
                </Group>
              </Group>
            </li>
          ))}
          <li className={classes.item}>{all}</li>
        </ul>
      )}
      <button
        type="button"
        className={classes.toggle}
        data-tone={failed ? 'bad' : running ? 'busy' : undefined}
        aria-expanded={opened}
        aria-controls={opened ? listId : undefined}
        onClick={onToggle}
      >
        <Icon of={failed ? CircleAlert : running ? LoaderCircle : ListChecks} small />
        {word || t('frame.tasks')}
        <Icon of={opened ? ChevronDown : ChevronUp} small />
      </button>
    </aside>
  )
}
