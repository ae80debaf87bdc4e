import type { LucideIcon } from 'lucide-react'
import type { CSSProperties } from 'react'
import { type Look, looks } from './look.ts'
import classes from './StateBadge.module.css'
import { sizes, type Tone } from './theme.ts'

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
