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
import type { Tone } from './theme.ts'

/** How a state looks. The same meaning has the same icon and colour for every noun. */
export const looks = {
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
