/** What an administrator wishes to be run in a pool's guests before anybody gets them (docs/decisions/0008). */
import { isDeepStrictEqual } from 'node:util'
import type { Principal } from '../auth/principal.ts'
import { textSeal } from '../auth/sealed.ts'
import type { Db, Tx } from '../db/connect.ts'
import { customisationOf, customisationSet, desktopsRenew, desktopsSetAside, setupRuns } from '../db/customisation.ts'
import type { AnswersValue, CustomiseValue, ScriptValue, SecretValue } from '../db/schema-customisation.ts'
import { templateRows } from '../db/templates.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { answerFile, computerName } from './answer-file.ts'
import { type AnswersAsked, answersHandedOn, answersSealed, answersShown, answersView } from './answers-kept.ts'
import type { Broker } from './broker.ts'
import { desktopGet } from './desktops.ts'

export interface CustomiseAsked extends Omit<CustomiseValue, 'domain' | 'answers' | 'answersFrom' | 'secrets'> {
  domain: {
    name: string
    user: string
    ou: string | null
    /** Absent: the one that is kept. */
    password?: string | undefined
  } | null
  /** `template`: as the pool's template says, also when that changes. */
  answers?: AnswersAsked | 'template' | null | undefined
  /** One without a value: the one that is kept under its name. */
  secrets?: { name: string; value?: string | undefined }[] | undefined
}

/** As it is shown: what is secret is kept and never told. */
export interface CustomiseView extends Omit<CustomiseValue, 'domain' | 'answers' | 'answersFrom' | 'secrets'> {
  domain: { name: string; user: string; ou: string | null; passwordSet: boolean } | null
  answers: ReturnType<typeof answersView> | null
  answersFrom: 'pool' | 'template'
  secrets: { name: string }[]
}

/** As it is kept, in the form in which it is asked for. */
export async function customiseStanding(db: Db | Tx, poolId: string): Promise<CustomiseAsked | null> {
  const wish = await customisationOf(db, poolId)
  if (!wish) return null
  const { domain, answers, answersFrom, secrets = [], ...rest } = wish
  return {
    ...rest,
    domain: domain && { name: domain.name, user: domain.user, ou: domain.ou },
    answers: answersFrom ?? (answers ? answersShown(answers) : null),
    secrets: secrets.map(({ name }) => ({ name })),
  }
}

export async function customiseView(db: Db, poolId: string): Promise<CustomiseView | null> {
  const wish = await customisationOf(db, poolId)
  if (!wish) return null
  const { domain, answers, answersFrom = 'pool', secrets = [], ...rest } = wish
  return {
    ...rest,
    domain: domain && { name: domain.name, user: domain.user, ou: domain.ou, passwordSet: true },
    answers: answers ? answersView(answers) : null,
    answersFrom,
    secrets: secrets.map(({ name }) => ({ name })),
  }
}

/** Of desktops that failed to be customised and wait for an administrator: how many, and why the last did. */
export async function setAsideWarnings(db: Db, poolId: string): Promise<string[]> {
  const aside = await desktopsSetAside(db, poolId)
  const [last] = aside
  if (!last) return []
  const count = counted(aside.length, 'desktop is set aside', 'desktops are set aside')
  return [`${count} and given to nobody. ${last.name}: ${last.text}`]
}

/**
 * Writes it; what nobody has begins a new life when that would be customised otherwise. What people have stays as it is.
 * @throws HdcsError `invalid`: a password is missing, or the template's guests have no agent.
 */
export async function customisePool(
  tx: Tx,
  broker: Broker,
  pool: { id: string; templateId: string },
  asked: CustomiseAsked | null,
): Promise<void> {
  const before = await customisationOf(tx, pool.id)
  const [template] = asked ? await templateRows(tx, { ids: [pool.templateId] }) : []
  const wish = asked && sealed(broker, pool, asked, before, template?.answers ?? null)
  if (template?.ready_when === 'running')
    throw refused('body.customise', `${template.name} has no guest agent: nothing can be run in its guests.`)
  if (isDeepStrictEqual(before, wish)) return
  await customisationSet(tx, pool.id, wish)
  if (!isDeepStrictEqual(eachLife(before), eachLife(wish))) await desktopsRenew(tx, pool.id)
}

const windowsOnly = 'Answer files are for Windows: choose PowerShell as the guests’ system.'
const refused = (field: string, message: string) => new HdcsError('invalid', message, { fields: [{ field, message }] })

/** What of it is run once in each life of a disk; null: nothing. */
function eachLife(wish: CustomiseValue | null) {
  if (!wish || (!wish.hostName && !wish.domain && !wish.before && !wish.answers)) return null
  return { ...wish, after: null }
}

