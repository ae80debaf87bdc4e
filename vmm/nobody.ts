/** Programs that read what a guest wrote: as nobody, bounded in memory and time, ended with the agent. */
import { chown } from 'node:fs/promises'
import { type ProgramOptions, type ProgramResult, rootPath, runProgram } from './programs.ts'

/** `nobody` of Debian. */
const nobody = 65_534

interface Bounds extends Omit<ProgramOptions, 'env'> {
  addressBytes: number
  /** The only group that it is in, beside nobody's: the one that may open /dev/kvm. */
  group?: number | null
}

/** @throws HdcsError as `runProgram`. */
export function asNobody(program: string, args: string[], bounds: Bounds): Promise<ProgramResult> {
  const { addressBytes, group = null, ...options } = bounds
  const limits = [`--as=${addressBytes}`, `--cpu=${Math.ceil(options.timeoutMs / 1000)}`, '--core=0', '--', program]
  const who = [
    `--reuid=${nobody}`,
    `--regid=${nobody}`,
    group === null ? '--clear-groups' : `--groups=${group}`,
    '--no-new-privs',
  ]
  // Killed by nobody, it would outlive an agent that is.
  const words = [...(isRoot() ? who : []), '--pdeathsig=KILL', '--', 'prlimit', ...limits, ...args]
  return runProgram('setpriv', words, { ...options, env: { PATH: rootPath() } })
}

const isRoot = () => process.getuid?.() === 0

export async function ownedByNobody(path: string): Promise<void> {
  if (isRoot()) await chown(path, nobody, nobody)
}
