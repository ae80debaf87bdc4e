/**
 * Machines of the host that are not ours (made by virsh or another tool): listed, and taken over when that is wished.
 * libvirt holds them until the copy of the disk is whole: then the definition is kept in `adopted/`, libvirt forgets it,
 * and the copy gets its name. So at every moment there is the stranger, or our disk, and after a kill in between the kept
 * definition, by which the next attempt goes on. The original disk is never written to, nor removed.
 */
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { type DiskOwner, exists, imagePath, overlayPath } from './disks.ts'
import { ovmfFile } from './firmware.ts'
import { type Folders, fileCommit, fileWrite } from './folders.ts'
import { foreignCopy, foreignFile, type SourceDisk } from './foreign-disk.ts'
import { adoptedBus, type ForeignState, type ForeignXml, foreignObstacles, readForeign } from './foreign-domain.ts'
import type { Host } from './host.ts'
import type { LibvirtConnection } from './libvirt/connection.ts'
import { isLibvirt } from './libvirt/errors.ts'
import { listFlags, statsFlags, statsGroups, undefineFlags, xmlFlags } from './libvirt/flags.ts'
import type { DomainRef } from './libvirt/objects.ts'
import type { ForeignMachine } from './report.ts'

/** libvirt answers such questions in milliseconds. */
const askMs = 10_000
/** More than any host has; a list that grows without end must not hold the host's report up. */
const mostForeign = 500
/** virDomainState */
const paused = 3
const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

type Libvirt = Pick<
  LibvirtConnection,
  | 'connectListAllDomains'
  | 'connectGetAllDomainStats'
  | 'domainGetXmlDesc'
  | 'domainLookupByUuid'
  | 'domainUndefineFlags'
>