function sealed(
  { ticketKey }: Broker,
  pool: { id: string; templateId: string },
  asked: CustomiseAsked,
  before: CustomiseValue | null,
  byTemplate: AnswersValue | null,
): CustomiseValue {
  const { shell, hostName } = asked
  const seal = (text: string) => textSeal(text, ticketKey, pool.id)
  const secrets = secretsSealed(asked, before?.secrets ?? [], seal)
  const follows = asked.answers === 'template'
  if (asked.answers && shell !== 'powershell') throw refused('body.customise.answers', windowsOnly)
  const followed = before?.answersFrom === 'template'
  const own = followed ? undefined : before?.answers
  const given = () => {
    if (asked.answers !== 'template')
      return asked.answers && answersSealed(asked.secrets ?? [], asked.answers, own, seal)
    // What it has of it is of today: a template that changes tells its pools.
    if (followed) return before?.answers
    return byTemplate && answersHandedOn(byTemplate, ticketKey, { templateId: pool.templateId, poolId: pool.id })
  }
  const answers = given()
  return {
    shell,
    hostName,
    domain: asked.domain && domainSealed(asked.domain, before?.domain ?? null, seal),
    before: scriptOf(asked.before),
    after: scriptOf(asked.after),
    ...(answers && { answers }),
    ...(follows && { answersFrom: 'template' as const }),
    ...(secrets.length > 0 && { secrets }),
  }
}

type Seal = (text: string) => string

function domainSealed(
  { name, user, ou, password }: NonNullable<CustomiseAsked['domain']>,
  before: CustomiseValue['domain'],
  seal: Seal,
): NonNullable<CustomiseValue['domain']> {
  const kept = before?.name === name && before.user === user ? before.sealedPassword : undefined
  const sealedPassword = password === undefined ? kept : seal(password)
  // One that is kept is sent to no other domain, and for nobody else.
  if (sealedPassword === undefined)
    throw refused('body.customise.domain.password', `Give the password of ${user}: none is kept for it in ${name}.`)
  return { name, user, ou, sealedPassword }
}

function secretsSealed({ secrets = [] }: CustomiseAsked, before: SecretValue[], seal: Seal): SecretValue[] {
  const kept = new Map(before.map(({ name, sealedValue }) => [name, sealedValue]))
  return secrets.map(({ name, value }, index) => {
    const field = `body.customise.secrets.${index}`
    if (secrets.findIndex(other => other.name === name) < index)
      throw refused(`${field}.name`, `There is another secret named ${name}: choose another name.`)
    const sealedValue = value === undefined ? kept.get(name) : seal(value)
    if (sealedValue === undefined) throw refused(`${field}.value`, `Give the value of ${name}: none is kept.`)
    return { name, sealedValue }
  })
}

/** What stands in place of what is secret, in what is shown of an answer file. */
const masked = '••••••'

/** The answer file as a desktop of that name would get it, its secrets masked. @throws HdcsError `invalid`. */
export function answersPreview({ domain, ...asked }: CustomiseAsked, desktopName: string) {
  const { answers, secrets = [], shell } = asked
  if (answers === 'template')
    throw refused('body.customise.answers', 'Those of a template are shown on its page: give settings to see theirs.')
  if (!answers) throw refused('body.customise.answers', 'No answer file is wished.')
  if (shell !== 'powershell') throw refused('body.customise.answers', windowsOnly)
  const checked = answersSealed(secrets, answers, undefined, () => masked)
  const computer = computerName(desktopName)
  const text = answerFile(checked, {
    ...Object.fromEntries(secrets.map(({ name }) => [name, masked])),
    HDCS_DESKTOP: desktopName,
    HDCS_COMPUTER: computer,
    HDCS_POOL: 'pool',
    HDCS_ADDRESS: '10.0.0.10',
    HDCS_DOMAIN: domain?.name ?? '',
    HDCS_DOMAIN_USER: domain?.user ?? '',
    HDCS_DOMAIN_OU: domain?.ou ?? '',
    HDCS_DOMAIN_PASSWORD: masked,
    // One that is kept is not told apart from one that is given.
    HDCS_ADMINISTRATOR_PASSWORD: answers.password === null ? '' : masked,
    HDCS_PRODUCT_KEY: answers.productKey === null ? '' : masked,
  })
  return { computerName: computer, text }
}

/** A script written on a Windows is one for a Linux too. */
const scriptOf = (script: ScriptValue | null): ScriptValue | null =>
  script && { ...script, text: script.text.replaceAll('\r\n', '\n') }

/** The scripts that ran in a desktop's guests, newest first. @throws HdcsError `not_found`. */
export async function desktopSetup(broker: Broker, principal: Principal, id: string) {
  await desktopGet(broker, principal, id)
  const runs = await setupRuns(broker.db, { desktopId: id })
  return {
    items: runs.toReversed().map(run => ({
      step: run.step,
      attempt: run.attempt,
      state: run.state,
      exitCode: run.exit_code,
      text: run.text,
      startedAt: run.started_at.toISOString(),
      ms: run.ms,
      output: run.output,
    })),
  }
}
