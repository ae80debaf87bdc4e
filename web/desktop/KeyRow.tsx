import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Session } from '../../spice/session.ts'
import classes from './Desktop.module.css'

const keys = [
  ['Esc', 'Escape'],
  ['Tab', 'Tab'],
  ['←', 'ArrowLeft'],
  ['↑', 'ArrowUp'],
  ['↓', 'ArrowDown'],
  ['→', 'ArrowRight'],
  ['Del', 'Delete'],
  ['Enter', 'Enter'],
] as const
const holds = [
  ['Ctrl', 'ControlLeft'],
  ['Alt', 'AltLeft'],
  ['Shift', 'ShiftLeft'],
] as const

/** Keys that a phone's keyboard lacks. Ctrl, Alt and Shift wait for the next key. */
export function KeyRow({ session }: { session: Session }) {
  const { t } = useTranslation()
  const [held, setHeld] = useState<string[]>([])
  const press = (code: string) => {
    session.keys(...held, code)
    setHeld([])
  }
  const toggle = (code: string) =>
    setHeld(now => (now.includes(code) ? now.filter(other => other !== code) : [...now, code]))
  return (
    <div className={classes.keys} role="toolbar" aria-label={t('screen.keyRow')}>
      {holds.map(([label, code]) => (
        <button key={code} type="button" aria-pressed={held.includes(code)} onClick={() => toggle(code)}>
          {label}
        </button>
      ))}
      {keys.map(([label, code]) => (
        <button key={code} type="button" aria-label={code} onClick={() => press(code)}>
          {label}
        </button>
      ))}
    </div>
  )
}
