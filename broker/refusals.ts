import { HdcsError, nameTaken } from '../lib/errors.ts'

/** What may be done with a thing, from why not: a reason refuses, undefined allows. */
export function actionsFrom(refusals: Record<string, string | undefined>) {
  return Object.entries(refusals).map(([name, reason]) =>
    reason === undefined ? { name, allowed: true } : { name, allowed: false, reason },
  )
}

/** PostgreSQL's codes for what a constraint refused. */
const constraintCodes = { taken: '23505', inUse: '23503', unmet: '23514' }

/** For `.catch`: what a constraint refused becomes a conflict in words; everything else stays what it is. Only names are unique. */
export function conflictWhen(constraint: keyof typeof constraintCodes, text: string) {
  return (error: unknown): never => {
    if ((error as { code?: unknown }).code === constraintCodes[constraint])
      throw constraint === 'taken'
        ? nameTaken(text, { cause: error })
        : new HdcsError('conflict', text, { cause: error })
    throw error
  }
}
