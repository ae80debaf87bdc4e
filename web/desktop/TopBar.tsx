import { Menu, Text } from '@mantine/core'
import { useFullscreenDocument } from '@mantine/hooks'
import { useNavigate } from '@tanstack/react-router'
import {
  ChevronDown,
  Clipboard,
  Download,
  Keyboard,
  LogOut,
  Maximize,
  Minimize,
  Monitor,
  Scaling,
  Undo2,
} from 'lucide-react'
import { type CSSProperties, useCallback, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Session, SessionStatus } from '../../spice/session.ts'
import type { Desktop } from '../data/nouns.ts'
import { useGiveBack } from '../portal/give-back.ts'
import { ConfirmLoss } from '../ui/ConfirmLoss.tsx'
import { Icon } from '../ui/Icon.tsx'
import { ClipboardDialog } from './ClipboardDialog.tsx'
import classes from './Desktop.module.css'
import { healthOf, useRoundTrip } from './session.ts'

/** How long the bar stays after the pointer has left it. Shorter: it flees; longer: it covers the desktop's own edge. */
const lingerMs = 900
/** How long the pointer rests at the edge before the bar comes. Shorter: it comes when a title bar is meant. */
const approachMs = 250

interface TopBarProps {
  desktop: Desktop | undefined
  session: Session | null
  status: SessionStatus
  copied: string | null
  keyRow: boolean
  onKeyRow: () => void
  /** An administrator looks at it: there is nothing to give back. */
  watching: boolean
}

const tones = { good: 'good', fair: 'warn', poor: 'bad', noHealth: 'good' } as const
const combinations = [
  ['cad', ['ControlLeft', 'AltLeft', 'Delete']],
  ['altTab', ['AltLeft', 'Tab']],
  ['super', ['MetaLeft']],
  ['escape', ['Escape']],
  ['printScreen', ['PrintScreen']],
] as const

