/**
 * The answer file of a Windows guest, as a CD-ROM beside the disk of the life that it is for:
 * `<machine>.<incarnation>.answers.iso`. It holds passwords: only QEMU's user reads it, and it is removed as soon as the
 * guest needs it no more. Windows Setup looks for `Unattend.xml` or `Autounattend.xml` in the root of read-only media, for
 * each of its passes anew (Microsoft: Windows Setup Automation Overview, Implicit Answer File Search Order).
 */
import { chown, open, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Xml, xml } from '../lib/xml.ts'
import { type DiskOwner, exists, overlayPath } from './disks.ts'
import { type Folders, fileCommit, partOf } from './folders.ts'
import type { FoundOverlay, Host } from './host.ts'
import { isoImage } from './iso9660.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { affectFlags, modifyFlags } from './libvirt/flags.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'
import type { MachineSpec } from './spec.ts'

const names = ['Unattend.xml', 'Autounattend.xml']
const mediumName = /^([0-9a-f-]{36}\.\d+)\.answers\.iso$/

const mediumPath = (folders: Folders, overlay: FoundOverlay) =>
  overlayPath(folders, overlay).replace(/\.qcow2$/, '.answers.iso')

export function answerMedium(text: string): Buffer {
  const bytes = Buffer.from(text)
  return isoImage(
    'HDCS_ANSWERS',
    names.map(name => ({ name, bytes })),
  )
}

/**
 * Where a drive of its own has it. On the way to a host that has not this file it is left out: what the guest has read of
 * it lies on its own disk by then.
 */
export const answersXml = (path: string | null, ownersReady: boolean): Xml => xml`<disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      ${path !== null && xml`<source file='${path}' startupPolicy='requisite'>${ownersReady && xml`<seclabel model='dac' relabel='no'/>`}</source>`}
      <target dev='sdb' bus='sata'/>
      <readonly/>
    </disk>`

/** Written anew before each start that shall have one. @returns where it is; null: there shall be none, and is none. */
export async function mediumMake(folders: Folders, owner: DiskOwner | null, spec: MachineSpec): Promise<string | null> {
  const overlay = { machineId: spec.id, incarnation: spec.incarnation }
  const path = mediumPath(folders, overlay)
  if (!spec.answers || !(await exists(overlayPath(folders, overlay)))) {
    await rm(path, { force: true })
    return null
  }
  const part = partOf(path)
  try {
    {
      await using file = await open(part, 'wx', 0o600)
      await file.writeFile(answerMedium(spec.answers.text))
    }
    if (owner) await chown(part, owner.uid, owner.gid)
    await fileCommit(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
  return path
}

export const mediumForget = (folders: Folders, overlay: FoundOverlay) =>
  rm(mediumPath(folders, overlay), { force: true })

/** Says of each disk whether a medium lies beside it. */
export async function withMedia(folders: Folders, overlays: FoundOverlay[]): Promise<FoundOverlay[]> {
  const beside = new Set((await readdir(folders.overlays)).filter(name => mediumName.test(name)))
  if (beside.size === 0) return overlays
  return overlays.map(overlay =>
    beside.has(basename(mediumPath(folders, overlay))) ? { ...overlay, answers: true } : overlay,
  )
}

/** Removes those of disks that are gone. */
export async function mediaSweep(folders: Folders): Promise<void> {
  for (const name of await readdir(folders.overlays)) {
    const disk = mediumName.exec(name)?.[1]
    const orphan = disk !== undefined && !(await exists(join(folders.overlays, `${disk}.qcow2`)))
    if (orphan) await rm(join(folders.overlays, name), { force: true })
  }
}

/** A guest is asked to let go of its disc first, for five seconds. */
const discMs = 20_000
const askMs = 10_000

export function libvirtAnswers(parts: {
  daemon: LibvirtDaemon
  domains: LibvirtDomains
  folders: Folders
}): Host['answersRemove'] {
  const { daemon, domains, folders } = parts
  return async overlay => {
    const { machineId: id } = overlay
    if (await domains.find(id)) {
      const domain = refOf(id)
      const running = await daemon.actions.domainGetXmlDesc({ domain }, { timeoutMs: askMs })
      const { xml: empty } = answersXml(null, false)
      // Also out of the hands of a guest that does not let go: it was ready without it.
      const flags = affectFlags.live | modifyFlags.force
      if (running.includes(basename(mediumPath(folders, overlay))))
        await daemon.actions.domainUpdateDeviceFlags({ domain, xml: empty, flags }, { timeoutMs: discMs, lane: id })
    }
    await mediumForget(folders, overlay)
  }
}
