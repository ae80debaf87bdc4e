/** What Windows Setup is answered in the guests of a template, or of one pool. */
import { readFileSync } from 'node:fs'
import type { z } from '@hono/zod-openapi'
import type { answersSchema } from '../api/customisation.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { poolFind } from './desktops.ts'
import { fields } from './print.ts'
import { askPassword } from './prompt.ts'
import { templateFind } from './templates.ts'

type Answers = z.output<typeof answersSchema>

export interface AnswersOptions {
  language?: string
  timeZone?: string
  keyboard?: string
  administrator?: string
  /** A file. */
  unattend?: string
  /** Asked for: what stands in a command is seen by others. */
  password?: boolean
  productKey?: boolean
  clearPassword?: boolean
  clearProductKey?: boolean
  none?: boolean
  /** Of a pool. */
  template?: boolean
}

export async function templateAnswers(context: Context, name: string, options: AnswersOptions): Promise<void> {
  const template = await templateFind(context, name)
  const answers = await changed(template.answers, options)
  const params = { id: template.id }
  const now = answers === undefined ? template : await context.client.templateUpdate({ params, body: { answers } })
  answer(context, now.answers, () => shown(now.answers, `${name} says nothing: pools may say it themselves.`))
}

export async function poolAnswers(context: Context, name: string, options: AnswersOptions): Promise<void> {
  const { client } = context
  const params = { id: (await poolFind(context, name)).id }
  const { customise } = await client.poolGet({ params })
  const follows = customise?.answersFrom === 'template'
  // Of the template's nothing is kept by the pool.
  const own = follows && customise.answers ? { ...customise.answers, passwordSet: false, productKeySet: false } : null
  const answers = options.template ? 'template' : await changed(own ?? customise?.answers ?? null, options)
  if (answers !== undefined) await client.poolUpdate({ params, body: { customise: withAnswers(customise, answers) } })
  const { customise: now } = await client.poolGet({ params })
  const whose = now?.answersFrom === 'template' ? 'As its template says.\n' : ''
  answer(context, now?.answers ?? null, () => `${whose}${shown(now?.answers ?? null, 'Nothing is answered.')}`)
}

type Customise = Awaited<ReturnType<Context['client']['poolGet']>>['customise']
type Asked = NonNullable<NonNullable<Parameters<Context['client']['templateUpdate']>[0]['body']>['answers']>

/** The rest of what is run in its guests stays: what is secret of it is kept when it is not given. */
function withAnswers(customise: Customise, answers: Asked | 'template' | null) {
  const { before = null, after = null, hostName = false, domain = null, secrets = [] } = customise ?? {}
  const kept = domain && { name: domain.name, user: domain.user, ou: domain.ou }
  // Only Windows is asked anything.
  const shell = answers === null ? (customise?.shell ?? 'powershell') : 'powershell'
  if (customise && customise.shell !== shell && (before || after || domain))
    throw new HdcsError(
      'conflict',
      'The guests of this pool are Linux, as its scripts say: Windows Setup is not there.',
    )
  const something = answers || before || after || hostName || domain
  return something ? { shell, hostName, domain: kept, before, after, secrets, answers } : null
}

/** @returns undefined: nothing was asked for. */
async function changed(before: Answers | null, options: AnswersOptions): Promise<Asked | null | undefined> {
  if (options.none) return null
  const { passwordSet: _, productKeySet: __, ...standing } = before ?? { passwordSet: false, productKeySet: false }
  const { language, timeZone, keyboard, administrator, unattend } = options
  const given = {
    ...(language !== undefined && { language }),
    ...(timeZone !== undefined && { timeZone: timeZone || null }),
    ...(keyboard !== undefined && { keyboard: keyboard || null }),
    ...(administrator !== undefined && { administrator: administrator || null }),
    ...(unattend !== undefined && { unattend: unattend ? fileRead(unattend) : null }),
    ...(await secretOf('password', options.password, options.clearPassword)),
    ...(await secretOf('productKey', options.productKey, options.clearProductKey)),
  }
  return Object.keys(given).length === 0 ? undefined : { ...standing, ...given }
}

async function secretOf(name: 'password' | 'productKey', asks = false, clears = false) {
  if (!asks) return clears ? { [name]: null } : {}
  if (clears) throw new HdcsError('invalid', 'Given and removed at once: choose one.')
  return { [name]: await askPassword(name === 'password' ? 'Password of the local administrator: ' : 'Product key: ') }
}

function fileRead(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new HdcsError('invalid', `${path} cannot be read.`, { cause })
  }
}

function shown(answers: Answers | null, none: string): string {
  if (!answers) return none
  const kept = (is: boolean) => (is ? 'kept' : 'none')
  return fields([
    ['file', answers.unattend ? 'your own' : 'written of these settings'],
    ['language', answers.language],
    ['time zone', answers.timeZone ?? 'of the image'],
    ['keyboard', answers.keyboard ?? 'of the language'],
    ['administrator', answers.administrator ?? 'Windows’ own'],
    ['password', kept(answers.passwordSet)],
    ['product key', kept(answers.productKeySet)],
  ])
}
