/** A guest's memory goes to a file beside its disk and its domain ends; and back. */
import { rm } from 'node:fs/promises'
import { DOMParser, XMLSerializer } from '@xmldom/xmldom'
import { pause } from '../lib/clock.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { randomPassword } from './domain-xml.ts'
import { type Folders, foldersRoom } from './folders.ts'
import type { Host, Progress } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { isLibvirt } from './libvirt/errors.ts'
import { saveFlags, xmlFlags } from './libvirt/flags.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'
import { arrivingXml } from './libvirt-moves.ts'
import { memoryForget, memoryOf, memoryPath } from './saved-memory.ts'

const askMs = 10_000
/** A guest of 256 GiB on a slow disk takes an hour; this is for a libvirt that never answers. */
const workMs = 6 * 3_600_000
/** Looked at so often. Longer: a bar that jumps; shorter: QEMU answers instead of writing. */
const lookMs = 200
/** VIR_DOMAIN_JOB_OPERATION_SAVE */
const savingJob = 2

interface LibvirtSaveOptions {
  daemon: LibvirtDaemon
  domains: LibvirtDomains
  folders: Folders
  /** Where SPICE listens on this host. */
  spiceListen: string
  /** What a failed start is called. */
  startFailure(thrown: unknown): HdcsError
}

export function libvirtSave(
  options: LibvirtSaveOptions,
): Pick<Host, 'machineSave' | 'machineRestore' | 'memoryForget'> {
  const { daemon, domains, folders, spiceListen, startFailure } = options

  /** 0 to 100; null: nothing is being saved. */
  async function progressOf(id: string): Promise<number | null> {
    try {
      const { params } = await daemon.statistics.domainGetJobStats(
        { domain: refOf(id) },
        { timeoutMs: askMs, lane: id },
      )
      if (params.operation !== savingJob) return null
      const [done, left] = [Number(params.memory_processed ?? 0), Number(params.memory_remaining ?? 0)]
      return done + left === 0 ? 0 : (100 * done) / (done + left)
    } catch (error) {
      if (isLibvirt(error, 'noDomain', 'operationInvalid')) return null
      throw error
    }
  }

  /** Tells how far it is until it is over, and calls it off when told to. */
  async function watch(id: string, isOver: () => boolean | Promise<boolean>, progress: Progress, signal: AbortSignal) {
    for (; !(await isOver()); await pause(lookMs)) {
      const percent = await progressOf(id).catch(() => null) // libvirt is busy or away: looked at again
      if (percent !== null) progress(percent, 'saving its memory')
      if (!signal.aborted) continue
      const abort = daemon.actions.domainAbortJob({ domain: refOf(id) }, { timeoutMs: askMs, lane: id })
      await abort.catch(() => {}) // too early or too late for it: the next look tells
    }
  }

  async function save(id: string, path: string, progress: Progress, signal: AbortSignal): Promise<void> {
    const flags = xmlFlags.secure | xmlFlags.migratable
    const xml = closedXml(await daemon.actions.domainGetXmlDesc({ domain: refOf(id), flags }, { timeoutMs: askMs }))
    await rm(path, { force: true })
    // A connection of its own: the call is answered when all is written, and takes a place until then.
    await using client = await daemon.streamClient()
    let over = false
    const saved = client
      .domainSaveFlags({ domain: refOf(id), to: path, xml, flags: saveFlags.running }, { timeoutMs: workMs })
      .then(
        () => null,
        thrown => ({ thrown }),
      )
      .finally(() => {
        over = true
      })
    const [failure] = await Promise.all([saved, watch(id, () => over, progress, signal)])
    // A small one is over before the first look at it.
    if (!failure) return progress(100, 'saving its memory')
    if (signal.aborted) throw new HdcsError('cancelled', 'Saving its memory was cancelled: it runs on.')
    const { code, message } = asHdcsError(failure.thrown)
    throw new HdcsError(code, `Its memory could not be saved. ${message}`, { cause: failure.thrown })
  }

  return {
    async machineSave(id, overlay, progress, signal) {
      const path = memoryPath(folders, overlay)
      const found = await domains.find(id)
      if (found) {
        const { memoryKib } = await daemon.actions.domainGetInfo({ domain: refOf(id) }, { timeoutMs: askMs })
        // One that an agent began which was killed since goes on by itself.
        const joined = (await progressOf(id)) !== null
        if (joined) await watch(id, async () => (await progressOf(id)) === null, progress, signal)
        else {
          await foldersRoom(folders, Number(memoryKib) * 1024)
          await save(id, path, progress, signal)
        }
      }
      const memory = (await domains.find(id)) ? null : await memoryOf(folders, overlay)
      if (memory) return memory
      if (signal.aborted) throw new HdcsError('cancelled', 'Saving its memory was cancelled: it runs on.')
      throw new HdcsError('conflict', 'It ended before its memory was saved, or goes on: look at it, and try again.')
    },

    async machineRestore(spec) {
      const overlay = { machineId: spec.id, incarnation: spec.incarnation }
      const from = memoryPath(folders, overlay)
      const already = await domains.settled(spec.id)
      if (already) return already
      if (!(await memoryOf(folders, overlay))) throw new HdcsError('not_found', 'No memory of it is saved here.')
      try {
        const saved = await daemon.actions.domainSaveImageGetXmlDesc(
          { from, flags: saveImageSecure },
          { timeoutMs: askMs },
        )
        const xml = arrivingXml(saved, { address: spiceListen, port: spec.screenPort })
        await using client = await daemon.streamClient()
        await client.domainRestoreFlags({ from, xml, flags: saveFlags.running }, { timeoutMs: workMs })
      } catch (thrown) {
        // Asked before by an agent that was killed: it runs, which is what is wished.
        const runs = isLibvirt(thrown, 'domainExists', 'operationInvalid') ? await domains.settled(spec.id) : null
        if (runs) return runs
        const { code, message } = startFailure(thrown)
        const text = `It could not go on from its saved memory. ${message} Forcing it off discards that memory; then it starts anew.`
        throw new HdcsError(code, text, { cause: thrown })
      }
      return domains.get(spec.id)
    },

    memoryForget: overlay => memoryForget(folders, overlay),
  }
}

/** VIR_DOMAIN_SAVE_IMAGE_XML_SECURE */
const saveImageSecure = 1

/** Whoever had the screen's password does not have it when the guest goes on: nobody does, until somebody is admitted. */
export function closedXml(text: string): string {
  const domain = new DOMParser().parseFromString(text, 'text/xml').documentElement
  if (!domain) throw new HdcsError('protocol', 'libvirt’s description of the domain is no XML.')
  // A volume may be another machine's by the time the guest goes on, and it would write where it knows of no change.
  const disks = [...domain.getElementsByTagName('disk')].filter(disk => disk.getAttribute('device') === 'disk')
  if (disks.length > 1)
    throw new HdcsError(
      'conflict',
      'Its memory could not be saved: it has volumes besides its disk. Detach them first.',
    )
  for (const graphics of domain.getElementsByTagName('graphics')) {
    if (graphics.getAttribute('type') !== 'spice') continue
    graphics.setAttribute('passwd', randomPassword())
    graphics.setAttribute('passwdValidTo', '1970-01-01T00:00:00')
  }
  return new XMLSerializer().serializeToString(domain)
}
