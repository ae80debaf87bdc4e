/** The customisation of one desktop: what its host is told of it, what that says of it, and what follows. Pure. */
import { textOpen } from '../auth/sealed.ts'
import type { CustomiseFor, SetupSaid } from '../db/customisation.ts'
import type { Phase, TroubleValue } from '../db/schema.ts'
import type { CustomiseValue, ScriptValue, SecretValue, SetupObserved } from '../db/schema-customisation.ts'
import type { MachineReport } from '../vmm/report.ts'
import type { MachineSpec, SetupSpec, SetupStep } from '../vmm/spec.ts'
import { answerFile, computerName } from './answer-file.ts'
import { awaiting, builtIn, domainScripts, hostNameScripts, setupAwaited, unreadable } from './setup-scripts.ts'

/** As `customising` of db/customisation.ts. */
export const isCustomising = (wished: string | null, done: string | null): boolean => wished !== null && wished !== done

interface SetupRow {
  wished_setup: string | null
  wished_setup_try: number
  setup_done: string | null
  observed_setup: SetupObserved | null
}

const keyOf = (row: Pick<SetupRow, 'wished_setup' | 'wished_setup_try'>) =>
  `${row.wished_setup}#${row.wished_setup_try}`

/** What its host says of what is wished now; null: nothing yet. */
export const setupNow = (row: SetupRow): SetupObserved | null =>
  row.wished_setup !== null && row.observed_setup?.key === keyOf(row) ? row.observed_setup : null

/** What ended well, with what its host says now. */
export const setupDone = (row: SetupRow): string | null =>
  setupNow(row)?.state === 'done' ? row.wished_setup : row.setup_done

type PhaseRow = SetupRow & { phase: Phase; observed_trouble: TroubleValue | null }

/** What is wrong with it: not what was wrong with a customisation that is tried again by now, or goes on. */
export const troubleNow = (row: Omit<PhaseRow, 'phase'>): TroubleValue | null =>
  row.observed_trouble?.code === 'setup_failed' && setupNow(row)?.state !== 'failed' ? null : row.observed_trouble

/** Its phase, before the next look at it says so: it was given to somebody, or is tried again, since the last. */
export function phaseNow(row: PhaseRow): Phase {
  if (!isCustomising(row.wished_setup, setupDone(row))) return row.phase
  const before = row.phase === 'ready' || (row.phase === 'failed' && row.observed_trouble && !troubleNow(row))
  return before ? 'starting' : row.phase
}

/** The script at hand, for who waits; undefined: none yet. */
export const setupText = (setup: SetupObserved | null): string | undefined =>
  setup?.step ? (setup.attempt > 1 ? `${setup.step}, try ${setup.attempt}` : setup.step) : undefined

type ToldRow = Omit<SetupRow, 'observed_setup'> & {
  name: string
  pool_id: string
  address_text: string
  customise: CustomiseFor | null
}

/** What is still to be run in its guest; null: nothing. */
export function setupSpec(row: ToldRow, ticketKey: Uint8Array): SetupSpec | null {
  const { wished_setup: wished, wished_setup_try: tries, setup_done: done, customise } = row
  if (wished === null || !isCustomising(wished, done)) return null
  const { before, after, domain, hostName, shell, answers } = customise?.wish ?? nothing
  const [life = '', person] = wished.split(':')
  const environment = environmentOf(row)
  const open = (sealed: string) => textOpen(sealed, ticketKey, row.pool_id)
  const step = (name: SetupStep['name'], of: string, script: ScriptValue, more: Partial<SetupStep> = {}) => ({
    id: `${name.toLowerCase()}-${of}-${tries}`,
    name,
    shell,
    input: '',
    environment,
    ...script,
    ...more,
  })
  /** What cannot be opened any more is said where everything about the step is said, to who can mend it. */
  const given = (script: ScriptValue, secretly: () => Partial<SetupStep>): [ScriptValue, Partial<SetupStep>] => {
    try {
      return [script, secretly()]
    } catch {
      return [{ ...builtIn, retries: 0, text: unreadable[shell] }, {}]
    }
  }
  const own = (script: ScriptValue) =>
    given(script, () => secretsOf(customise?.wish ?? nothing, row.pool_id, ticketKey))
  const steps: SetupStep[] = []
  // A life that something ended well in is customised: what is still to come is for its person.
  if (done === null) {
    const awaited = { ...awaiting, text: setupAwaited }
    const readable = () => {
      answersOf(row, ticketKey)
      return {}
    }
    if (answers) steps.push(step('answers', life, ...given(awaited, readable)))
    if (hostName) steps.push(step('hostName', life, { ...builtIn, text: hostNameScripts[shell] }))
    if (domain) steps.push(step('domain', life, ...given(...joining(domain, shell, environment, open))))
    if (before) steps.push(step('before', life, ...own(before)))
  }
  if (after && person !== undefined) steps.push(step('after', `${life}-${person}`, ...own(after)))
  return { key: keyOf(row), steps }
}

