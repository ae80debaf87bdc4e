import { Group, Text } from '@mantine/core'
import type { CSSProperties } from 'react'
import classes from './Meter.module.css'
import type { Tone } from './theme.ts'

export interface MeterPart {
  value: number
  tone: Tone
}

/** A bar with its numbers in words: the bar is the picture, the text the truth. */
export function Meter(props: { label: string; text: string; parts: MeterPart[]; whole: number }) {
  const width = (value: number) => `${props.whole > 0 ? Math.min(100, (value / props.whole) * 100) : 0}%`
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
      <div className={classes.track} aria-hidden>
        {props.parts.map(part => (
          <div
            key={part.tone}
            className={classes.part}
            style={{ width: width(part.value), '--part': `var(--hdcs-${part.tone}-ink)` } as CSSProperties}
          />
        ))}
      </div>
    </div>
  )
}

/** Below this share of the whole all is well; above `high` it is a warning. */
const high = 0.85
export const toneOfShare = (share: number): Tone => (share > 0.97 ? 'bad' : share > high ? 'warn' : 'busy')
