import { Button, type ButtonProps, Tooltip } from '@mantine/core'
import type { ReactNode } from 'react'

interface ActionButtonProps extends ButtonProps {
  /** Null: allowed. Else the sentence that says why not. */
  reason: string | null
  /** Something is lost by it. */
  danger?: boolean
  onClick: () => void
  children: ReactNode
}

/** A button of something the API may refuse: it stays visible and focusable with its reason, so a person learns why. */
export function ActionButton({ reason, danger = false, onClick, children, ...rest }: ActionButtonProps) {
  const refused = reason !== null
  const button = (
    <Button
      {...rest}
      {...(danger && !refused && { c: 'var(--mantine-color-error)' })}
      {...(refused && { 'data-disabled': true, 'aria-disabled': true, 'aria-description': reason })}
      onClick={event => (refused ? event.preventDefault() : onClick())}
    >
      {children}
    </Button>
  )
  return reason ? <Tooltip label={reason}>{button}</Tooltip> : button
}
