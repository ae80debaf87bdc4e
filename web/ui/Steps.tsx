import { VisuallyHidden } from '@mantine/core'
import { Check, Circle, LoaderCircle, X } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Icon } from './Icon.tsx'
import classes from './Steps.module.css'
import type { Step } from './step.ts'

const marks = { done: Check, current: LoaderCircle, waiting: Circle, failed: X }

/** What has been done, what is done now, what comes. */
export function Steps({ of }: { of: Step[] }) {
  const { t } = useTranslation()
  const words = {
    done: t('ready.stateDone'),
    current: t('ready.stateCurrent'),
    waiting: t('ready.stateWaiting'),
    failed: t('taskState.failed'),
  }
  return (
    <ol className={classes.steps} aria-label={t('ready.steps')}>
      {of.map(step => (
        <li
          key={step.name}
          className={classes.step}
          data-state={step.state}
          aria-current={step.state === 'current' ? 'step' : undefined}
        >
          <span className={classes.mark}>
            <Icon of={marks[step.state]} small />
          </span>
          <span>
            {step.name}
            <VisuallyHidden> ({words[step.state]})</VisuallyHidden>
          </span>
        </li>
      ))}
    </ol>
  )
}
