import { Button, type ButtonProps, Tooltip } from '@mantine/core'
import { useClickOutside } from '@mantine/hooks'
import { type ReactNode, useState } from 'react'

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
  // Who taps has no pointer that rests on it: the tap itself says why, until the next one elsewhere.
  const [asked, setAsked] = useState(false)
  const outside = useClickOutside(() => setAsked(false))
  const button = (
    <Button
      {...rest}
      {...(danger && !refused && { c: 'var(--mantine-color-error)' })}
      {...(refused && { 'data-disabled': true, 'aria-disabled': true, 'aria-description': reason })}
      ref={outside}
      onBlur={() => setAsked(false)}
      onClick={event => {
        if (!refused) return onClick()
        event.preventDefault()
        setAsked(true)
      }}
    >
      {children}
    </Button>
  )
  if (reason === null) return button
  return (
    <Tooltip label={reason} {...(asked && { opened: true })}>
      {button}
    </Tooltip>
  )
}
