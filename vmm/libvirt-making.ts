/** What machines by hand ask of a libvirt host beside what every machine does: copies of disks, discs in their drives. */
import { HdcsError } from '../lib/errors.ts'
import { makeClones } from './clones.ts'
import { type DiskOwner, imagePath } from './disks.ts'
import { discXml } from './domain-xml.ts'
import type { Folders } from './folders.ts'
import type { Host } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { affectFlags, modifyFlags } from './libvirt/flags.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'

/** A guest is asked to let go of its disc first, for five seconds. */
const discMs = 20_000

export function libvirtMaking(parts: {
  daemon: LibvirtDaemon
  domains: LibvirtDomains
  folders: Folders
  owner: DiskOwner | null
  onStorage: <A extends unknown[], R>(work: (...args: A) => Promise<R>) => (...args: A) => Promise<R>
}): Pick<Host, 'overlayClone' | 'machineDisc'> {
  const { daemon, domains, folders, owner, onStorage } = parts
  const clone = makeClones(folders, owner)
  return {
    overlayClone: onStorage(async (machine, source, progress, signal) => {
      if (await domains.find(source.machineId))
        throw new HdcsError('disk_in_use', 'The desktop that is copied runs: shut it down, then it goes on.')
      await clone(machine, source, progress, signal)
    }),
    machineDisc: onStorage(async (id, imageId) => {
      const { cdrom } = await domains.get(id)
      if (!cdrom) throw new HdcsError('unsupported', 'The machine has no CD-ROM drive until its next start.')
      if (cdrom.imageId === imageId) return
      const { xml } = discXml(imageId === null ? null : imagePath(folders, imageId))
      // Also out of the hands of a guest that does not let go: an administrator said so.
      const flags = affectFlags.live | modifyFlags.force
      await daemon.actions.domainUpdateDeviceFlags({ domain: refOf(id), xml, flags }, { timeoutMs: discMs, lane: id })
    }),
  }
}
