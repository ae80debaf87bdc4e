/**
 * What scripts/agent.sh asks while a host joins. The token comes on standard input: arguments and the environment of a
 * process can be read by others.
 *
 *   join.ts             joins with the token, once; a host that joined before keeps its key
 *   join.ts wait [PID]  waits until the control plane sees the host; gives up when the agent PID ends
 */
import { hostname } from 'node:os'
import { text } from 'node:stream/consumers'
import { pause } from '../lib/clock.ts'
import { readConfig } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'
import { controlRequests } from '../vmm/control-requests.ts'
import { controlUrlOf, hostIdentity, hostKept, keptIn } from './agent.ts'
import { runOnce } from './process.ts'

/** An agent probes QEMU and KVM at its first start: some seconds. Longer: a person waits for what will not come. */
const waitMs = 30_000
const askAgainMs = 500

const { dataFolder } = readConfig(process.env, process.getuid?.() === 0)
const controlUrl = controlUrlOf(process.env)

async function joined(): Promise<void> {
  const token = (await text(process.stdin)).trim()
  const { key } = await hostIdentity(controlUrl, dataFolder, hostname().split('.')[0] ?? 'host', token || undefined)
  const host = await controlRequests(controlUrl, key).me()
  if (!host)
    throw new HdcsError('forbidden', 'This host was removed from the control plane: it joins with a new token.')
  console.log(`hdcs: joined as ${host.name}`)
}

async function seen(pid: number | undefined): Promise<void> {
  const kept = hostKept(dataFolder)
  if (!kept) throw new HdcsError('invalid', `This machine never was a host: there is no ${keptIn(dataFolder)}.`)
  const { me } = controlRequests(controlUrl, kept.key)
  // Of an agent that ran until now something may stand there; only what comes from here on is of the new one.
  const before = await me()
  for (const until = Date.now() + waitMs; Date.now() < until; await pause(askAgainMs)) {
    const host = await me()
    if (host && host.heardAt !== before?.heardAt)
      return console.log(`hdcs: ${host.name} is in the tree, its agent serves`)
    if (pid && !runs(pid)) throw new HdcsError('start_failed', 'The agent ended.')
  }
  throw new HdcsError('timeout', `The control plane at ${controlUrl} has not seen this host in ${waitMs / 1000} s.`)
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false // no such process
  }
}

const [mode, pid] = process.argv.slice(2)
await runOnce(() => (mode === 'wait' ? seen(pid ? Number(pid) : undefined) : joined()))
