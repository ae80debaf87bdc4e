/** What really runs and lies on a lab's hosts, looked at from outside: around the network, the agents and the database. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../lib/clock.ts'
import type { LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { statsFlags, statsGroups } from '../../vmm/libvirt/flags.ts'
import { type LibvirtMachine, libvirtDomains } from '../../vmm/libvirt-domains.ts'
import { guestRun } from './guest.ts'
import type { Lab } from './lab.ts'

/** VIR_DOMAIN_RUNNING */
const stateRunning = 1
/** Between two looks at all hosts: a start takes longer than this. */
const lookMs = 200

export interface Guests extends AsyncDisposable {
  /** The machines of each host that has power, by its name. */
  seen(): Promise<Map<string, LibvirtMachine[]>>
  /** A shell command in a guest, through its agent. @returns what it printed. */
  run(host: string, desktopId: string, script: string): Promise<string>
  /** Every disk that ran on two hosts at one moment since the watch began. */
  readonly twice: ReadonlySet<string>
}

/** Looks again and again until disposed whether any disk runs twice. */
export function watchGuests(lab: Lab, installationId: string): Guests {
  const daemons = new Map<string, LibvirtDaemon>()
  const twice = new Set<string>()
  const ended = new AbortController()

  async function daemonOf(name: string): Promise<LibvirtDaemon> {
    const known = daemons.get(name)
    if (known) return known
    const daemon = await lab.daemon(name)
    daemons.set(name, daemon)
    return daemon
  }

  async function forget(name: string): Promise<void> {
    const daemon = daemons.get(name)
    daemons.delete(name)
    await daemon?.[Symbol.asyncDispose]()
  }

  async function machines(name: string): Promise<LibvirtMachine[]> {
    if (!lab.runs(name)) return []
    try {
      const { actions } = await daemonOf(name)
      return await libvirtDomains(actions, installationId, async () => 0).list()
    } catch (error) {
      await forget(name)
      if (!lab.runs(name)) return [] // its power was cut while we asked: what was on it is gone
      throw error
    }
  }

  /** The running machines of a host by their ids alone, which costs next to nothing; none of a host that boots. */
  async function running(name: string): Promise<string[]> {
    if (!lab.runs(name)) return []
    try {
      const { actions } = await daemonOf(name)
      const stats = await actions.connectGetAllDomainStats({
        domains: [],
        stats: statsGroups.state,
        flags: statsFlags.active,
      })
      return stats.flatMap(({ domain, params }) =>
        Number(params['state.state']) === stateRunning ? [domain.uuid] : [],
      )
    } catch {
      await forget(name) // its libvirt is not there yet, or not any more: then no guest of it is
      return []
    }
  }

  const disksOn = async (name: string, id: string) =>
    new Set((await machines(name)).flatMap(one => (one.id === id ? [`${id}.${one.incarnation}`] : [])))

  async function look(): Promise<void> {
    const where = new Map<string, string>()
    for (const { name } of lab.hosts)
      for (const id of await running(name)) {
        const first = where.get(id)
        if (first === undefined) {
          where.set(id, name)
          continue
        }
        // It may have moved between two questions: only one that is still where it was seen first runs twice. A lost
        // host may still run what returned with another disk: that does no harm.
        const disks = (await disksOn(name, id)).intersection(await disksOn(first, id))
        if ((await running(first)).includes(id)) for (const disk of disks) twice.add(`${disk} on ${first} and ${name}`)
      }
  }

  const looking = (async () => {
    while (!ended.signal.aborted) {
      await look().catch(error => void twice.add(`not known: ${error}`))
      await pause(lookMs, ended.signal)
    }
  })()

  return {
    twice,
    async seen() {
      return new Map(await Promise.all(lab.hosts.map(async ({ name }) => [name, await machines(name)] as const)))
    },
    run: async (host, desktopId, script) => guestRun(await daemonOf(host), desktopId, script),
    async [Symbol.asyncDispose]() {
      ended.abort()
      await looking
      for (const daemon of daemons.values()) await daemon[Symbol.asyncDispose]()
    },
  }
}

/** The disks of a cluster's storage, as `machine.incarnation`, and what work left half done. */
export function disksOf(lab: Lab, cluster: string): { disks: string[]; parts: string[] } {
  const folder = join(lab.storageOf(cluster), 'overlays')
  const names = existsSync(folder) ? readdirSync(folder) : []
  return {
    disks: names.flatMap(name => (/^[0-9a-f-]{36}\.\d+\.qcow2$/.test(name) ? [name.replace('.qcow2', '')] : [])).sort(),
    parts: names.filter(name => name.endsWith('.part')),
  }
}

/** How many leases are held on a cluster's storage: files of the lock space that a lock of the kernel is on (proc_locks(5)). */
export function leasesHeld(lab: Lab, cluster: string): number {
  const folder = join(lab.storageOf(cluster), 'lockspace')
  const inodes = new Set(readdirSync(folder).map(name => statSync(join(folder, name)).ino))
  const locked = [...readFileSync('/proc/locks', 'utf8').matchAll(/ [0-9a-f]+:[0-9a-f]+:(\d+) /g)].map(([, ino]) =>
    Number(ino),
  )
  return new Set(locked.filter(ino => inodes.has(ino))).size
}
