import { Button, Group } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import i18next from 'i18next'
import { Check, CircleAlert } from 'lucide-react'
import { Icon } from './Icon.tsx'
import { problemOf } from './problem.ts'

const closeButtonProps = () => ({ 'aria-label': i18next.t('common.dismiss') })

/** Time to read what went where, and to think better of it. Shorter: gone before the hand is there; longer: notices pile up. */
const undoMs = 12_000

/** Something a person asked for was done. @param undo takes it back; asked for once. */
export function notifyDone(message: string, undo?: () => void): void {
  const id = notifications.show({
    message: undo ? (
      <Group gap="xs" justify="space-between">
        {message}
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            notifications.hide(id)
            undo()
          }}
        >
          {i18next.t('common.undo')}
        </Button>
      </Group>
    ) : (
      message
    ),
    ...(undo && { autoClose: undoMs }),
    icon: <Icon of={Check} small />,
    color: 'teal',
    closeButtonProps: closeButtonProps(),
  })
}

/** Something failed where no dialog is open to say it; stays until it is read. */
export function notifyError(thrown: unknown, title?: string): void {
  const problem = problemOf(thrown)
  const words = problem.known ? i18next.t(`problem.code.${problem.known}`) : i18next.t('problem.network')
  notifications.show({
    title: title ?? i18next.t('problem.title'),
    message: problem.detail || words,
    color: 'red',
    autoClose: false,
    icon: <Icon of={CircleAlert} small />,
    closeButtonProps: closeButtonProps(),
  })
}
