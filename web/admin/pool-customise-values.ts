/** The customisation of a pool as its form holds it, and back. Pure. */
import type { Ask } from '../../api/client.ts'
import type { Pool, Template } from '../data/nouns.ts'
import { type AnswersValues, answersBody, answersValues } from './answers-values.ts'

interface ScriptValues {
  /** Empty: none. */
  text: string
  timeoutSeconds: number | string
  retries: number | string
}

export interface CustomiseValues {
  shell: 'sh' | 'powershell'
  hostName: boolean
  joins: boolean
  domain: { name: string; user: string; password: string; ou: string }
  /** One is kept. */
  passwordSet: boolean
  before: ScriptValues
  after: ScriptValues
  answers: AnswersValues
  /** They are the template's. */
  byTemplate: boolean
  secrets: SecretValues[]
}

interface SecretValues {
  /** Tells lines apart while they are typed. */
  key: string
  name: string
  /** Empty: the one that is kept. */
  value: string
  kept: boolean
}

/** Of a new pool: as its template says, where that says anything. */
export const customiseOfTemplate = (template: Pick<Template, 'answers'> | undefined): CustomiseValues => {
  const answers = template?.answers ?? null
  const nothing = { hostName: false, domain: null, before: null, after: null, secrets: [] }
  return customiseValues(answers && { ...nothing, shell: 'powershell', answers, answersFrom: 'template' })
}

const scriptValues = (script: { text: string; timeoutSeconds: number; retries: number } | null): ScriptValues =>
  script ?? { text: '', timeoutSeconds: 600, retries: 1 }

export function customiseValues(given: Pool['customise']): CustomiseValues {
  const { name = '', user = '', ou = null } = given?.domain ?? {}
  return {
    shell: given?.shell ?? 'sh',
    hostName: given?.hostName ?? false,
    joins: Boolean(given?.domain),
    domain: { name, user, password: '', ou: ou ?? '' },
    passwordSet: given?.domain?.passwordSet ?? false,
    before: scriptValues(given?.before ?? null),
    after: scriptValues(given?.after ?? null),
    answers: answersValues(given?.answers ?? null),
    byTemplate: given?.answersFrom === 'template',
    secrets: (given?.secrets ?? []).map(({ name }) => ({ key: name, name, value: '', kept: true })),
  }
}

const scriptBody = ({ text, timeoutSeconds, retries }: ScriptValues) =>
  text.trim() === '' ? null : { text, timeoutSeconds: Number(timeoutSeconds), retries: Number(retries) }

/** Null when nothing is run. A password that was not typed is not sent: the one that is kept stays. */
export function customiseBody(values: CustomiseValues): NonNullable<Ask<'poolUpdate'>['body']>['customise'] {
  const { shell, hostName, joins } = values
  const { name, user, password, ou } = values.domain
  const before = scriptBody(values.before)
  const after = scriptBody(values.after)
  const domain = joins
    ? { name: name.trim(), user: user.trim(), ou: ou.trim() || null, ...(password && { password }) }
    : null
  // Only Windows asks anything.
  const own = values.byTemplate ? ('template' as const) : answersBody(values.answers)
  const answers = shell === 'powershell' ? own : null
  const secrets = values.secrets.map(({ name, value }) => ({ name: name.trim(), ...(value && { value }) }))
  const something = hostName || domain || before || after || answers
  return something ? { shell, hostName, domain, before, after, answers, secrets } : null
}
