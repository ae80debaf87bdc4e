/** Programs in a guest, by its agent: started with their standard input, then asked until they ended. */
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { guestAnswer } from './guest-answer.ts'
import { powershellArguments, powershellProgram } from './guest-powershell.ts'
import { shProgram } from './guest-sh.ts'
import type { GuestScript, GuestScriptState } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { isLibvirt } from './libvirt/errors.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'

/** A guest under emulation on a busy host takes seconds to begin a program. Longer: a hung one holds a place in the lane. */
const askSeconds = 10
/** The programs of ours wait a second and a half at most; what takes longer than this hangs. */
const programMs = 30_000
/** Shorter: the guest's agent is busy answering; longer: short scripts take that much longer. */
const lookMs = 100

interface Ended {
  exitCode: number
  out: Buffer
  said: string
}

const programOf = {
  sh: script => ({ path: '/bin/sh', args: ['-s'], input: shProgram(script) }),
  powershell: script => ({ path: 'powershell.exe', args: powershellArguments, input: powershellProgram(script) }),
} satisfies Record<GuestScript['shell'], (script: GuestScript) => { path: string; args: string[]; input: string }>

export function libvirtGuestScript(daemon: LibvirtDaemon, domains: LibvirtDomains) {
  async function ask(id: string, execute: string, given: Record<string, unknown>): Promise<Record<string, unknown>> {
    const command = JSON.stringify({ execute, arguments: given })
    // Its connection is its own, as that of pings: a guest that hangs holds no start and no person up.
    const options = { timeoutMs: (askSeconds + 1) * 1_000, lane: `script ${id}` }
    const call = { domain: refOf(id), command, timeoutSeconds: askSeconds }
    const answer = await daemon.statistics.domainQemuAgentCommand(call, options).catch(thrown => {
      throw agentFailure(thrown)
    })
    return (JSON.parse(answer ?? '{}') as { return?: Record<string, unknown> }).return ?? {}
  }

  async function run(id: string, program: { path: string; args: string[]; input: string }): Promise<Ended> {
    const { pid } = await ask(id, 'guest-exec', {
      path: program.path,
      arg: program.args,
      'input-data': Buffer.from(program.input).toString('base64'),
      'capture-output': true,
    })
    for (let waitedMs = 0; waitedMs < programMs; waitedMs += lookMs) {
      await pause(lookMs)
      const seen = await ask(id, 'guest-exec-status', { pid })
      if (seen.exited !== true) continue
      const bytes = (name: string) => Buffer.from(String(seen[name] ?? ''), 'base64')
      return { exitCode: Number(seen.exitcode ?? -1), out: bytes('out-data'), said: bytes('err-data').toString() }
    }
    throw new HdcsError('timeout', 'A program in the guest began and does not end: the guest hangs, or is very slow.')
  }

  return async (id: string, script: GuestScript): Promise<GuestScriptState> => {
    await domains.get(id)
    const { out, said } = await run(id, programOf[script.shell](script))
    return guestAnswer(out, said)
  }
}

/** The agent is there and will not: it was told so by its image, or its system lacks the shell. Anything else may pass. */
const refused = /has been disabled|has not been found|CommandNotFound|Failed to execute child process/i

function agentFailure(thrown: unknown): unknown {
  const message = thrown instanceof Error ? thrown.message : ''
  if (refused.test(message))
    return new HdcsError(
      'unsupported',
      `The guest’s agent runs no programs (${message}): allow guest-exec in the image, and choose the shell that its system has.`,
      { cause: thrown },
    )
  if (isLibvirt(thrown, 'agentUnresponsive', 'agentUnsynced', 'operationTimeout'))
    return new HdcsError('timeout', 'The guest’s agent does not answer.', { cause: thrown })
  return thrown
}
