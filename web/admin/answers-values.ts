/** What Windows Setup is answered, as forms of pools and templates hold it, and back. Pure. */
import type { Ask } from '../../api/client.ts'
import type { Template } from '../data/nouns.ts'

/** Empty: not said. */
export interface AnswersValues {
  wished: boolean
  /** The administrator's own file. */
  own: boolean
  unattend: string
  timeZone: string
  language: string
  keyboard: string
  administrator: string
  password: string
  productKey: string
  kept: Record<AnswersSecret, boolean>
  /** What is kept shall go. */
  cleared: Record<AnswersSecret, boolean>
}
export type AnswersSecret = 'password' | 'productKey'

export const answersValues = (given: Template['answers']): AnswersValues => ({
  wished: given !== null,
  own: Boolean(given?.unattend),
  unattend: given?.unattend ?? '',
  timeZone: given?.timeZone ?? '',
  language: given?.language ?? 'en-US',
  keyboard: given?.keyboard ?? '',
  administrator: given?.administrator ?? '',
  password: '',
  productKey: '',
  kept: { password: given?.passwordSet ?? false, productKey: given?.productKeySet ?? false },
  cleared: { password: false, productKey: false },
})

/** The same for a preview, which takes what is not said for something that is kept. */
export function answersShown(values: AnswersValues): ReturnType<typeof answersBody> {
  const body = answersBody(values)
  const none = (name: AnswersSecret) => (values.kept[name] || values[name] ? {} : { [name]: null })
  return body && { ...body, ...none('password'), ...none('productKey') }
}

/** What was not typed of what is secret is not sent, so that what is kept stays, unless it shall go. */
export function answersBody(values: AnswersValues): NonNullable<Ask<'templateUpdate'>['body']>['answers'] {
  const { wished, own, cleared } = values
  if (!wished) return null
  const said = (text: string) => text.trim() || null
  const secret = (name: AnswersSecret, typed: string) =>
    typed ? { [name]: typed } : cleared[name] ? { [name]: null } : {}
  return {
    unattend: own ? values.unattend : null,
    timeZone: said(values.timeZone),
    language: values.language.trim(),
    keyboard: said(values.keyboard),
    administrator: said(values.administrator),
    ...secret('password', values.password),
    ...secret('productKey', values.productKey.trim().toUpperCase()),
  }
}
