import { Button, type ButtonProps, Tooltip } from '@mantine/core'
import type { ReactNode } from 'react'

/**
 * A button of something the API may refuse: it stays visible and focusable with its reason, so a person learns why.
 * `reason` null: allowed.
 */
export function ActionButton({
  reason,
  onClick,
  children,
  ...rest
}: ButtonProps & { reason: string | null; onClick: () => void; children: ReactNode; 'aria-label'?: string }) {
  const button = (
    <Button
      {...rest}
      {...(reason !== null && { 'data-disabled': true, 'aria-disabled': true })}
      onClick={event => (reason === null ? onClick() : event.preventDefault())}
    >
      {children}
    </Button>
  )
  return reason ? <Tooltip label={reason}>{button}</Tooltip> : button
}
