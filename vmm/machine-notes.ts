/**
 * So that a desktop can be run without us: beside the disks, each machine's last domain as `machines/<name>.<id>.xml`, what
 * was done with it in `….log`, and a README that says how. Notes for people: nothing here is ever read back, and one that
 * cannot be written (a full storage) stops nothing.
 */
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Folders, fileWrite, partOf } from './folders.ts'
import { withoutSecrets } from './libvirt-xml.ts'
import type { MachineSpec } from './spec.ts'

const noteName = /^[a-z0-9-]+\.(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?:xml|log)$/

export interface MachineNotes {
  /** It was started with this. */
  started(spec: MachineSpec, xml: string): Promise<void>
  /** Its last disk is gone from this storage. */
  removed(machineId: string): Promise<void>
  /** Notes of machines that have no disk here. */
  sweep(withDisk: ReadonlySet<string>): Promise<void>
}

/** Makes nothing before it is asked for something: the storage may not be mounted yet. */
export function machineNotes(folders: Folders): MachineNotes {
  const { machines: folder } = folders
  let made: Promise<void> | null = null

  async function make(): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const readme = join(folders.root, 'README.txt')
    const written = await readFile(readme, 'utf8').catch(() => null) // not written yet
    if (written !== readmeText) await fileWrite(readme, new TextEncoder().encode(readmeText))
  }
  const ready = () => {
    made ??= make().catch(error => {
      made = null
      throw error
    })
    return made
  }
  const fileOf = ({ id, name }: MachineSpec, ending: string) => join(folder, `${name}.${id}.${ending}`)

  async function remove(isLeft: (id: string) => boolean): Promise<void> {
    await ready()
    for (const name of await readdir(folder)) {
      const id = noteName.exec(name)?.groups?.id
      if (id !== undefined && isLeft(id)) await rm(join(folder, name), { force: true })
    }
  }

  return {
    async started(spec, xml) {
      const { imageId, incarnation, generation, hardware } = spec
      const did = `started on ${hostname()}: image ${imageId}, disk ${incarnation}, wish ${generation}, ${JSON.stringify(hardware)}`
      const part = partOf(fileOf(spec, 'xml'))
      try {
        await ready()
        // Whole or not at all, but not synced: it is written anew at the next start.
        await writeFile(part, withoutSecrets(xml), { mode: 0o600 })
        await rename(part, fileOf(spec, 'xml'))
        await appendFile(fileOf(spec, 'log'), `${new Date().toISOString()} ${did}\n`, { mode: 0o600 })
      } catch {
        await rm(part, { force: true }) // a full storage: the machine runs, and its next start notes it
      }
    },
    removed: machineId => remove(id => id === machineId),
    sweep: withDisk => remove(id => !withDisk.has(id)),
  }
}

const readmeText = `This folder holds the desktops of a cluster of HDCS. It can be read, and a desktop run, without HDCS.

  images/<id>.qcow2              a template version: sealed, read-only, the beginning of many disks. <id>.json beside it says what it is.
  overlays/<desktop>.<n>.qcow2   the disk of one desktop: what differs from its image. <n> grows when it is made anew.
  overlays/….answers.iso         what Windows Setup is answered at a first boot, with passwords. Goes when the desktop is ready.
  machines/<name>.<desktop>.xml  how libvirt started the desktop last, without passwords.
  machines/<name>.<desktop>.log  when and where it was started.
  installation, storage-id       whose folder this is, and its mark. Leave them as they are.
  cache/                         can be removed at any time.

A disk names its image by its whole path. At another place: qemu-img rebase -u -F qcow2 -b NEW/images/ID.qcow2 OVERLAY.qcow2

To run a desktop by hand. First be sure that HDCS does not run it: end its agent on every host that has this folder, or shut
the desktop down there. Two at once destroy the disk.

  with libvirt:  copy its .xml, change what does not fit (paths, <interface>, the address in <graphics>), then
                 virsh create COPY.xml
  with QEMU:     qemu-system-x86_64 -machine q35 -accel kvm -m 2048 -drive file=overlays/DESKTOP.N.qcow2,if=virtio -spice port=5900,addr=127.0.0.1,disable-ticketing=on
  as one file:   qemu-img convert -O qcow2 overlays/DESKTOP.N.qcow2 desktop.qcow2

Volumes are files of their own, in the folders that the .xml names.
`
