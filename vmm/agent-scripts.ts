/** A script in a guest, asked about until it is over, and told without what is secret of it. */
import { pause } from '../lib/clock.ts'
import { asHdcsError } from '../lib/errors.ts'
import type { GuestScript, GuestScriptState } from './host.ts'
import type { ScriptRun } from './report.ts'

/** Between two looks at a script that runs. Shorter: more programs in the guest; longer: its end is told later. */
const lookMs = 500

/**
 * To its end; when `signal` ends before, what it says is of no use.
 * @param parts.silentMs how long its guest may be silent: one that restarts is so for the time of a boot.
 */
export async function scriptRun(parts: {
  ask: () => Promise<GuestScriptState>
  script: Pick<GuestScript, 'input' | 'secrets' | 'timeoutSeconds'>
  silentMs: () => number
  nowMs: () => number
  signal: AbortSignal
  told?: (run: ScriptRun) => void
}): Promise<ScriptRun> {
  const { ask, script, silentMs, nowMs, signal, told } = parts
  const hidden = [...Object.values(script.secrets ?? {}), script.input]
  let run: ScriptRun = {
    state: 'running',
    exitCode: null,
    text: '',
    startedAt: iso(nowMs()),
    ms: 0,
    output: '',
  }
  let silentSinceMs: number | null = null
  told?.(run)
  while (run.state === 'running' && !signal.aborted) {
    const seen = await ask().catch(asHdcsError)
    if (signal.aborted) break
    if ('state' in seen) {
      silentSinceMs = null
      const shown = { ...seen, output: secretsCut(seen.output, hidden) }
      run = { ...outcomeOf(shown, script.timeoutSeconds), startedAt: iso(nowMs() - seen.ms) }
    } else if (seen.code === 'unsupported' || seen.code === 'invalid') {
      run = { ...run, state: 'failed', text: `could not be run: ${seen.message}` }
    } else {
      // libvirt being away is no silence of the guest.
      silentSinceMs = seen.code === 'unreachable' ? null : (silentSinceMs ?? nowMs())
      const silent = silentSinceMs !== null && nowMs() - silentSinceMs > silentMs()
      if (silent) run = { ...run, state: 'failed', text: `was not heard of any more: ${seen.message}` }
    }
    told?.(run)
    if (run.state === 'running') await pause(lookMs, signal)
  }
  return run
}

const mask = '••••••'
/** Shorter pieces are in many words by chance. */
const tellingLength = 3

/**
 * What a script wrote, without what was told to it in secret: whole values, each line of longer ones, and the end of one
 * that was cut in two at the beginning of what is shown. Written in another way (encoded, letter by letter) it is not
 * found.
 */
export function secretsCut(output: string, secrets: readonly string[]): string {
  const lines = secrets.flatMap(secret => [secret.trim(), ...secret.split('\n').map(line => line.trim())])
  const found = [...new Set(lines)].filter(line => line.length >= tellingLength).toSorted((a, b) => b.length - a.length)
  let shown = output
  for (const line of found) shown = shown.replaceAll(line, mask)
  for (const line of found)
    for (let from = 1; from <= line.length - tellingLength; from++)
      if (shown.startsWith(line.slice(from))) return `${mask}${shown.slice(line.length - from)}`
  return shown
}

const iso = (ms: number) => new Date(ms).toISOString()

function outcomeOf(
  { state, exitCode, ms, output }: GuestScriptState,
  timeoutSeconds: number,
): Omit<ScriptRun, 'startedAt'> {
  const text = {
    running: '',
    ended: '',
    late: `was ended by force after ${timeoutSeconds} s`,
    interrupted: 'was interrupted: its guest went down meanwhile',
  }[state]
  const become = state === 'running' ? 'running' : exitCode === 0 ? 'done' : 'failed'
  return { state: become, exitCode, text, ms, output }
}
