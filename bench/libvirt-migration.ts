/** What libvirt takes to move a guest when nobody but `virsh` asks it to: the floor under ours in bench/migrate.ts. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from '../test/lab/lab.ts'
import type { LibvirtDaemon } from '../vmm/libvirt/daemon.ts'
import { xmlFlags } from '../vmm/libvirt/flags.ts'
import { arrivingXml } from '../vmm/libvirt-moves.ts'

/** Milliseconds since 1970. */
export interface Moments {
  /** The guest's last moment where it was. */
  stoppedMs: number
  /** Its first moment where it went. */
  runsMs: number
}

/** Hears of two libvirts when a guest stops at one and goes on at the other. */
export async function momentsWatch(daemons: LibvirtDaemon[], id: string) {
  const seen: Partial<Moments> = {}
  const open = new AsyncDisposableStack()
  for (const daemon of daemons) {
    const events = open.use(await daemon.events.eventsSubscribe(['lifecycle']))
    void (async () => {
      for await (const event of events) {
        if (event.type !== 'lifecycle' || event.domain.uuid !== id) continue
        if (event.change.what === 'suspended') seen.stoppedMs = Date.now()
        if (event.change.what === 'resumed') seen.runsMs = Date.now()
      }
    })()
  }
  return {
    /** Of the move since this was asked last. */
    async take(): Promise<Moments> {
      while (seen.stoppedMs === undefined || seen.runsMs === undefined) await sleep(10)
      const { stoppedMs, runsMs } = seen
      delete seen.stoppedMs
      delete seen.runsMs
      return { stoppedMs, runsMs }
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/** Sends it with the flags that ours has. @returns when that was asked. */
export async function virshMigrate(lab: Lab, from: string, to: string, id: string): Promise<number> {
  await using daemon = await lab.daemon(from)
  const flags = xmlFlags.secure | xmlFlags.migratable
  const xml = await daemon.actions.domainGetXmlDesc({ domain: { name: id, uuid: id, id: -1 }, flags })
  const { address } = lab.host(to)
  await writeFile(join(lab.storageOf('main'), 'there.xml'), arrivingXml(xml, { address, port: null }))
  const there = ['--desturi', `qemu+tls://${address}/system`, '--migrateuri', `tcp://${address}`]
  const how = ['--live', '--p2p', '--tls', '--auto-converge', '--unsafe', '--xml', join(lab.storage, 'there.xml')]
  const beganMs = Date.now()
  await lab.exec(from, ['virsh', '-q', '-c', 'qemu:///system', 'migrate', '--domain', id, ...there, ...how])
  return beganMs
}
