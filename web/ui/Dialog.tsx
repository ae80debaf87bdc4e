import { Modal, type ModalProps } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'

/** Where the focus was: of an item of a menu that is about to close, the button that opened the menu. */
function focusedNow(): Element | null {
  const focused = document.activeElement
  const menuOf = focused?.closest('[role="menu"]')?.getAttribute('aria-labelledby')
  return menuOf ? document.getElementById(menuOf) : focused
}

/** A dialogue that is there while it is asked for, and gives the focus back where it was when it goes. */
export function Dialog({ onClose, children, ...rest }: Omit<ModalProps, 'opened'>) {
  const { t } = useTranslation()
  const [before] = useState(focusedNow)
  useEffect(
    () => () => {
      // After the last frame of the dialogue: it still holds the focus while it is being removed.
      requestAnimationFrame(() => {
        if (before instanceof HTMLElement && before.isConnected) before.focus()
      })
    },
    [before],
  )
  return (
    <Modal opened onClose={onClose} closeButtonProps={{ 'aria-label': t('common.close') }} {...rest}>
      {children}
    </Modal>
  )
}
