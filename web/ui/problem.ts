/** Whatever was thrown at a page, as the words to show: a code the message files know, or a network that is away. */

import { en } from '../i18n/en.ts'
import { saidWord } from '../i18n/said.ts'

export type ProblemCode = keyof typeof en.problem.code
export interface Problem {
  /** Null: the server did not answer at all. */
  known: ProblemCode | null
  detail: string
  requestId: string | null
  /** Field → what is wrong with it. */
  fields: Record<string, string>
}

interface ProblemLike {
  status?: unknown
  code?: unknown
  detail?: unknown
  /** Of a trouble in a report. */
  text?: unknown
  requestId?: unknown
  errors?: unknown
}

export function problemOf(thrown: unknown): Problem {
  const like = (typeof thrown === 'object' && thrown ? thrown : {}) as ProblemLike
  if (typeof like.code !== 'string') return { known: null, detail: '', requestId: null, fields: {} }
  if (like.status === 0) return { known: null, detail: '', requestId: null, fields: {} }
  const known = (like.code in en.problem.code ? like.code : 'internal') as ProblemCode
  const text = typeof like.detail === 'string' ? like.detail : typeof like.text === 'string' ? like.text : ''
  const errors = Array.isArray(like.errors) ? (like.errors as { field?: unknown; message?: unknown }[]) : []
  return {
    known,
    // For programs it begins with the name of the field; people read it at, or under, the field itself.
    detail: saidWord(text.replace(/^(body|query|params)(\.\w+)*: /, '')),
    requestId: typeof like.requestId === 'string' ? like.requestId : null,
    fields: Object.fromEntries(
      errors.map(error => [String(error.field ?? '').replace(/^body\./, ''), saidWord(String(error.message ?? ''))]),
    ),
  }
}
