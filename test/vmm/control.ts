import type { AgentConnect, AgentConnection } from '../../vmm/agent.ts'
import type { FromAgent, ToAgent } from '../../vmm/protocol.ts'
import type { ImageReport, MachineReport } from '../../vmm/report.ts'

/**
 * A control plane in a test's hand: keeps what was reported and waits for facts.
 * @param strays what is answered when there are disks of machines that were not wished: `keep` where another host has them.
 */
export function makeControl(strays: 'remove' | 'keep' = 'remove') {
  const machines = new Map<string, MachineReport>()
  const images = new Map<string, ImageReport>()
  const heard: FromAgent[] = []
  const watchers = new Set<() => void>()
  let connection: AgentConnection | undefined

  const hear = (message: FromAgent) => {
    heard.push(message)
    if (message.type === 'report') {
      if (message.full) for (const map of [machines, images]) map.clear()
      for (const report of message.machines) machines.set(report.id, report)
      for (const report of message.images) images.set(report.id, report)
      for (const id of message.gone) machines.delete(id)
      // As the control plane answers when it knows no desktop of that id.
      if (strays === 'remove' && message.strays.length > 0) condemn(message.strays.map(({ id }) => id))
    }
    for (const watcher of watchers) watcher()
  }
  const condemn = (remove: string[]) =>
    setImmediate(() => connection?.heard({ type: 'change', machines: [], images: [], gone: [], remove }))
  const connect: AgentConnect = given => {
    connection = given
    connection.opened({ send: hear })
    return { async [Symbol.asyncDispose]() {} }
  }
  /** Resolves as soon as `what` answers something other than undefined or false; looks after every message. */
  const until = <T>(what: () => T | undefined | false, timeoutMs = 10_000) =>
    new Promise<T>((resolve, reject) => {
      const look = () => {
        const value = what()
        if (value === undefined || value === false) return
        done()
        resolve(value as T)
      }
      const timer = setTimeout(() => {
        done()
        reject(new Error(`never came true; last known: ${JSON.stringify([...machines.values()], null, 1)}`))
      }, timeoutMs)
      const done = () => {
        clearTimeout(timer)
        watchers.delete(look)
      }
      watchers.add(look)
      look()
    })

  return {
    connect,
    /** For a control plane behind a socket. */
    hear,
    machines,
    images,
    heard,
    until,
    /** Called after every message. */
    watch: (watcher: () => void) => void watchers.add(watcher),
    tell: (message: ToAgent) => connection?.heard(message),
    cut: () => connection?.closed(),
    open: () => connection?.opened({ send: hear }),
    machine: (id: string, is: (report: MachineReport) => boolean, timeoutMs?: number) =>
      until(() => {
        const report = machines.get(id)
        return report && is(report) ? report : undefined
      }, timeoutMs),
  }
}
