/** Programs that an administrator named run beside the control plane: no shell, a deadline, and their words kept. */
import { execFile } from 'node:child_process'

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
