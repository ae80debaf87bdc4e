/** What is done next to see that a desktop works, and what came of it. Pure. */
import type { VerifiedOpen } from '../db/verifications.ts'
import type { TaskOutcome } from './task-progress.ts'
import { done, going, vanished } from './task-progress.ts'

export type VerifyStep =
  | { do: 'nothing' }
  /** Somebody else has set it going: it is waited for. */
  | { do: 'wait' }
  | { do: 'start' }
  | { do: 'ask' }
  | { do: 'end'; state: 'ok' | 'failed' | 'skipped'; text: string; stop: boolean }

const limits = {
  /** A start fails by itself long before, in words. Longer: one that no host reports holds the rest up. */
  startMs: 30 * 60_000,
  /** After its agent answers a guest may still wait for its address. Shorter: slow ones are called broken. */
  addressMs: 30_000,
  /** A host that is there answers in milliseconds, a guest within ten seconds. */
  answerMs: 30_000,
}

/** @param may whether another one may be begun now. */
export function verifyStep(item: VerifiedOpen, may: boolean, now: Date): VerifyStep {
  const { desktop, state, started } = item
  const end = (to: 'ok' | 'failed' | 'skipped', text: string): VerifyStep => ({
    do: 'end',
    state: to,
    text,
    stop: started && desktop?.user_id === null,
  })
  if (!desktop) return end('skipped', 'it was removed meanwhile')
  if (state === 'waiting' && !may) return { do: 'nothing' }
  const waitedMs = now.getTime() - item.since.getTime()
  const free = desktop.user_id === null
  switch (desktop.phase) {
    case 'failed':
      return end('failed', desktop.trouble?.text ?? 'it failed')
    case 'unknown':
      return end('failed', 'its host is lost')
    case 'paused':
      return end('skipped', 'it is suspended')
    case 'removing':
      return end('skipped', 'it is being removed')
    case 'stopped':
      if (started && desktop.wished_power === 'stopped') return end('skipped', 'it was shut down meanwhile')
      if (!free) return end('skipped', 'it is shut down, and somebody’s own')
      if (desktop.captured) return end('skipped', 'a template version is being made of it')
      return started ? { do: 'nothing' } : { do: 'start' }
    case 'ready':
      break
    default:
      if (state !== 'waiting' && waitedMs > limits.startMs) return end('failed', 'it did not become ready')
      return state === 'waiting' ? { do: 'wait' } : { do: 'nothing' }
  }
  if (desktop.ready_when === 'running')
    return end('ok', 'it runs; without an agent in its guest its address is not known')
  if (state !== 'asking' || item.answer === null) {
    if (state === 'asking' && waitedMs > limits.answerMs) return end('failed', 'its host went away meanwhile')
    return { do: 'ask' }
  }
  const { answer } = item
  if (!answer.done) return waitedMs > limits.answerMs ? end('failed', 'its host does not answer') : { do: 'nothing' }
  if (answer.trouble) return end('failed', answer.trouble.text)
  const addresses = addressesIn(answer.data)
  const wrong = addressWrong(addresses, desktop)
  if (wrong === undefined) return end('ok', `its guest answers and has ${addresses.join(', ')}`)
  return waitedMs > limits.addressMs ? end('failed', wrong) : { do: 'ask' }
}

export interface VerifyTaken {
  item: VerifiedOpen
  step: Exclude<VerifyStep, { do: 'nothing' }>
}

/** What is done next with those that are open, at most `batch` of them under way. */
export function verifySteps(items: readonly VerifiedOpen[], batch: number, now: Date): VerifyTaken[] {
  let under = items.filter(({ state }) => state !== 'waiting').length
  return items.flatMap(item => {
    const step = verifyStep(item, under < batch, now)
    if (step.do === 'nothing') return []
    if (step.do === 'end') under -= item.state === 'waiting' ? 0 : 1
    else under += item.state === 'waiting' ? 1 : 0
    return [{ item, step }]
  })
}

/**
 * Without the starts for which no memory is left (`cramped`: the reason by desktop). They wait while others of the same
 * look are under way, which give back what they take; once none is, they are left out.
 */
export function stepsInRoom(
  items: readonly VerifiedOpen[],
  steps: readonly VerifyTaken[],
  cramped: ReadonlyMap<string, string>,
): VerifyTaken[] {
  const isRefused = ({ item, step }: VerifyTaken) => step.do === 'start' && cramped.has(item.desktop_id)
  // Those that end now, too: what they took was still theirs when the hosts were read.
  const waits =
    items.some(({ state }) => state !== 'waiting') || steps.some(taken => taken.step.do !== 'end' && !isRefused(taken))
  return steps.flatMap((taken): VerifyTaken[] => {
    if (!isRefused(taken)) return [taken]
    const text = cramped.get(taken.item.desktop_id) ?? ''
    return waits ? [] : [{ item: taken.item, step: { do: 'end', state: 'skipped', text, stop: false } }]
  })
}

function addressesIn(data: string | null): string[] {
  const said: unknown = JSON.parse(Buffer.from(data ?? '', 'base64').toString() || '[]')
  return Array.isArray(said) ? said.filter(address => typeof address === 'string') : []
}

function addressWrong(said: readonly string[], desktop: { address: string; bridged: boolean }): string | undefined {
  if (said.length === 0) return 'its guest has no address'
  // On a network of the site it has what that gives it.
  if (desktop.bridged || said.includes(desktop.address)) return
  return `its guest has ${said.join(', ')} instead of ${desktop.address}`
}

export interface VerificationForTask {
  state: 'running' | 'done' | 'cancelled'
  ok: number
  failed: number
  skipped: number
  waiting: number
  looking: number
}

/** Its receipt: it succeeds when all were looked at, and says how many do not work. */
export function verificationTask(of: VerificationForTask | undefined): TaskOutcome {
  if (!of) return vanished
  const { ok, failed, skipped, waiting, looking } = of
  const total = ok + failed + skipped + waiting + looking
  const text = `${ok} of ${total} work${failed > 0 ? `, ${failed} do not` : ''}${skipped > 0 ? `, ${skipped} were left out` : ''}`
  if (of.state === 'cancelled')
    return { state: 'cancelled', progress: 100, steps: [], error: { code: 'cancelled', text: `Cancelled: ${text}.` } }
  if (of.state === 'done') return done([{ name: 'verify', state: 'done', text }])
  const share = total === 0 ? 99 : Math.floor((99 * (ok + failed + skipped)) / total)
  return going(Math.max(1, share), [{ name: 'verify', state: 'current', text }])
}
