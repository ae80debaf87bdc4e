import { notifications } from '@mantine/notifications'
import i18next from 'i18next'
import { Check, CircleAlert } from 'lucide-react'
import { Icon } from './Icon.tsx'
import { problemOf } from './problem.ts'

const closeButtonProps = () => ({ 'aria-label': i18next.t('common.dismiss') })

/** Something a person asked for was done. */
export function notifyDone(message: string): void {
  notifications.show({ message, icon: <Icon of={Check} small />, color: 'teal', closeButtonProps: closeButtonProps() })
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
