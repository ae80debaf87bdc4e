/** What Windows Setup is answered in guests of a template, unless a pool says otherwise; pools that follow it get what is changed. */
import { isDeepStrictEqual } from 'node:util'
import { textSeal } from '../auth/sealed.ts'
import type { Tx } from '../db/connect.ts'
import { customisationSet, customisationsFollowing, desktopsRenew } from '../db/customisation.ts'
import type { AnswersValue } from '../db/schema-customisation.ts'
import { templateAnswersSet, templateLock } from '../db/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { type AnswersAsked, answersHandedOn, answersSealed } from './answers-kept.ts'
import type { Broker } from './broker.ts'
import type { CustomiseAsked } from './customisation.ts'

/** Of a pool that says nothing: as its template does; null: nothing is run. */
export const customiseByTemplate = (template: { answers: AnswersValue | null } | undefined): CustomiseAsked | null =>
  template?.answers
    ? { shell: 'powershell', hostName: false, domain: null, before: null, after: null, answers: 'template' }
    : null

/**
 * Writes it, for the template and for the pools that follow it; what nobody has there begins a new life.
 * @param asked null: none any more.
 * @throws HdcsError `not_found`; `invalid`: no file that Setup takes, or guests without an agent.
 */
export async function templateAnswers(tx: Tx, broker: Broker, id: string, asked: AnswersAsked | null): Promise<void> {
  const template = await templateLock(tx, id)
  if (!template) throw new HdcsError('not_found', 'There is no such template.')
  if (asked && template.ready_when === 'running')
    throw new HdcsError('invalid', `${template.name} has no guest agent: nothing would tell that Setup is over.`, {
      fields: [{ field: 'body.answers', message: 'only for guests with an agent' }],
    })
  const seal = (text: string) => textSeal(text, broker.ticketKey, id)
  const answers = asked && answersSealed([], asked, template.answers ?? undefined, seal, 'body.answers')
  if (isDeepStrictEqual(answers, template.answers)) return
  await templateAnswersSet(tx, id, answers)
  for (const { pool_id: poolId, wish } of await customisationsFollowing(tx, id)) {
    const { answers: _before, ...rest } = wish
    const own = answers && answersHandedOn(answers, broker.ticketKey, { templateId: id, poolId })
    await customisationSet(tx, poolId, own ? { ...rest, answers: own } : rest)
    await desktopsRenew(tx, poolId)
  }
}