/** The controls: shown on approach, by the handle, and by Ctrl Alt Shift; hidden while the desktop is used. */
export function TopBar(props: TopBarProps) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { desktop, session, status } = props
  const [shown, setShown] = useState(false)
  const [clipboard, setClipboard] = useState(false)
  const [asking, setAsking] = useState(false)
  const [follow, setFollow] = useState(true)
  const [open, setOpen] = useState(false)
  const bar = useRef<HTMLDivElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const { fullscreen, toggle } = useFullscreenDocument()
  const ready = status.state === 'ready'
  const ms = useRoundTrip(shown && ready)
  const health = healthOf(ms)

  const later = useCallback((after: number, act: () => void) => {
    clearTimeout(timer.current)
    timer.current = setTimeout(act, after)
  }, [])
  const hide = useCallback(() => {
    setShown(false)
    session?.focus()
  }, [session])

  useEffect(() => {
    // Caught before the desktop's own keyboard: with the three held, the bar comes and takes the focus.
    const onKey = (event: KeyboardEvent) => {
      const all = event.ctrlKey && event.altKey && event.shiftKey
      if (!all || !['Control', 'Alt', 'Shift', 'Meta'].includes(event.key)) return
      event.preventDefault()
      setShown(now => {
        if (!now) requestAnimationFrame(() => bar.current?.querySelector('button')?.focus())
        return !now
      })
    }
    window.addEventListener('keydown', onKey, true)
    return () => {
      window.removeEventListener('keydown', onKey, true)
      clearTimeout(timer.current)
    }
  }, [])

  const busy = open || clipboard || asking
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: only the pointer has an edge; keys have Ctrl Alt Shift and the handle */}
      <div
        className={classes.edge}
        onMouseEnter={() => later(approachMs, () => setShown(true))}
        onMouseLeave={() => clearTimeout(timer.current)}
      />
      {!shown && (
        <button
          type="button"
          className={classes.handle}
          aria-label={t('screen.showBar')}
          onClick={() => setShown(true)}
        >
          <Icon of={ChevronDown} small />
        </button>
      )}
      <div
        ref={bar}
        className={classes.bar}
        data-shown={shown}
        role="toolbar"
        aria-label={t('screen.bar')}
        onMouseEnter={() => clearTimeout(timer.current)}
        onMouseLeave={() => !busy && later(lingerMs, hide)}
        onKeyDown={event => event.key === 'Escape' && !busy && hide()}
      >
        <div className={classes.title}>
          <Icon of={Monitor} />
          <span>{desktop?.name}</span>
        </div>
        <div className={classes.health} role="status">
          <span
            className={classes.dot}
            style={{ '--tone': `var(--hdcs-${ready ? tones[health] : 'warn'}-ink)` } as CSSProperties}
          />
          {ready ? t(`screen.${health}`) : t('screen.connecting')}
          {ready && ms !== null && <span className={classes.long}>{t('screen.ms', { ms })}</span>}
        </div>
        <Menu onChange={setOpen}>
          <Menu.Target>
            <button type="button" className={classes.tool} aria-label={t('screen.keyboard')}>
              <Icon of={Keyboard} />
              <span className={classes.long}>{t('screen.keyboard')}</span>
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            {combinations.map(([name, codes]) => (
              <Menu.Item key={name} disabled={!ready} onClick={() => session?.keys(...codes)}>
                {t(`screen.${name}`)}
              </Menu.Item>
            ))}
            <Menu.Divider />
            <Menu.Item onClick={props.onKeyRow}>{t('screen.keyRow')}</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <button
          type="button"
          className={classes.tool}
          aria-label={t('screen.clipboard')}
          onClick={() => setClipboard(true)}
        >
          <Icon of={Clipboard} />
          <span className={classes.long}>{t('screen.clipboard')}</span>
        </button>
        <Menu onChange={setOpen}>
          <Menu.Target>
            <button type="button" className={classes.tool} aria-label={t('screen.fit')}>
              <Icon of={Scaling} />
              <span className={classes.long}>{t('screen.fit')}</span>
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            {([true, false] as const).map(value => (
              <Menu.Item
                key={String(value)}
                role="menuitemradio"
                aria-checked={follow === value}
                fw={follow === value ? 700 : 400}
                onClick={() => {
                  setFollow(value)
                  session?.setFollow(value)
                }}
              >
                {value ? t('screen.follow') : t('screen.scale')}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
        <button
          type="button"
          className={classes.tool}
          aria-label={fullscreen ? t('screen.exitFullScreen') : t('screen.fullScreen')}
          onClick={() => void toggle()}
        >
          <Icon of={fullscreen ? Minimize : Maximize} />
          <span className={classes.long}>{fullscreen ? t('screen.exitFullScreen') : t('screen.fullScreen')}</span>
        </button>
        <Menu onChange={setOpen} position="bottom-end">
          <Menu.Target>
            <button type="button" className={classes.tool} aria-label={t('screen.leave')}>
              <Icon of={LogOut} />
              <span className={classes.long}>{t('screen.leave')}</span>
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item
              leftSection={<Icon of={LogOut} small />}
              onClick={() =>
                void (props.watching && desktop
                  ? navigate({ to: '/admin/desktops/$id', params: { id: desktop.id } })
                  : navigate({ to: '/' }))
              }
            >
              {t('screen.disconnect')}
              <Text size="xs" c="dimmed">
                {t('screen.disconnectHelp')}
              </Text>
            </Menu.Item>
            {desktop && !props.watching && (
              <Menu.Item
                component="a"
                href={`/api/v1/desktops/${desktop.id}/viewer-file`}
                download={`${desktop.name}.vv`}
                leftSection={<Icon of={Download} small />}
              >
                {t('screen.download')}
              </Menu.Item>
            )}
            {!props.watching && (
              <>
                <Menu.Divider />
                <Menu.Item leftSection={<Icon of={Undo2} small />} disabled={!desktop} onClick={() => setAsking(true)}>
                  {t('screen.giveBack')}
                </Menu.Item>
              </>
            )}
          </Menu.Dropdown>
        </Menu>
      </div>
      {clipboard && (
        <ClipboardDialog
          session={session}
          copied={props.copied}
          works={status.state === 'ready' && status.agent}
          onClose={() => setClipboard(false)}
        />
      )}
      {asking && desktop && <GiveBack desktop={desktop} onClose={() => setAsking(false)} />}
    </>
  )
}

function GiveBack({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const navigate = useNavigate()
  const loss = useGiveBack(desktop, () => void navigate({ to: '/' }))
  return <ConfirmLoss loss={loss} onClose={onClose} />
}
