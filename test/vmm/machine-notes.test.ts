import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { domainXml } from '../../vmm/domain-xml.ts'
import { foldersMake } from '../../vmm/folders.ts'
import { type MachineNotes, machineNotes } from '../../vmm/machine-notes.ts'
import { installationId, machineSpec } from './wishes.ts'

const xmlOf = (spec: ReturnType<typeof machineSpec>) =>
  domainXml({
    spec,
    domainName: spec.name,
    installationId,
    accelerator: 'tcg',
    disk: '/root/overlays/x.qcow2',
    image: '/root/images/y.qcow2',
    nicSource: null,
    spiceListen: '127.0.0.1',
    ownersReady: true,
  })

describe('the root folder', () => {
  let root: string
  let notes: MachineNotes
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'hdcs-notes-'))
    notes = machineNotes(await foldersMake(root, installationId))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))
  const files = async () => (await readdir(join(root, 'machines'))).sort()

  it('tells in a README how to read it, and has each machine’s last domain and log under its name', async () => {
    const spec = machineSpec(1)
    for (const generation of [1, 2]) await notes.started({ ...spec, generation }, xmlOf({ ...spec, generation }))
    expect(await files()).toEqual([`desktop-1.${spec.id}.log`, `desktop-1.${spec.id}.xml`])
    const xml = await readFile(join(root, 'machines', `desktop-1.${spec.id}.xml`), 'utf8')
    expect(xml).toContain('/root/overlays/x.qcow2')
    expect(xml).not.toContain('passwd')
    const log = await readFile(join(root, 'machines', `desktop-1.${spec.id}.log`), 'utf8')
    expect(log.trim().split('\n')).toEqual([expect.stringContaining('wish 1'), expect.stringContaining('wish 2')])
    expect(await readFile(join(root, 'README.txt'), 'utf8')).toContain('virsh create')
    expect((await stat(join(root, 'machines'))).mode & 0o077).toBe(0)
  })

  it('keeps nothing of machines whose disks are gone', async () => {
    const [one, other, third] = [machineSpec(1), machineSpec(2), machineSpec(3)]
    for (const spec of [one, other, third]) await notes.started(spec, xmlOf(spec))
    await notes.removed(one.id)
    await notes.sweep(new Set([third.id]))
    expect(await files()).toEqual([`desktop-3.${third.id}.log`, `desktop-3.${third.id}.xml`])
  })

  it('stops no start when a note cannot be written', async () => {
    await notes.sweep(new Set())
    await rm(join(root, 'machines'), { recursive: true })
    await notes.started(machineSpec(1), xmlOf(machineSpec(1)))
    expect(await readdir(root)).not.toContain('machines')
  })
})