export function libvirtForeign(
  libvirt: Libvirt,
  folders: Folders,
  owner: DiskOwner | null,
  ovmfFiles?: readonly string[],
): Pick<Host, 'foreignMachines' | 'foreignAdopt'> {
  /** Domains that bear a mark: theirs never changes, and they are many. */
  const marked = new Set<string>()
  const options = { timeoutMs: askMs, lane: 'foreign' }

  /** Everything libvirt has, in five calls, however many there are. */
  async function listed(): Promise<{ domain: DomainRef; state: ForeignState }[]> {
    const ids = async (flags: number) =>
      new Set((await libvirt.connectListAllDomains({ flags }, options)).map(({ uuid }) => uuid))
    const all = await libvirt.connectListAllDomains({}, options)
    const [persistent, saved, snapshots] = [
      await ids(listFlags.persistent),
      await ids(listFlags.managedSave),
      await ids(listFlags.hasSnapshot),
    ]
    const given = { stats: statsGroups.state, flags: statsFlags.active }
    const active = new Map(
      (await libvirt.connectGetAllDomainStats(given, options)).map(({ domain, params }) => [
        domain.uuid,
        Number(params['state.state']),
      ]),
    )
    const uefi = (await ovmfFile(ovmfFiles)) !== null
    return all.map(domain => {
      const state = active.get(domain.uuid)
      const { uuid } = domain
      return {
        domain,
        state: {
          power: state === undefined ? 'stopped' : state === paused ? 'paused' : 'running',
          persistent: persistent.has(uuid),
          saved: saved.has(uuid),
          snapshots: snapshots.has(uuid),
          uefi,
        },
      }
    })
  }

  /** Null: gone in this moment, or not readable as a domain. */
  async function definitionOf(domain: DomainRef): Promise<string | null> {
    try {
      return await libvirt.domainGetXmlDesc({ domain, flags: xmlFlags.inactive | xmlFlags.secure }, options)
    } catch (error) {
      if (isLibvirt(error, 'noDomain')) return null
      throw error
    }
  }

  async function looked(foreign: ForeignXml, state: ForeignState): Promise<ForeignMachine> {
    const [disk] = foreign.disks
    const file = disk?.path && disk.kind === 'file' ? await foreignFile({ ...disk, path: disk.path }) : null
    const { id, name, vcpus, memoryBytes, video, nics } = foreign
    return {
      ...{ id, name, vcpus, memoryBytes, video, nics },
      power: state.power,
      disks: foreign.disks.map(({ path, format, bus }, index) => {
        const { sizeBytes = null, usedBytes = null, backing = null } = (index === 0 && file) || {}
        return { path, format, bus, sizeBytes, usedBytes, backing }
      }),
      firmware: foreign.uefi ? 'uefi' : 'bios',
      diskBus: adoptedBus(foreign),
      obstacles: foreignObstacles(foreign, state, file),
    }
  }

  async function foreignMachines(): Promise<ForeignMachine[]> {
    const domains = await listed()
    const there = new Set(domains.map(({ domain }) => domain.uuid))
    for (const id of marked) if (!there.has(id)) marked.delete(id)
    const strangers = domains
      .filter(({ domain }) => !marked.has(domain.uuid))
      .toSorted((a, b) => a.domain.name.localeCompare(b.domain.name))
    const found: ForeignMachine[] = []
    for (const { domain, state } of strangers) {
      if (found.length === mostForeign) break
      const definition = await definitionOf(domain)
      const foreign = definition === null ? null : readForeign(definition)
      if (foreign?.marked) marked.add(domain.uuid)
      else if (foreign) found.push(await looked(foreign, state))
    }
    return found
  }

  const keptPath = (foreignId: string) => join(folders.root, 'adopted', `${foreignId}.xml`)

  /** The stranger as libvirt has it, or as it was kept by an attempt that was killed after libvirt forgot it. */
  async function found(foreignId: string): Promise<{ definition: string; domain: DomainRef | null; disk: SourceDisk }> {
    if (!idForm.test(foreignId)) throw new HdcsError('invalid', 'A machine of the host is named by its UUID.')
    const there = (await listed()).find(({ domain }) => domain.uuid === foreignId)
    const kept = () => readFile(keptPath(foreignId), 'utf8').catch(() => null) // told below: it is not there
    const definition = there ? await definitionOf(there.domain) : await kept()
    const foreign = definition === null ? null : readForeign(definition)
    if (definition === null || foreign === null)
      throw new HdcsError('not_found', 'The machine that should be taken over is not on this host any more.')
    if (foreign.marked) throw new HdcsError('conflict', `${foreign.name} is a desktop of HDCS already.`)
    const { obstacles, disks } = await looked(foreign, there?.state ?? gone)
    if (obstacles[0] !== undefined)
      throw new HdcsError('conflict', `${foreign.name} cannot be taken over: ${obstacles[0]}.`)
    const format = disks[0]?.format === 'raw' ? 'raw' : 'qcow2'
    return { definition, domain: there?.domain ?? null, disk: { path: disks[0]?.path ?? '', format } }
  }

  const foreignAdopt: Host['foreignAdopt'] = async ({ id, incarnation, imageId }, foreignId, progress, signal) => {
    const path = overlayPath(folders, { machineId: id, incarnation })
    if (await exists(path)) return
    const image = imagePath(folders, imageId)
    if (!(await exists(image))) throw new HdcsError('not_found', 'The empty image is not on this host.')
    progress(0, 'looking at it')
    const { definition, domain, disk } = await found(foreignId)
    const before = await stat(disk.path)
    await using copy = await foreignCopy(folders, disk, { path, image, owner }, progress, signal)
    const after = await stat(disk.path)
    if (before.mtimeMs !== after.mtimeMs || before.ino !== after.ino)
      throw new HdcsError('disk_in_use', 'Its disk was written to while it was copied: leave the machine shut down.')
    if (signal.aborted) throw new HdcsError('cancelled', 'The machine shall not be taken over any more.')
    if (domain) {
      // Started meanwhile, it has an obstacle now.
      await found(foreignId)
      await mkdir(join(folders.root, 'adopted'), { recursive: true, mode: 0o700 })
      await fileWrite(keptPath(foreignId), new TextEncoder().encode(definition), 0o600)
      await libvirt.domainUndefineFlags({ domain, flags: undefineFlags.keepNvram }, options)
    }
    await fileCommit(copy.part, path)
  }

  return { foreignMachines, foreignAdopt }
}

/** Of what libvirt has forgotten: only its disk counts. */
const gone: ForeignState = { power: 'stopped', persistent: true, saved: false, snapshots: false, uefi: true }