const nothing: CustomiseValue = { shell: 'sh', hostName: false, domain: null, before: null, after: null }

/** What of it a script gets as variables. @throws HdcsError `invalid`: it cannot be read any more. */
export function secretsOf(
  { secrets = [] }: CustomiseValue,
  poolId: string,
  ticketKey: Uint8Array,
): Pick<SetupStep, 'secrets'> {
  if (secrets.length === 0) return {}
  const open = ({ name, sealedValue }: SecretValue) => [name, textOpen(sealedValue, ticketKey, poolId)]
  return { secrets: Object.fromEntries(secrets.map(open)) }
}

export function environmentOf(row: Pick<ToldRow, 'name' | 'address_text' | 'customise'>) {
  const { poolName = '', user = null } = row.customise ?? {}
  return {
    HDCS_DESKTOP: row.name,
    HDCS_COMPUTER: computerName(row.name),
    HDCS_POOL: poolName,
    HDCS_ADDRESS: row.address_text,
    ...(user && { HDCS_USER: user.name, HDCS_USER_FULL_NAME: user.displayName, HDCS_USER_EMAIL: user.email ?? '' }),
  }
}

function joining(
  { name, user, ou, sealedPassword }: NonNullable<CustomiseValue['domain']>,
  shell: CustomiseValue['shell'],
  environment: Record<string, string>,
  open: (sealed: string) => string,
): [ScriptValue, () => Partial<SetupStep>] {
  const variables = { ...environment, HDCS_DOMAIN: name, HDCS_DOMAIN_USER: user, HDCS_DOMAIN_OU: ou ?? '' }
  const script = { ...builtIn, text: domainScripts[shell] }
  return [
    script,
    () => {
      const password = open(sealedPassword)
      const secretly = shell === 'sh' ? { input: `${password}\n` } : { secrets: { HDCS_DOMAIN_PASSWORD: password } }
      return { ...secretly, environment: variables }
    },
  ]
}

/** The answer file of its first boot; null: none, or its guest was ready once. @throws HdcsError `invalid`: a secret cannot be read any more. */
function answersOf(row: ToldRow, ticketKey: Uint8Array): string | null {
  const { wished_setup: wished, setup_done: done, customise } = row
  const { answers, domain } = customise?.wish ?? nothing
  if (!answers || done !== null || !isCustomising(wished, done)) return null
  const open = (sealed: string | null) => (sealed === null ? '' : textOpen(sealed, ticketKey, row.pool_id))
  return answerFile(answers, {
    ...secretsOf(customise?.wish ?? nothing, row.pool_id, ticketKey).secrets,
    HDCS_DESKTOP: row.name,
    HDCS_COMPUTER: computerName(row.name),
    HDCS_POOL: customise?.poolName ?? '',
    HDCS_ADDRESS: row.address_text,
    HDCS_DOMAIN: domain?.name ?? '',
    HDCS_DOMAIN_USER: domain?.user ?? '',
    HDCS_DOMAIN_OU: domain?.ou ?? '',
    HDCS_DOMAIN_PASSWORD: open(domain?.sealedPassword ?? null),
    HDCS_ADMINISTRATOR_PASSWORD: open(answers.sealedPassword),
    HDCS_PRODUCT_KEY: open(answers.sealedProductKey),
  })
}

/** The medium that its guest finds; nothing where its secrets cannot be read, which its customisation says. */
export function answersSpec(row: ToldRow, ticketKey: Uint8Array): Pick<MachineSpec, 'answers'> {
  try {
    const text = answersOf(row, ticketKey)
    return text === null ? {} : { answers: { text } }
  } catch {
    return {} // said by the step that waits for it
  }
}

/** What a host says of the customisation of one machine, as the columns it is written to. */
export function setupSaid({ id, setup }: MachineReport): SetupSaid[] {
  if (!setup) return []
  const last = setup.runs.at(-1)
  const said = { key: setup.key, state: setup.state, step: last?.name ?? null, attempt: last?.attempt ?? 1 }
  const runs = setup.runs.map(({ id: step_id, name: step, exitCode: exit_code, startedAt: started_at, ...run }) => ({
    ...run,
    step_id,
    step,
    exit_code,
    started_at,
  }))
  return [{ desktop_id: id, setup: said, runs }]
}
