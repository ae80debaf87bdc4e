/** Template versions made of desktops, as pages show them. Pure. */
import type { Desktop } from '../data/nouns.ts'

export interface DesktopChoice {
  value: string
  label: string
  /** Whose it is, and of which pool. */
  whose: string
  /** Why it cannot be chosen now; null when it can. */
  reason: string | null
  disabled: boolean
}

/** Desktops to make a version of: those that can be chosen first, the others with their reason. Each is there once. */
export function desktopChoices(
  desktops: readonly Desktop[],
  refusalOf: (desktop: Desktop) => string | null,
): DesktopChoice[] {
  const choices = [...new Map(desktops.map(desktop => [desktop.id, desktop])).values()].map(desktop => {
    const reason = refusalOf(desktop)
    return {
      value: desktop.id,
      label: desktop.name,
      whose: [desktop.userName, desktop.poolName].filter(Boolean).join(' · '),
      reason,
      disabled: reason !== null,
    }
  })
  return choices.toSorted((a, b) => Number(a.disabled) - Number(b.disabled) || a.label.localeCompare(b.label))
}
