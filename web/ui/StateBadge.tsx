import {
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CirclePause,
  CirclePlay,
  CircleStop,
  LoaderCircle,
  type LucideIcon,
  TriangleAlert,
  Wrench,
} from 'lucide-react'
import type { CSSProperties } from 'react'
import classes from './StateBadge.module.css'
import { sizes, type Tone } from './theme.ts'

/** How a state looks. The same meaning has the same icon and colour for every noun. */
const looks = {
  good: { icon: CircleCheck, tone: 'good' },
  running: { icon: CirclePlay, tone: 'good' },
  busy: { icon: LoaderCircle, tone: 'busy', moving: true },
  waiting: { icon: CircleDashed, tone: 'busy' },
  paused: { icon: CirclePause, tone: 'paused' },
  stopped: { icon: CircleStop, tone: 'idle' },
  warn: { icon: TriangleAlert, tone: 'warn' },
  bad: { icon: CircleAlert, tone: 'bad' },
  maintenance: { icon: Wrench, tone: 'violet' },
  unknown: { icon: CircleHelp, tone: 'idle' },
} satisfies Record<string, { icon: LucideIcon; tone: Tone; moving?: boolean }>
export type Look = keyof typeof looks

/** Icon + word + colour: never colour alone. */
export function StateBadge({ look, word, size = 'sm' }: { look: Look; word: string; size?: 'sm' | 'md' }) {
  const { icon: Of, tone, moving }: { icon: LucideIcon; tone: Tone; moving?: boolean } = looks[look]
  const style = { '--tone-ink': `var(--hdcs-${tone}-ink)`, '--tone-tint': `var(--hdcs-${tone}-tint)` } as CSSProperties
  return (
    <span className={classes.badge} style={style} data-size={size} data-moving={moving || undefined}>
      <Of size={sizes.iconSmall - 2} strokeWidth={2} aria-hidden />
      {word}
    </span>
  )
}
