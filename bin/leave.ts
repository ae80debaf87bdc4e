/**
 * What scripts/agent.sh runs on a machine whose host was removed: ends the desktops that still run here and takes their
 * network down. Only where the control plane itself says that it knows this host no more, and a person wishes it: a
 * restored backup or another server at that address would say the same.
 */
import { join } from 'node:path'
import { readConfig } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'
import { lockFolder } from '../lib/folder-lock.ts'
import { controlRequests } from '../vmm/control-requests.ts'
import { hostLeave } from '../vmm/leaving.ts'
import { connectDaemon } from '../vmm/libvirt/daemon.ts'
import { controlUrlOf, hostKept, keptIn } from './agent.ts'
import { runOnce } from './process.ts'

async function leave(): Promise<string[]> {
  const { dataFolder, simHosts } = readConfig(process.env, process.getuid?.() === 0)
  const kept = hostKept(dataFolder)
  if (!kept) throw new HdcsError('invalid', `This machine never was a host: there is no ${keptIn(dataFolder)}.`)
  const { key, installationId } = kept
  const known = await controlRequests(controlUrlOf(process.env), key).me()
  if (known) throw new HdcsError('conflict', `This machine is the host ${known.name}: remove it in the console first.`)
  // An agent that runs would start again what ends.
  using _alone = lockFolder(join(dataFolder, 'host'))
  if (simHosts > 0) return []
  await using daemon = await connectDaemon()
  return await hostLeave(daemon, { installationId })
}

await runOnce(async () => {
  const ended = (await leave()).join(', ') || 'nothing'
  console.log(`hdcs: nothing of HDCS runs here any more; ended: ${ended}. Disks were left alone.`)
})
