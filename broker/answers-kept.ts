/** What Windows Setup is answered, of a pool or a template: as it is asked for, kept and shown. Its secrets are kept sealed. */
import { textOpen, textSeal } from '../auth/sealed.ts'
import type { AnswersValue } from '../db/schema-customisation.ts'
import { HdcsError } from '../lib/errors.ts'
import { answerNames, unattendWrong } from './answer-file.ts'

export type AnswersAsked = Omit<AnswersValue, 'sealedPassword' | 'sealedProductKey'> & {
  /** Absent: the one that is kept; null: none. */
  password?: string | null | undefined
  productKey?: string | null | undefined
}

type Seal = (text: string) => string

export const answersShown = ({ sealedPassword: _, sealedProductKey: __, ...answers }: AnswersValue) => answers

/** As it is shown: what is secret is kept and never told. */
export const answersView = (answers: AnswersValue) => ({
  ...answersShown(answers),
  passwordSet: answers.sealedPassword !== null,
  productKeySet: answers.sealedProductKey !== null,
})

/** Secrets are sealed for whom they belong to: those of a template for each pool anew. @throws HdcsError `invalid`: they cannot be read. */
export function answersHandedOn(
  answers: AnswersValue,
  ticketKey: Uint8Array,
  { templateId, poolId }: { templateId: string; poolId: string },
): AnswersValue {
  const again = (sealed: string | null) =>
    sealed === null ? null : textSeal(textOpen(sealed, ticketKey, templateId), ticketKey, poolId)
  return {
    ...answers,
    sealedPassword: again(answers.sealedPassword),
    sealedProductKey: again(answers.sealedProductKey),
  }
}

/** @param secrets that an own file may name. @param at the field of the request. @throws HdcsError `invalid`. */
export function answersSealed(
  secrets: readonly { name: string }[],
  { password, productKey, unattend, ...settings }: AnswersAsked,
  before: AnswersValue | undefined,
  seal: Seal,
  at = 'body.customise.answers',
): AnswersValue {
  const names = [...answerNames, ...secrets.map(({ name }) => name)]
  const wrong = unattend === null ? null : unattendWrong(unattend, names)
  if (wrong !== null) {
    const field = `${at}.unattend`
    throw new HdcsError('invalid', wrong, { fields: [{ field, message: wrong }] })
  }
  const chosen = (given: string | null | undefined, kept: string | null = null) =>
    given === undefined ? kept : given === null ? null : seal(given)
  // What is kept is of this account, and given to no other.
  const keptPassword = before?.administrator === settings.administrator ? before.sealedPassword : null
  return {
    ...settings,
    unattend,
    sealedPassword: chosen(password, keptPassword),
    sealedProductKey: chosen(productKey, before?.sealedProductKey),
  }
}
