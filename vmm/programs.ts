/** Programs of the host (qemu-img, builders), run without a shell, with a deadline, and ended with all they started. */
import { spawn } from 'node:child_process'
import { HdcsError } from '../lib/errors.ts'

export interface ProgramOptions {
  timeoutMs: number
  signal?: AbortSignal
  env?: Record<string, string>
  /** What it reads from its standard input; nothing unless given. */
  input?: string
  /** Each line of its output as it comes. */
  onLine?: (line: string) => void
  /**
   * Killed with us, however we end. For what only fills a file of ours that the next agent takes away: it would go on for
   * hours into a file that has no name any more, and hold what it reads. Not for what changes a disk in its place.
   */
  endsWithUs?: boolean
}

export interface ProgramResult {
  code: number | null
  output: string
  /** Its last words, cut: for the log and the administrator. */
  errors: string
}

const keptBytes = 64 * 1024
/** Between asking politely and killing: a builder unmounts and removes what it began. */
const goodbyeMs = 10_000

/**
 * @throws HdcsError `timeout`, `cancelled`, `unsupported` (the program is not there). An exit code is an answer.
 */
export function runProgram(program: string, args: string[], options: ProgramOptions): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted) return reject(new HdcsError('cancelled', 'The work was cancelled.'))
    const words = options.endsWithUs ? ['setpriv', '--pdeathsig=KILL', '--', program, ...args] : [program, ...args]
    // A group of its own: a builder's children end with it.
    const child = spawn(words[0] ?? program, words.slice(1), {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', ...options.env },
    })
    let reason: HdcsError | null = null
    let killer: NodeJS.Timeout | undefined
    const kill = (signal: NodeJS.Signals) => {
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, signal)
      } catch {
        // It ended in this moment.
      }
    }
    const stop = (why: HdcsError) => {
      reason ??= why
      kill('SIGTERM')
      killer ??= setTimeout(() => kill('SIGKILL'), goodbyeMs)
    }
    const timer = setTimeout(
      () => stop(new HdcsError('timeout', `${program} took longer than ${options.timeoutMs / 1000} s.`)),
      options.timeoutMs,
    )
    const cancel = () => stop(new HdcsError('cancelled', 'The work was cancelled.'))
    options.signal?.addEventListener('abort', cancel, { once: true })

    child.stdin.on('error', () => {
      // It ended before it read everything: its exit code says what came of that.
    })
    child.stdin.end(options.input)

    let output = ''
    let errors = ''
    let line = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-keptBytes)
      const lines = (line + text).split('\n')
      line = (lines.pop() ?? '').slice(-keptBytes)
      for (const whole of lines) options.onLine?.(whole)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-keptBytes)
    })
    const done = () => {
      clearTimeout(timer)
      clearTimeout(killer)
      options.signal?.removeEventListener('abort', cancel)
    }
    child.on('error', cause => {
      done()
      reject(new HdcsError('unsupported', `${program} is not installed or cannot be run on this host.`, { cause }))
    })
    child.on('close', code => {
      done()
      if (reason) reject(reason)
      else resolve({ code, output, errors: errors.trim() })
    })
  })
}

/** Where `ip`, `nft` and their like are, which not everybody's path leads to. */
export const rootPath = () => `${process.env.PATH ?? ''}:/usr/sbin:/sbin`

/** For programs that say nothing when all is well. @throws HdcsError `internal` with its words when it fails. */
export async function runOrThrow(program: string, args: string[], options: ProgramOptions): Promise<ProgramResult> {
  const result = await runProgram(program, args, options)
  if (result.code === 0) return result
  const last = result.errors.split('\n').at(-1) ?? ''
  throw new HdcsError('internal', `${program} failed: ${last || `exit code ${result.code}`}`, { cause: result.errors })
}
