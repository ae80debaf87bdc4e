/**
 * Customises guests that answer (docs/decisions/0008): step after step, try after try. The loop keeps nothing: the guest
 * knows which scripts it ran and how they ended, so a new agent goes the same way again and starts none twice.
 */
import type { Log } from '../lib/log.ts'
import { scriptRun } from './agent-scripts.ts'
import type { KnownMachine } from './agent-world.ts'
import type { Host } from './host.ts'
import { makeLane } from './lanes.ts'
import type { SetupReport, SetupRun, Trouble } from './report.ts'
import type { SetupSpec, SetupStep } from './spec.ts'

/** Guests asked at once. More: libvirt's connection is full of slow guests; fewer: a class waits for its scripts' ends. */
const guestsAtOnce = 16
/** All that is told of one machine's output. More: reports of a class grow to megabytes. */
const toldLength = 64 * 1024

type Known = Pick<KnownMachine, 'spec' | 'found' | 'memory' | 'setup'>

/** How the customisation that is wished stands; null while none is, or nothing is known of it in this life of the guest. */
export const setupOf = ({ spec, found, setup }: Pick<Known, 'spec' | 'found' | 'setup'>): SetupReport | null =>
  found && setup && spec?.setup?.key === setup.key ? setup : null

/** The newest words first: what came before was told before. */
export function setupShown({ runs, ...setup }: SetupReport): SetupReport {
  let left = toldLength
  const shown = runs.toReversed().map(run => {
    left -= run.output?.length ?? 0
    return left < 0 ? { ...run, output: null } : run
  })
  return { ...setup, runs: shown.reverse() }
}

/** Why it cannot be handed out, for an administrator. */
export function setupTrouble(known: Pick<Known, 'spec' | 'found' | 'setup'>): Trouble | null {
  const setup = setupOf(known)
  const run = setup?.runs.at(-1)
  if (setup?.state !== 'failed' || !run) return null
  const how = run.text || `ended with exit code ${run.exitCode}`
  const tries = run.attempt === 1 ? '' : ` (try ${run.attempt})`
  const words = run.output?.trimEnd().split('\n').at(-1)?.trim().slice(0, 200)
  const text = `Customisation failed: “${run.name}” ${how}${tries}.${words ? ` Its last line: ${words}` : ''}`
  return { code: 'setup_failed', text }
}

/** @returns begins what is wished of a machine and not begun, and ends what is wished no more. */
export function makeSetup(parts: {
  host: Host
  nowMs: () => number
  log: Log
  track: (work: Promise<unknown>) => void
  touch: (ids: string[]) => void
  /** The agent ends. */
  ended: AbortSignal
}): (known: KnownMachine) => void {
  const { host, nowMs, log, track, touch, ended } = parts
  const lane = makeLane(guestsAtOnce)

  return known => {
    const wish = known.spec?.setup ?? null
    const { found, memory, settingUp } = known
    const holds = wish && found && settingUp?.key === wish.key && settingUp.life === memory.stops
    if (holds) return
    if (settingUp) {
      settingUp.controller.abort()
      known.settingUp = null
      known.setup = null
    }
    if (!wish || found?.power !== 'running' || found.arriving || !memory.answered) return
    const controller = new AbortController()
    known.settingUp = { life: memory.stops, key: wish.key, controller }
    known.setup = { key: wish.key, state: 'running', runs: [] }
    track(setUp(known, wish, AbortSignal.any([controller.signal, ended])))
  }

  async function setUp(known: KnownMachine, wish: SetupSpec, signal: AbortSignal): Promise<void> {
    const tell = (setup: SetupReport) => {
      if (signal.aborted) return
      known.setup = setup
      touch([known.id])
    }
    const runs: SetupRun[] = []
    for (const step of wish.steps) {
      let run: SetupRun | undefined
      for (let attempt = 1; run?.state !== 'done' && attempt <= step.retries + 1; attempt++) {
        const at = runs.length
        run = await once(known, step, attempt, signal, fresh => {
          runs[at] = fresh
          tell({ key: wish.key, state: 'running', runs: [...runs] })
        })
        if (signal.aborted) return
        const { name, exitCode, ms, text } = run
        log.info({ machine: known.id, step: name, attempt, exitCode, ms, text }, 'a script in a guest ended')
      }
      if (run?.state !== 'done') return tell({ key: wish.key, state: 'failed', runs: [...runs] })
    }
    tell({ key: wish.key, state: 'done', runs })
  }

  /** One try, to its end; when `signal` ends before, what it says is of no use. */
  async function once(
    known: KnownMachine,
    { id, name, retries: _, ...asked }: SetupStep,
    attempt: number,
    signal: AbortSignal,
    told: (run: SetupRun) => void,
  ): Promise<SetupRun> {
    const run = await scriptRun({
      ask: () => lane(() => host.guestScript(known.id, { ...asked, id: `${id}-${attempt}` })),
      script: asked,
      silentMs: () => known.spec?.bootTimeoutMs ?? 0,
      nowMs,
      signal,
      told: seen => told({ id, name, attempt, ...seen }),
    })
    return { id, name, attempt, ...run }
  }
}
