/** Simulated hosts and their agents, in a thread of their own: what they work is not the control plane's work. */
import { parentPort, workerData } from 'node:worker_threads'
import { makeLog } from '../lib/log.ts'
import { startAgent } from '../vmm/agent.ts'
import { agentSocket } from '../vmm/agent-socket.ts'
import type { Host } from '../vmm/host.ts'
import { makeSimHost } from '../vmm/sim-host.ts'
import type { HostWay } from './site.ts'

const log = makeLog('bench', process.env.HDCS_LOG_LEVEL ?? 'error')
let calls = 0
await using undo = new AsyncDisposableStack()
for (const { hostName, url, key, installationId } of workerData as HostWay[]) {
  const sim = undo.use(makeSimHost({ installationId, hostName, cpus: 256, memoryBytes: 2 ** 42 }))
  undo.use(await startAgent({ host: counted(sim), connect: agentSocket({ url, key, log }), log, bootSlots: 16 }))
}
// Told how many calls of hosts there were, whenever asked; the second word ends it.
await new Promise<void>(resolve =>
  parentPort?.on('message', word => (word === 'calls' ? parentPort?.postMessage(calls) : resolve())),
)
parentPort?.close()

/** What asks a host to do or tell something, counted; what only the loop reads once is not there. */
function counted<T extends Host>(host: T): T {
  return new Proxy(host, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function' || name === 'events' || typeof name === 'symbol') return value
      return (...given: unknown[]) => {
        calls++
        return (value as (...args: unknown[]) => unknown).apply(target, given)
      }
    },
  })
}
