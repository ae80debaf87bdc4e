import type { LucideIcon } from 'lucide-react'
import { sizes } from './theme.ts'

/** One way to draw an icon: decoration beside a word, so hidden from assistive technology. */
export function Icon({ of: Of, small = false }: { of: LucideIcon; small?: boolean }) {
  return <Of size={small ? sizes.iconSmall : sizes.icon} strokeWidth={sizes.stroke} aria-hidden focusable={false} />
}
