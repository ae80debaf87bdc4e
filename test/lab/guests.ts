/** What really runs and lies on a lab's hosts, looked at from outside: around the network, the agents and the database. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../lib/clock.ts'
import type { LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { type LibvirtMachine, libvirtDomains } from '../../vmm/libvirt-domains.ts'
import { guestRun } from './guest.ts'
import type { Lab } from './lab.ts'

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

  async function machines(name: string): Promise<LibvirtMachine[]> {
    if (!lab.runs(name)) return []
    try {
      const { actions } = await daemonOf(name)
      return await libvirtDomains(actions, installationId, async () => 0).list()
    } catch (error) {
      // Its power was cut while we asked: what was on it is gone. Else it is a fault of the test's.
      const daemon = daemons.get(name)
      daemons.delete(name)
      await daemon?.[Symbol.asyncDispose]()
      if (!lab.runs(name)) return []
      throw error
    }
  }

  const running = async (name: string) =>
    new Set(
      (await machines(name)).flatMap(({ id, incarnation, power }) =>
        power === 'running' ? [`${id}.${incarnation}`] : [],
      ),
    )

  /** A guest may have moved between two questions: only one that is still where it was seen first runs twice. */
  async function look(): Promise<void> {
    const where = new Map<string, string>()
    for (const { name } of lab.hosts)
      for (const disk of await running(name)) {
        const first = where.get(disk)
        if (first === undefined) where.set(disk, name)
        else if ((await running(first)).has(disk)) twice.add(`${disk} on ${first} and ${name}`)
      }
  }

  const looking = (async () => {
    while (!ended.signal.aborted) {
      await look().catch(error => void twice.add(`could not look: ${error}`))
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
