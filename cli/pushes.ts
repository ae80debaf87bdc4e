/** Pools brought to another template version, by an administrator's hand. */
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { poolFind } from './desktops.ts'
import { follow } from './follow.ts'
import type { Push, PushPlan } from './nouns.ts'
import { type Column, fields, table } from './print.ts'

export interface PushOptions {
  /** `18:00`, `+2h`, or a date and a time. */
  at?: string
  /** Minutes. */
  notice?: string
  notes?: string
  dryRun?: boolean
}

/** @param word a version's number; `back` or `cancel` for the last push; absent: how the last ones went. */
export async function push(context: Context, poolName: string, word: string | undefined, options: PushOptions) {
  const { id, name } = await poolFind(context, poolName)
  if (word === undefined) return pushesShow(context, id, name)
  if (word === 'cancel' || word === 'back') return pushUndo(context, id, name, word)
  const version = Number(word)
  if (!Number.isInteger(version) || version < 1)
    throw new HdcsError('invalid', `Which version? A number, or back or cancel, not “${word}”.`)
  const notice = options.notice === undefined ? undefined : minutesOf(options.notice)
  const body = {
    version,
    ...(options.at !== undefined && { at: timeOf(options.at, context.now()).toISOString() }),
    ...(notice !== undefined && { force: { noticeMinutes: notice } }),
    ...(options.notes !== undefined && { notes: options.notes }),
    dryRun: options.dryRun === true,
  }
  const made = await context.client.pushMake({ params: { id }, body })
  if (!('task' in made)) return answer(context, made, () => planText(name, made))
  // Of tonight nobody waits for the end.
  const later = made.task.state === 'queued' && options.at !== undefined
  const task = later ? made.task : await follow(context, made.task)
  const when = later ? `goes to version ${version} at ${localTime(made.push.at)}` : `is on version ${version}`
  answer(context, { ...made, task }, () => `${name} ${when}`)
}

async function pushesShow(context: Context, poolId: string, name: string) {
  const page = await context.client.pushList({ params: { id: poolId }, query: { limit: 10 } })
  const columns: Column<Push>[] = [
    { title: 'VERSION', value: one => `${one.fromVersion ?? '?'} → ${one.version}` },
    { title: 'STATE', value: one => one.state },
    { title: 'AT', value: one => localTime(one.startedAt ?? one.at) },
    { title: 'ON IT', value: one => (one.counts ? `${one.counts.done}/${one.counts.total}` : '—'), right: true },
    { title: 'IN USE', value: one => (one.counts ? `${one.counts.inUse}` : '—'), right: true },
    { title: 'BY', value: one => one.requestedBy },
    { title: 'NOTE', value: one => one.text || one.notes },
  ]
  answer(context, page, () =>
    page.items.length === 0
      ? `${name} was never pushed: hdcs push ${name} VERSION`
      : table(page.items, columns, context.terminal.width),
  )
}

async function pushUndo(context: Context, poolId: string, name: string, word: 'cancel' | 'back') {
  const { client } = context
  const { items } = await client.pushList({ params: { id: poolId }, query: { limit: 50 } })
  const action = word === 'back' ? 'rollback' : 'cancel'
  const last = items.find(one => one.actions.some(({ name: can, allowed }) => can === action && allowed))
  if (!last)
    throw new HdcsError('conflict', `No push of ${name} can be ${word === 'back' ? 'rolled back' : 'cancelled'}.`)
  const params = { id: last.id }
  if (word === 'cancel') {
    const push = await client.pushCancel({ params })
    return answer(context, push, () => `${name}: the push of version ${push.version} is cancelled`)
  }
  const made = await client.pushRollback({ params, body: {} })
  const task = await follow(context, made.task)
  answer(context, { ...made, task }, () => `${name} is back on version ${made.push.version}`)
}

function planText(name: string, plan: PushPlan): string {
  const checks = plan.checks.map(({ ok, text }) => `${ok ? '  ' : '! '}${text}`)
  const numbers = fields([
    ['remade at once', String(plan.remadeAtOnce)],
    ['when given back', String(plan.remadeWhenGivenBack)],
    ['given back by force', String(plan.givenBackByForce)],
    ['kept by their people', String(plan.kept)],
    ['on it already', String(plan.already)],
  ])
  const people = plan.people.map(
    ({ desktopName, userName, connected }) => `  ${desktopName}  ${userName ?? '—'}${connected ? ', connected' : ''}`,
  )
  const held = plan.follows ? ['It follows the newest version; from then on it stays on the one that is pushed.'] : []
  const refused = plan.actions.find(({ allowed }) => !allowed)?.reason
  return [
    `${name}: ${plan.fromVersion ?? '?'} → ${plan.version}`,
    ...checks,
    numbers,
    ...people,
    ...held,
    ...(refused === undefined ? [] : [`It cannot be done: ${refused}.`]),
  ].join('\n')
}

function minutesOf(text: string): number {
  const minutes = Number(text)
  if (Number.isInteger(minutes) && minutes >= 0) return minutes
  throw new HdcsError('invalid', `--notice takes minutes, not “${text}”.`)
}

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** In this machine's time zone. @throws HdcsError `invalid`. */
export function timeOf(text: string, now: Date): Date {
  const [, count, unit] = /^\+(\d{1,4})([mhd])$/.exec(text) ?? []
  if (count && unit) return new Date(now.getTime() + Number(count) * unitMs[unit as keyof typeof unitMs])
  const [, hours, minutes] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? []
  if (hours && minutes && Number(hours) < 24 && Number(minutes) < 60) {
    const at = new Date(now)
    at.setHours(Number(hours), Number(minutes), 0, 0)
    if (at <= now) at.setDate(at.getDate() + 1)
    return at
  }
  const at = new Date(text)
  if (/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text) && !Number.isNaN(at.getTime())) return at
  throw new HdcsError('invalid', `--at takes 18:00, +2h or “2026-12-24 18:00”, not “${text}”.`)
}

const localTime = (at: string) => new Date(at).toLocaleString('sv-SE', { timeZoneName: 'short' })
