/** Programs that an administrator named run beside the control plane: no shell, a deadline, and their words kept. */
import { execFile } from 'node:child_process'
import { access, constants, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'

/** More lines of a task's log than this help nobody. */
const mostLines = 100
const mostBytes = 64 * 1024

export interface CommandOutcome {
  ok: boolean
  /** What it printed, and how it ended. */
  lines: string[]
}

/**
 * Runs a program to its end. Never throws.
 * @param command an absolute path, with arguments separated by spaces (clusters' `fenceCommand`, `powerCommand`).
 * @param more arguments after its own; they are taken as they are.
 */
export function commandRun(command: string, more: readonly string[], timeoutMs: number): Promise<CommandOutcome> {
  const [program = '', ...own] = command.trim().split(/\s+/)
  // Of our environment nothing but the path: our database's address and keys are none of its business.
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: mostBytes, env: pathOnly } as const
  return new Promise(resolve => {
    execFile(program, [...own, ...more], options, (error, stdout, stderr) => {
      const lines = printable(`${stdout}\n${stderr}`).slice(0, mostLines)
      resolve({ ok: error === null, lines: [...lines, error ? endedBadly(error, timeoutMs) : 'it ended well'] })
    })
  })
}

/**
 * Said when it is saved, not on the night it is needed. Looked at on this machine only, as another control plane's is
 * not in reach: it may be the one that runs it.
 * @throws HdcsError `invalid` when the program cannot be run here.
 */
export async function commandCheck({ commandsFolder }: Broker, what: string, command: string): Promise<void> {
  const [program = ''] = command.split(' ')
  const wrong = await programWrong(join(commandsFolder, basename(program)))
  if (wrong === null) return
  throw new HdcsError(
    'invalid',
    `${what}: ${program} ${wrong} on ${hostname()}. Put the program, or a link to it, there and make it executable (chmod +x), on every machine that runs the control plane: whichever leads runs it. Then save again.`,
  )
}

async function programWrong(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null) // not there, or a link to nowhere
  if (found === null) return 'is not there'
  if (!found.isFile()) return 'is no program'
  return access(path, constants.X_OK).then(
    () => null,
    () => 'may not be run by HDCS',
  )
}

const pathOnly = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' }

function endedBadly(error: Error & { code?: unknown; killed?: boolean }, timeoutMs: number): string {
  if (error.killed) return `it was ended: it took longer than ${timeoutMs / 1000} s or printed too much`
  return typeof error.code === 'number' ? `it ended with ${error.code}` : `it could not be run (${String(error.code)})`
}

const printable = (text: string) =>
  text
    .replace(/[^\P{Cc}\n]/gu, ' ')
    .split('\n')
    .map(line => line.trimEnd())
    .filter(line => line !== '')
