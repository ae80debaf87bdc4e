/** A script that an administrator tries in one desktop before a pool gets it (docs/decisions/0008). */
import type { Principal } from '../auth/principal.ts'
import { customisationOf, trialNote, trialOf } from '../db/customisation.ts'
import { desktopLock, desktopRows, transitionNote } from '../db/desktops.ts'
import type { TroubleValue } from '../db/schema.ts'
import type { CustomiseValue, ScriptValue } from '../db/schema-customisation.ts'
import { operationInsert } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { HostAbility, ScriptRun } from '../vmm/report.ts'
import type { Operation } from '../vmm/spec.ts'
import type { Broker } from './broker.ts'
import { desktopGet } from './desktops.ts'
import { environmentOf, secretsOf } from './setup.ts'
import { unreadable } from './setup-scripts.ts'
import { type TaskView, taskOpen } from './tasks.ts'

export interface TrialAsked {
  script?: 'before' | 'after' | undefined
  text?: string | undefined
  shell: CustomiseValue['shell']
  timeoutSeconds: number
  whileUsed: boolean
}

/** Kept in the goal of its task until it is over. */
type Trial = Pick<CustomiseValue, 'shell'> & Pick<ScriptValue, 'text' | 'timeoutSeconds'> & { by: string }

const needed: HostAbility = 'script'

/** @throws HdcsError `invalid` (no script), `conflict` (it is not up, or somebody is connected), `not_found`. */
export async function scriptTry(
  broker: Broker,
  principal: Principal,
  id: string,
  asked: TrialAsked,
): Promise<TaskView> {
  await desktopGet(broker, principal, id)
  const now = broker.clock.now()
  return transact(broker.db, async tx => {
    const row = await desktopLock(tx, id)
    const [shown] = await desktopRows(tx, { ids: [id] })
    if (!row || !shown) throw new HdcsError('not_found', 'There is no such desktop.')
    const refuse = (text: string) => new HdcsError('conflict', `${row.name}: ${text}.`)
    if (row.binned_at !== null || row.wished_power !== 'running' || !row.observed_ready)
      throw refuse('its guest does not answer: start it first')
    if (!(shown.host_can ?? []).includes(needed)) throw refuse('its host’s agent is too old for this: update it')
    if (row.observed_clients > 0 && !asked.whileUsed)
      throw refuse('somebody is connected to it: tell them, and say that it shall run all the same')
    const trial = trialFrom(asked, await customisationOf(tx, row.pool_id), principal)
    const taskId = newId(now.getTime())
    const reason = `${asked.script ?? 'a script'} tried by ${principal.name}`
    await transitionNote(tx, [{ ...row, was: row.phase, became: 'script tried', reason }], now)
    const subject = { type: 'desktop', id, name: row.name }
    const ask = { id: taskId, kind: trialKind, subject, requestedBy: principal, goal: { trial } }
    const opened = await taskOpen(tx, ask, now)
    const operation = { id: newId(now.getTime()), host_id: row.host_id, desktop_id: id, task_id: taskId }
    await operationInsert(tx, { ...operation, name: 'script' })
    return opened
  })
}

export const trialKind = 'desktop.script'

function trialFrom(asked: TrialAsked, wish: CustomiseValue | null, { name: by }: Principal): Trial {
  const refused = (field: string, message: string) =>
    new HdcsError('invalid', message, { fields: [{ field, message }] })
  const { script, text, shell, timeoutSeconds } = asked
  if ((script === undefined) === (text === undefined))
    throw refused('body.script', 'Give either one of the pool’s scripts or a text.')
  if (script === undefined) return { text: (text ?? '').replaceAll('\r\n', '\n'), shell, timeoutSeconds, by }
  const chosen = wish?.[script]
  if (!wish || !chosen) throw refused('body.script', `The pool has no script “${script}”: give a text.`)
  return { text: chosen.text, timeoutSeconds: chosen.timeoutSeconds, shell: wish.shell, by }
}

/** As its host is told of it: secrets are opened only now. Null: it is nothing of ours any more. */
export async function trialTold(broker: Broker, operationId: string): Promise<Operation['script'] | null> {
  const row = await trialOf(broker.db, operationId)
  const trial = row?.goal.trial as Trial | undefined
  if (!row || !trial) return null
  const { shell, text, timeoutSeconds, by } = trial
  // Nobody's desktop is tried as if it were the administrator's.
  const user = { name: row.user_name ?? by, displayName: row.display_name ?? by, email: row.email }
  const environment = environmentOf({ ...row, customise: { wish: row.wish ?? nothing, poolName: row.pool_name, user } })
  try {
    const secrets = secretsOf(row.wish ?? nothing, row.pool_id, broker.ticketKey)
    return { shell, text, timeoutSeconds, input: '', environment, ...secrets }
  } catch {
    // Its log says so, to who can mend it.
    return { shell, text: unreadable[shell], timeoutSeconds, input: '', environment }
  }
}

const nothing: CustomiseValue = { shell: 'sh', hostName: false, domain: null, before: null, after: null }

/**
 * What came of it, kept as the run of a script, and what its task says: an operation that is none of these is as it was.
 * @param said its answer (base64), of an agent that may be broken.
 */
export async function trialAnswered(
  broker: Broker,
  hostId: string,
  said: { operationId: string; trouble: TroubleValue | null; data: string | null },
): Promise<{ trouble: TroubleValue | null; data: string | null }> {
  const row = said.data === null ? undefined : await trialOf(broker.db, said.operationId)
  if (!row || row.host_id !== hostId) return said
  const run = runOf(Buffer.from(said.data ?? '', 'base64').toString())
  if (!run) return { trouble: { code: 'protocol', text: 'Its host answered what nobody can read.' }, data: null }
  const { state, text, ms, output, exitCode: exit_code } = run
  const step = { desktop_id: row.desktop_id, step_id: `try-${row.id}`, started_at: new Date(run.startedAt) }
  await trialNote(broker.db, { ...step, state, text, ms, output, exit_code })
  const words = output.trimEnd().split('\n').at(-1)?.trim().slice(0, 200)
  const how = `The script ${text || `ended with exit code ${exit_code}`}.${words ? ` Its last line: ${words}` : ''}`
  return { trouble: state === 'done' ? null : { code: 'setup_failed', text: how }, data: null }
}

/** As much as is told of any script. */
const maxOutputLength = 40_000

function runOf(json: string): (ScriptRun & { output: string }) | null {
  try {
    const { state, exitCode, text, startedAt, ms, output } = JSON.parse(json) as Record<keyof ScriptRun, unknown>
    const plain = (value: unknown, most: number) =>
      String(value ?? '')
        .replaceAll('\0', '')
        .toWellFormed()
        .slice(-most)
    const at = new Date(String(startedAt))
    if ((state !== 'done' && state !== 'failed') || Number.isNaN(at.getTime())) return null
    const code = Number.isInteger(exitCode) ? Number(exitCode) : null
    const lasted = Math.min(2 ** 31 - 1, Math.max(0, Math.round(Number(ms) || 0)))
    const shown = plain(output, maxOutputLength)
    return { state, exitCode: code, text: plain(text, 500), startedAt: at.toISOString(), ms: lasted, output: shown }
  } catch {
    return null // no JSON: said as that
  }
}
