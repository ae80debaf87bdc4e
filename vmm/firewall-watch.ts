/** Hears from the kernel, through `nft monitor`, when somebody changes the desktops' rules: a host that is left alone does nothing. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { rootPath } from './programs.ts'

export interface RulesWatch extends Disposable {
  /** Whether nobody changed anything since this was last asked; false as well while it is not certain that we would know. */
  quiet(): boolean
}

/**
 * @param enter put before `nft` where the desktops live in another network namespace
 * @param table whose changes are heard; `nft flush ruleset` is told as the removal of each
 */
export function makeRulesWatch(enter: readonly string[], table: string): RulesWatch {
  let monitor: ChildProcess | undefined
  let heard = true

  function start(): void {
    heard = true
    // Killed with us, however we end.
    const args = ['--pdeathsig', 'KILL', '--', ...enter, 'nft', '-n', 'monitor']
    const child = spawn('setpriv', args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PATH: rootPath() },
    })
    monitor = child
    const gone = () => {
      if (monitor === child) monitor = undefined
    }
    child.once('error', gone).once('exit', gone)
    createInterface({ input: child.stdout }).on('line', line => {
      heard ||= line.includes(table)
    })
  }

  return {
    quiet() {
      if (!monitor) {
        // It hears from some moment on only: what came before is looked at now, and once more when this is asked again.
        start()
        return false
      }
      const was = heard
      heard = false
      return !was
    },
    [Symbol.dispose]() {
      monitor?.kill()
      monitor = undefined
    },
  }
}
