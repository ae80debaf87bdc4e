/** Actions that undo each other: never do both fit, so one of them is enough. */
interface Refusable {
  name: string
  /** Null: allowed. */
  reason: string | null
}

/**
 * Of suspend and resume: the one that is allowed; where neither is, resume of what is paused, else suspend with why not.
 * The others as they are.
 */
export function pairFitting<T extends Refusable>(items: readonly T[], paused: boolean): T[] {
  const allowed = items.filter(({ name, reason }) => reason === null && (name === 'resume' || name === 'suspend'))
  const shown = allowed[0]?.name ?? (paused ? 'resume' : 'suspend')
  const other = shown === 'resume' ? 'suspend' : 'resume'
  return items.filter(({ name }) => name !== other || !items.some(item => item.name === shown))
}
