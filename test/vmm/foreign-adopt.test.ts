/** A stranger's disk becomes one of ours, and an agent that is killed on the way leaves the stranger or our disk. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HdcsError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { blankImage } from '../../vmm/blank-image.ts'
import { imagePath, overlayPath, qcow2Header } from '../../vmm/disks.ts'
import { type Folders, foldersMake, foldersSweep } from '../../vmm/folders.ts'
import { LibvirtError } from '../../vmm/libvirt/errors.ts'
import { undefineFlags } from '../../vmm/libvirt/flags.ts'
import { libvirtForeign } from '../../vmm/libvirt-foreign.ts'

const signal = new AbortController().signal
const silent = () => {}
const foreignId = '11111111-2222-4333-8444-555555555555'
const machine = { id: foreignId, name: 'taken', incarnation: 1, imageId: newId() }
let root = ''
let folders: Folders
let source = ''
let sum = ''
let content: Buffer

const qemuImg = (...args: string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' })
const sumOf = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
const overlay = () => overlayPath(folders, { machineId: machine.id, incarnation: 1 })

/** libvirt as these calls see it, with one machine defined by hand; it dies at its nth writing or reading call. */
function fakeLibvirt(definition: string, dieAt = Number.POSITIVE_INFINITY) {
  const state = { defined: true, calls: 0, power: 'stopped', undefined: 0 }
  const domain = { name: 'by-hand', uuid: foreignId, id: -1 }
  const call =
    <A, R>(answer: (given: A) => R) =>
    async (given: A): Promise<R> => {
      if (++state.calls === dieAt) throw new HdcsError('unreachable', 'killed')
      return answer(given)
    }
  const gone = () => new HdcsError('not_found', 'no domain', { cause: new LibvirtError({ code: 42 } as never) })
  const libvirt = {
    connectListAllDomains: call(({ flags = 0 }: { flags?: number }) =>
      state.defined && (flags === 0 || flags === 4) ? [domain] : [],
    ),
    connectGetAllDomainStats: call(() => (state.power === 'running' ? [{ domain, params: { 'state.state': 1 } }] : [])),
    domainGetXmlDesc: call(() => {
      if (!state.defined) throw gone()
      return definition
    }),
    domainUndefineFlags: call(({ flags }: { flags?: number }) => {
      state.defined = false
      state.undefined = flags ?? 0
    }),
  }
  return { libvirt: libvirt as unknown as Parameters<typeof libvirtForeign>[0], state }
}

