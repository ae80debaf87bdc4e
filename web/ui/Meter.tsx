import { Group, Text } from '@mantine/core'
import type { CSSProperties } from 'react'
import classes from './Meter.module.css'
import type { Tone } from './theme.ts'

export interface MeterPart {
  value: number
  tone: Tone
  /** Set aside rather than used: drawn paler. */
  soft?: boolean
}

/** A bar with its numbers in words: the bar is the picture, the text the truth. */
export function Meter(props: { label: string; text: string; parts: MeterPart[]; whole: number }) {
  return (
    <div>
      <Group justify="space-between" gap="xs" mb={6} wrap="wrap">
        <Text size="sm" c="dimmed">
          {props.label}
        </Text>
        <Text size="sm" fw={600}>
          {props.text}
        </Text>
      </Group>
      <Track parts={props.parts} whole={props.whole} />
    </div>
  )
}

/** The same for a cell of a table: the text beneath its bar. */
export function Bar(props: { text: string; parts: MeterPart[]; whole: number }) {
  return (
    <div className={classes.bar}>
      <Track parts={props.parts} whole={props.whole} />
      <span>{props.text}</span>
    </div>
  )
}

function Track({ parts, whole }: { parts: MeterPart[]; whole: number }) {
  const width = (value: number) => `${whole > 0 ? Math.min(100, (value / whole) * 100) : 0}%`
  return (
    <div className={classes.track} aria-hidden>
      {parts.map(part => (
        <div
          key={part.tone}
          className={classes.part}
          data-soft={part.soft}
          style={{ width: width(part.value), '--part': `var(--hdcs-${part.tone}-ink)` } as CSSProperties}
        />
      ))}
    </div>
  )
}

/** Below this share of the whole all is well; above `high` it is a warning. */
const high = 0.85
export const toneOfShare = (share: number): Tone => (share > 0.97 ? 'bad' : share > high ? 'warn' : 'busy')
