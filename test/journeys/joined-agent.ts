import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../../bin/agent.ts', import.meta.url))

/** A simulated host in a process of its own, as the line on another server starts it. */
export function startJoinedAgent(controlUrl: string, token: string): AsyncDisposable {
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-agent-'))
  const env = {
    ...process.env,
    HDCS_DATA_DIR: folder,
    HDCS_CONTROL_URL: controlUrl,
    HDCS_JOIN_TOKEN: token,
    HDCS_SIM_HOSTS: '1',
  }
  const child: ChildProcess = spawn(process.execPath, [entry], { env, stdio: 'ignore' })
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