const definitionOf = (path: string, format: string) =>
  `<domain type='qemu'><name>by-hand</name><uuid>${foreignId}</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><disk type='file' device='disk'>
    <driver name='qemu' type='${format}'/><source file='${path}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-foreign-'))
  folders = await foldersMake(join(root, 'host'), newId())
  await writeFile(imagePath(folders, machine.imageId), blankImage())
  const raw = join(root, 'by-hand.raw')
  content = Buffer.alloc(3 * 2 ** 20)
  content.write('the accounts of 2019', 2 ** 20 + 4096)
  await writeFile(raw, content)
  source = join(root, 'by-hand.qcow2')
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, source)
  sum = await sumOf(source)
})
afterEach(() => rm(root, { recursive: true }))

/** What a guest on our disk would read. */
async function readBack(): Promise<Buffer> {
  const out = join(root, 'read.raw')
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', overlay(), out)
  return readFile(out)
}

describe('the disk of a machine that is not ours', () => {
  it.each(['qcow2', 'raw'])(
    'of the format %s becomes one of ours byte for byte, and its own file stays',
    async format => {
      const path = format === 'raw' ? join(root, 'by-hand.raw') : source
      const before = await sumOf(path)
      const { libvirt, state } = fakeLibvirt(definitionOf(path, format))
      const host = libvirtForeign(libvirt, folders, null)
      expect(await host.foreignMachines()).toMatchObject([{ name: 'by-hand', obstacles: [] }])
      await host.foreignAdopt(machine, foreignId, silent, signal)
      expect((await readBack()).equals(content)).toBe(true)
      expect((await qcow2Header(overlay())).backing).toBe(imagePath(folders, machine.imageId))
      expect(qemuImg('check', overlay())).toContain('No errors')
      expect(await sumOf(path)).toBe(before)
      expect((await stat(overlay())).mode & 0o777).toBe(0o600)
      expect(state.defined).toBe(false)
      // With its UEFI settings: libvirt forgets no machine that has some without being told what shall become of them.
      expect(state.undefined).toBe(undefineFlags.keepNvram)
      expect(await readFile(join(folders.root, 'adopted', `${foreignId}.xml`), 'utf8')).toContain('by-hand')
      expect(await readdir(folders.overlays)).toHaveLength(1)
    },
  )

  it('that stands on a file of the host is refused, whatever its header hides, and nothing of ours stays', async () => {
    const secret = join(root, 'secret')
    await writeFile(secret, 'not for guests')
    await truncate(secret, 2 ** 20)
    const path = join(root, 'hostile.qcow2')
    qemuImg('create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', path)
    const { libvirt, state } = fakeLibvirt(definitionOf(path, 'qcow2'))
    const host = libvirtForeign(libvirt, folders, null)
    expect((await host.foreignMachines())[0]?.obstacles).toEqual([expect.stringContaining(secret)])
    const asked = host.foreignAdopt(machine, foreignId, silent, signal)
    await expect(asked).rejects.toMatchObject({ code: 'conflict' })
    expect(state.defined).toBe(true)
    expect(await readdir(folders.overlays)).toEqual([])
  })

  it('is not taken while the machine runs', async () => {
    const { libvirt, state } = fakeLibvirt(definitionOf(source, 'qcow2'))
    state.power = 'running'
    const asked = libvirtForeign(libvirt, folders, null).foreignAdopt(machine, foreignId, silent, signal)
    await expect(asked).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('it runs') })
    expect(state.defined).toBe(true)
  })

  it('is there once, as the stranger’s or as ours, wherever the agent is killed; the next one makes it ours', async () => {
    const definition = definitionOf(source, 'qcow2')
    const whole = fakeLibvirt(definition)
    await libvirtForeign(whole.libvirt, folders, null).foreignAdopt(machine, foreignId, silent, signal)
    await rm(overlay())
    await rm(join(folders.root, 'adopted'), { recursive: true })
    for (let dieAt = 1; dieAt <= whole.state.calls; dieAt++) {
      const { libvirt, state } = fakeLibvirt(definition, dieAt)
      await expect(
        libvirtForeign(libvirt, folders, null).foreignAdopt(machine, foreignId, silent, signal),
      ).rejects.toMatchObject({ code: 'unreachable' })
      expect(state.defined).toBe(true)
      expect(await readdir(folders.overlays)).toEqual([])
      expect(await sumOf(source)).toBe(sum)
      await libvirtForeign(libvirt, folders, null).foreignAdopt(machine, foreignId, silent, signal)
      expect(state.defined).toBe(false)
      expect((await readBack()).equals(content)).toBe(true)
      await rm(overlay())
    }
  })

  it('is taken by the kept definition where libvirt forgot the machine and the copy had no name yet', async () => {
    const { libvirt, state } = fakeLibvirt(definitionOf(source, 'qcow2'))
    await libvirtForeign(libvirt, folders, null).foreignAdopt(machine, foreignId, silent, signal)
    // As a kill between the two leaves it: the copy is a part still, which the next agent sweeps.
    await rm(overlay())
    await foldersSweep(folders)
    expect(state.defined).toBe(false)
    await libvirtForeign(libvirt, folders, null).foreignAdopt(machine, foreignId, silent, signal)
    expect((await readBack()).equals(content)).toBe(true)
  })
})
