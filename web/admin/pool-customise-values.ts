/** The customisation of a pool as its form holds it, and back. Pure. */
import type { Ask } from '../../api/client.ts'
import type { Pool } from '../data/nouns.ts'

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
  secrets: SecretValues[]
}

/** Of Windows Setup. Empty: not said. */
interface AnswersValues {
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
  kept: { password: boolean; productKey: boolean }
}

interface SecretValues {
  /** Tells lines apart while they are typed. */
  key: string
  name: string
  /** Empty: the one that is kept. */
  value: string
  kept: boolean
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
    secrets: (given?.secrets ?? []).map(({ name }) => ({ key: name, name, value: '', kept: true })),
  }
}

const answersValues = (given: NonNullable<Pool['customise']>['answers']): AnswersValues => ({
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
})

/** What was not typed of what is secret is not sent: what is kept stays. */
function answersBody({ wished, own, password, productKey, ...values }: AnswersValues) {
  if (!wished) return null
  const said = (text: string) => text.trim() || null
  return {
    unattend: own ? values.unattend : null,
    timeZone: said(values.timeZone),
    language: values.language.trim(),
    keyboard: said(values.keyboard),
    administrator: said(values.administrator),
    ...(password && { password }),
    ...(productKey && { productKey: productKey.trim().toUpperCase() }),
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
  const answers = shell === 'powershell' ? answersBody(values.answers) : null
  const secrets = values.secrets.map(({ name, value }) => ({ name: name.trim(), ...(value && { value }) }))
  const something = hostName || domain || before || after || answers
  return something ? { shell, hostName, domain, before, after, answers, secrets } : null
}
