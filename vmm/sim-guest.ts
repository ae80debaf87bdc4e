/**
 * Scripts in simulated guests. What the lines of a script's text ask for:
 *   exit N          ends with that code; `exit N # once`: only the first time on this disk
 *   sleep S         takes so many seconds (of several, the sum)
 *   echo WORDS      writes them, with the variables of its environment
 *   wc -c           writes how many bytes came on its standard input
 *   no-exec         the guest's agent runs no programs (`unsupported`)
 */
import { HdcsError } from '../lib/errors.ts'
import { scriptIdChecked } from './guest-sh.ts'
import type { GuestScript, GuestScriptState } from './host.ts'
import type { MachineSpec } from './spec.ts'

interface SimRun {
  beganMs: number
  lastsMs: number
  exitCode: number
  output: string
  /** Of the guest's life in which it began. */
  life: object
}

/** By what a disk holds, which goes with it from host to host. */
const disks = new Map<string, Map<string, SimRun>>()
/** More are forgotten, oldest first: their guests would begin anew. */
const keptDisks = 20_000

/** @param guest its `timers` are another object after each of its starts. */
export function simGuestScript(
  content: string,
  { agentConnected, timers: life }: { agentConnected: boolean; timers: object },
  script: GuestScript,
): GuestScriptState {
  const nowMs = Date.now()
  if (!agentConnected) throw new HdcsError('timeout', 'The guest’s agent does not answer.')
  if (script.text.includes('no-exec'))
    throw new HdcsError('unsupported', 'The guest’s agent runs no programs, as its script asked.')
  const runs = disks.get(content) ?? new Map<string, SimRun>()
  disks.set(content, runs)
  for (const oldest of disks.keys()) if (disks.size > keptDisks) disks.delete(oldest)
  const id = scriptIdChecked(script.id)
  const run = runs.get(id) ?? begin(script, life, nowMs, runs.size > 0)
  runs.set(id, run)
  const ranMs = nowMs - run.beganMs
  const lastMs = Math.min(run.lastsMs, script.timeoutSeconds * 1000)
  if (run.life !== life && ranMs < lastMs) run.lastsMs = -1
  if (run.lastsMs < 0) return { state: 'interrupted', exitCode: null, ms: 0, output: '' }
  if (ranMs < lastMs) return { state: 'running', exitCode: null, ms: ranMs, output: run.output }
  if (lastMs < run.lastsMs) return { state: 'late', exitCode: null, ms: lastMs, output: run.output }
  return { state: 'ended', exitCode: run.exitCode, ms: run.lastsMs, output: run.output }
}

function begin(
  { text, input, environment, secrets }: GuestScript,
  life: object,
  beganMs: number,
  before: boolean,
): SimRun {
  const lastsMs = [...text.matchAll(/\bsleep (\d+(?:\.\d+)?)/g)].reduce((sum, [, s]) => sum + Number(s) * 1000, 0)
  const [, code = '0', once] = /^exit (\d+)( # once)?$/m.exec(text) ?? []
  const filled = (words: string) =>
    words.replaceAll(/\$\{?([A-Z_]+)\}?/g, (_, name) => environment[name] ?? secrets?.[name] ?? '')
  const lines = [...text.matchAll(/^(?:echo (.*)|wc -c)$/gm)].map(([, words]) =>
    words === undefined ? `${input.length}\n` : `${filled(words.replaceAll(/["']/g, ''))}\n`,
  )
  return { beganMs, lastsMs, exitCode: once && before ? 0 : Number(code), output: lines.join(''), life }
}

/** What the guest says it has: a name asks for another one (`other-address`), or for none (`no-address`). */
export function simAddresses(machine: { spec: Pick<MachineSpec, 'name' | 'nic'>; agentConnected: boolean }): string[] {
  const { name, nic } = machine.spec
  if (!machine.agentConnected) throw new HdcsError('timeout', 'The guest’s agent does not answer.')
  if (nic === null || name.includes('no-address')) return []
  return [name.includes('other-address') ? '169.254.7.7' : nic.address]
}
