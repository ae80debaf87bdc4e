/** The serial console of one desktop: what its guest says there, and a keyboard for it. */

import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { Info, RotateCcw } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { closeCodes } from '../../spice/close-codes.ts'
import { type Cell, makeTerminal, type Style } from '../../spice/terminal.ts'
import { client } from '../data/client.ts'
import { desktopQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import classes from './Console.module.css'
import { consoleBytes } from './console-keys.ts'

/** As serial lines take it for granted. */
const size = { columns: 80, rows: 24 }

/** Why it is over, where the gateway's code says so. */
const overWords: Record<number, 'ended' | 'broken' | 'late' | 'long' | 'closing' | 'taken' | undefined> = {
  1006: 'broken',
  [closeCodes.desktopClosed]: 'ended',
  [closeCodes.mainClosed]: 'broken',
  [closeCodes.connectionBroken]: 'broken',
  [closeCodes.linkFailed]: 'late',
  [closeCodes.kicked]: 'long',
  [closeCodes.gatewayClosing]: 'closing',
  [closeCodes.taken]: 'taken',
}

/** What keyboards of phones have not. */
const keyRow = [
  ['Esc', '\x1b'],
  ['Tab', '\t'],
  ['Ctrl C', '\x03'],
  ['Ctrl D', '\x04'],
  ['↑', '\x1b[A'],
  ['↓', '\x1b[B'],
] as const

type State = { at: 'opening' | 'open' } | { at: 'over'; code: number; why: string } | { at: 'refused'; error: unknown }

/** One line to the machine at a time; what it said before stays when it is opened again. */
function useConsole(id: string) {
  const [terminal] = useState(() => makeTerminal(size))
  const [state, setState] = useState<State>({ at: 'opening' })
  const [, drawn] = useState(0)
  const [attempt, setAttempt] = useState(0)
  const line = useRef<WebSocket | null>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: an attempt is a wish to dial anew.
  useEffect(() => {
    let left = false
    let frame = 0
    setState({ at: 'opening' })
    void client
      .desktopConsole({ params: { id } })
      .then(({ webSocketUrl }) => {
        if (left) return
        const socket = new WebSocket(webSocketUrl)
        socket.binaryType = 'arraybuffer'
        line.current = socket
        socket.onopen = () => setState({ at: 'open' })
        socket.onmessage = ({ data }) => {
          const answer = terminal.feed(new Uint8Array(data as ArrayBuffer))
          if (answer !== '') socket.send(new TextEncoder().encode(answer))
          // Drawn once a frame, however much comes.
          frame ||= requestAnimationFrame(() => {
            frame = 0
            drawn(count => count + 1)
          })
        }
        socket.onclose = ({ code, reason }) => {
          if (!left) setState({ at: 'over', code, why: reason })
        }
      })
      .catch(error => {
        if (!left) setState({ at: 'refused', error })
      })
    return () => {
      left = true
      cancelAnimationFrame(frame)
      line.current?.close()
      line.current = null
    }
  }, [id, terminal, attempt])
  const type = (text: string) => {
    if (line.current?.readyState === WebSocket.OPEN) line.current.send(new TextEncoder().encode(text))
  }
  return { terminal, state, type, again: () => setAttempt(count => count + 1) }
}

export function ConsolePage() {
  const { t } = useTranslation()
  const { id } = useParams({ from: '/person/admin/desktops/$id/console' })
  const read = useQuery(desktopQuery(id))
  const up = (
    <AnchorLink to="/admin/desktops/$id" params={{ id }}>
      {read.data?.name ?? t('desktops.title')}
    </AnchorLink>
  )
  if (!read.data) return <PageUnread read={read} up={up} />
  return (
    <>
      <PageHead up={up} title={t('console.title', { name: read.data.name })} text={t('console.text')} />
      <Console id={id} name={read.data.name} />
    </>
  )
}

function Console({ id, name }: { id: string; name: string }) {
  const { t } = useTranslation()
  const { terminal, state, type, again } = useConsole(id)
  const screen = useRef<HTMLDivElement>(null)
  const keys = useRef<HTMLTextAreaElement>(null)
  const { line: cursorLine, column } = terminal.cursor()
  const lines = terminal.lines()
  // The newest line is in view, as on every terminal.
  useEffect(() => {
    screen.current?.scrollTo({ top: screen.current.scrollHeight })
  })
  const open = state.at === 'open'
  useEffect(() => {
    if (open) keys.current?.focus({ preventScroll: true })
  }, [open])
  const word = state.at === 'over' ? overWords[state.code] : undefined
  /** What a phone or an input method wrote, once it is meant. */
  const written = (area: HTMLTextAreaElement) => {
    type(area.value.replace(/\r?\n/g, '\r'))
    area.value = ''
  }
  return (
    <Stack gap="sm">
      {state.at === 'refused' && <ErrorPanel error={state.error} retry={again} />}
      {state.at === 'over' && (
        <Alert color="yellow" icon={<Icon of={Info} />} title={t('console.over')}>
          <Group justify="space-between" gap="xs">
            <Text size="sm">{word ? t(`console.${word}`) : saidWord(state.why)}</Text>
            <Button size="xs" variant="default" leftSection={<Icon of={RotateCcw} small />} onClick={again}>
              {t('console.again')}
            </Button>
          </Group>
        </Alert>
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions lint/a11y/useKeyWithClickEvents: keys are at home in the field below */}
      <div
        ref={screen}
        className={classes.terminal}
        data-scroll-x
        onClick={() => {
          // Who marks text wants to copy it.
          if (window.getSelection()?.isCollapsed !== false) keys.current?.focus({ preventScroll: true })
        }}
      >
        <pre className={classes.screen} role="log" aria-label={t('console.screen')}>
          {lines.map((cells, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place
            <Line key={index} cells={cells} cursor={open && index === cursorLine ? column : null} />
          ))}
        </pre>
        <textarea
          ref={keys}
          className={classes.keys}
          aria-label={t('console.area', { name })}
          readOnly={!open}
          autoCapitalize="off"
          autoComplete="off"
          autoCorrect="off"
          spellCheck={false}
          // A terminal takes every key: that is what it is for. Shift Tab leaves it.
          onKeyDown={event => {
            const bytes =
              open && !event.nativeEvent.isComposing ? consoleBytes(event, terminal.applicationKeys()) : null
            if (bytes === null) return
            event.preventDefault()
            type(bytes)
          }}
          onInput={event => {
            if (!(event.nativeEvent as InputEvent).isComposing) written(event.currentTarget)
          }}
          onCompositionEnd={event => written(event.currentTarget)}
        />
      </div>
      {open && (
        <Group gap="xs">
          {keyRow.map(([word, bytes]) => (
            <Button
              key={word}
              size="compact-sm"
              variant="default"
              // What is typed next still goes to the machine.
              onClick={() => {
                type(bytes)
                keys.current?.focus({ preventScroll: true })
              }}
            >
              {word}
            </Button>
          ))}
        </Group>
      )}
      <Text size="sm" c="dimmed" role="status">
        {open ? t('console.keys') : state.at === 'opening' ? t('console.opening') : ''}
      </Text>
    </Stack>
  )
}

/** Runs of one style are one piece. */
function Line({ cells, cursor }: { cells: readonly Cell[]; cursor: number | null }) {
  const pieces: { text: string; style: Style | null; cursor: boolean }[] = []
  for (let at = 0; at < Math.max(cells.length, cursor === null ? 0 : cursor + 1); at++) {
    const { text = ' ', style = null } = cells[at] ?? {}
    const last = pieces.at(-1)
    if (last && last.style === style && !last.cursor && at !== cursor) last.text += text
    else pieces.push({ text, style, cursor: at === cursor })
  }
  return (
    <>
      {pieces.map((piece, index) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: a piece is its place
          key={index}
          className={[piece.cursor && classes.cursor, piece.style?.bold && classes.bold].filter(Boolean).join(' ')}
          style={piece.cursor ? undefined : shade(piece.style)}
        >
          {piece.text}
        </span>
      ))}
      {'\n'}
    </>
  )
}

/** Readable on dark paper, each of them (WCAG AA); bright ones after the others. */
const inks = [
  ...['#8b93a1', '#ff8a80', '#7fd88f', '#e6c860', '#82b4ff', '#e08fe0', '#66d0d8', '#e3e7ee'],
  ...['#a6adb9', '#ffa79f', '#a0eaac', '#f2da85', '#a6caff', '#efb0ef', '#90e3e9', '#ffffff'],
]
const papers = [
  ...['#14181f', '#6e2020', '#1d5a2c', '#5c4b10', '#1f4480', '#5f2560', '#14545a', '#4a515d'],
  ...['#39404b', '#8a2c2c', '#27733a', '#755f17', '#2a59a3', '#7a327b', '#1c6b73', '#667080'],
]

function shade(style: Style | null): { color?: string; background?: string } | undefined {
  if (!style || (style.ink === null && style.paper === null && !style.inverse)) return undefined
  const ink = style.ink === null ? 'var(--console-text)' : inks[style.ink]
  const paper = style.paper === null ? 'var(--console-paper)' : papers[style.paper]
  const [color, background] = style.inverse ? [paper, ink] : [ink, paper]
  return { ...(color && { color }), ...(background && { background }) }
}
