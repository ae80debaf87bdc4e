/**
 * Snapshots inside a machine's own disk: by qemu-img while it stands, through its QEMU while it runs. They bear our ids;
 * what others made is left alone and not told of.
 */
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { birthBitmap, exists, overlayPath } from './disks.ts'
import type { Folders } from './folders.ts'
import type { FoundOverlay, FoundSnapshot, Host } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'
import { runOrThrow, runProgram } from './programs.ts'
import { qcow2Snapshots } from './qcow2-snapshots.ts'

/** Copies the tables of a disk, a megabyte for 8 GiB; longer is a storage that hangs. */
const qemuImgMs = 120_000
/** A guest that does not freeze in time is snapshotted as it is. Longer: it stands still for its person. */
const freezeSeconds = 5
const prefix = 'hdcs.'
const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function nameOf(id: string): string {
  if (!idForm.test(id)) throw new HdcsError('invalid', `“${id}” is no UUID and cannot name a snapshot.`)
  return `${prefix}${id}`
}

type Snapshots = Pick<Host, 'snapshots' | 'snapshotTake' | 'snapshotRemove' | 'snapshotRevert'>

export function libvirtSnapshots(daemon: LibvirtDaemon, domains: LibvirtDomains, folders: Folders): Snapshots {
  async function pathOf(overlay: FoundOverlay): Promise<string> {
    const path = overlayPath(folders, overlay)
    if (!(await exists(path))) throw new HdcsError('not_found', 'The machine’s disk is not there.')
    return path
  }
  async function list(overlay: FoundOverlay): Promise<FoundSnapshot[]> {
    return (await qcow2Snapshots(await pathOf(overlay)))
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, takenAt, diskBytes }) => ({
        id: name.slice(prefix.length),
        takenAt: takenAt.toISOString(),
        diskBytes,
      }))
  }
  const has = async (overlay: FoundOverlay, id: string) => (await list(overlay)).some(found => found.id === id)

  async function monitor(machineId: string, execute: string, args?: Record<string, unknown>): Promise<unknown> {
    const command = JSON.stringify({ execute, arguments: args })
    const answer = await daemon.actions.domainQemuMonitorCommand(
      { domain: refOf(machineId), command },
      { timeoutMs: qemuImgMs, lane: machineId },
    )
    const { return: value, error } = JSON.parse(answer) as { return?: unknown; error?: { desc?: string } }
    if (error) throw new HdcsError('internal', `QEMU refused: ${error.desc ?? execute}`)
    return value
  }
  /** What QEMU calls its disk. */
  async function nodeOf(machineId: string, path: string): Promise<string> {
    const blocks = (await monitor(machineId, 'query-block')) as { inserted?: { file?: string; 'node-name'?: string } }[]
    const node = blocks.find(({ inserted }) => inserted && blockFile(inserted.file ?? '') === path)?.inserted?.[
      'node-name'
    ]
    if (!node) throw new HdcsError('internal', 'QEMU does not name the machine’s disk.')
    return node
  }

  async function guest(machineId: string, execute: string): Promise<unknown> {
    const command = JSON.stringify({ execute })
    const given = { domain: refOf(machineId), command, timeoutSeconds: freezeSeconds }
    const options = { timeoutMs: (freezeSeconds + 1) * 1000, lane: 'freeze' }
    const answer = await daemon.statistics.domainQemuAgentCommand(given, options)
    return (JSON.parse(answer ?? '{}') as { return?: unknown }).return
  }
  const thaw = (machineId: string) => guest(machineId, 'guest-fsfreeze-thaw').catch(() => null) // it is not frozen, or its agent is gone: no more can be done
  /** @returns whether its file systems stand still. */
  const freeze = async (machineId: string) => Number(await guest(machineId, 'guest-fsfreeze-freeze').catch(() => 0)) > 0 // as it is, then: the snapshot says so

  return {
    async snapshots(overlay) {
      const machine = await domains.find(overlay.machineId)
      // Of an agent that was killed between freezing and thawing.
      if (machine?.agentConnected && (await guest(machine.id, 'guest-fsfreeze-status').catch(() => null)) === 'frozen')
        await thaw(machine.id)
      return list(overlay)
    },
    async snapshotTake(overlay, id) {
      const name = nameOf(id)
      const path = await pathOf(overlay)
      if (await has(overlay, id)) return { frozen: null }
      const machine = await domains.find(overlay.machineId)
      if (!machine) {
        await runOrThrow('qemu-img', ['snapshot', '-q', '-c', name, path], { timeoutMs: qemuImgMs })
        return { frozen: null }
      }
      const device = await nodeOf(machine.id, path)
      const frozen = machine.agentConnected && (await freeze(machine.id))
      try {
        await monitor(machine.id, 'blockdev-snapshot-internal-sync', { device, name })
      } finally {
        if (machine.agentConnected) await thaw(machine.id)
      }
      return { frozen }
    },
    async snapshotRemove(overlay, id) {
      const name = nameOf(id)
      const path = await pathOf(overlay)
      if (!(await has(overlay, id))) return
      const machine = await domains.find(overlay.machineId)
      if (machine) {
        const device = await nodeOf(machine.id, path)
        await monitor(machine.id, 'blockdev-snapshot-delete-internal-sync', { device, name })
      } else await runOrThrow('qemu-img', ['snapshot', '-q', '-d', name, path], { timeoutMs: qemuImgMs })
    },
    async snapshotRevert(overlay, id) {
      const name = nameOf(id)
      const path = await pathOf(overlay)
      if (await domains.find(overlay.machineId)) throw new HdcsError('conflict', 'It runs: shut it down first.')
      if (!(await has(overlay, id))) throw new HdcsError('not_found', 'The disk has no such snapshot any more.')
      // QEMU reverts no disk with a bitmap, which would tell of writes that are undone: the next backup reads it whole.
      await runProgram('qemu-img', ['bitmap', '--remove', path, birthBitmap], { timeoutMs: qemuImgMs })
      try {
        await runOrThrow('qemu-img', ['snapshot', '-q', '-a', name, path], { timeoutMs: qemuImgMs })
      } catch (thrown) {
        const { message } = asHdcsError(thrown)
        throw new HdcsError('internal', `Its disk could not be reverted. ${message}`, { cause: thrown })
      }
    },
  }
}

/**
 * The file of a block device as QEMU names it: a path, or for one whose backing file was given it beside its own header
 * (which is how libvirt starts it) `json:` and what it was opened with.
 */
export function blockFile(text: string): string | null {
  if (!text.startsWith('json:')) return text
  const opened = JSON.parse(text.slice('json:'.length)) as { file?: { filename?: string } }
  return opened.file?.filename ?? null
}
