import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newId } from '../../lib/ids.ts'
import { makeDisks, overlayPath } from '../../vmm/disks.ts'
import { type Folders, foldersMake } from '../../vmm/folders.ts'
import { makeImageStore } from '../../vmm/image-store.ts'
import { imageSpec, machineSpec } from './wishes.ts'

let root = ''
let folders: Folders
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hdcs-blank-'))
  folders = await foldersMake(join(root, 'host'), newId())
})
afterAll(() => rm(root, { recursive: true }))

it('is a sound image of nothing, on which disks of any size stand', async () => {
  const disks = makeDisks(folders, null)
  const images = makeImageStore(folders, disks, async () => {})
  const image = imageSpec({ id: newId(), source: { kind: 'blank' } })
  const made = await images.imageMake(image, () => {}, new AbortController().signal)
  expect(made.virtualBytes).toBe(2 ** 20)
  const machine = machineSpec(1, { imageId: image.id })
  const hardware = { ...machine.hardware, diskBytes: 10 * 2 ** 30 }
  await disks.overlayMake({ ...machine, hardware })
  const path = overlayPath(folders, { machineId: machine.id, incarnation: machine.incarnation })
  const check = execFileSync('qemu-img', ['check', '--output=json', path], { encoding: 'utf8' })
  expect(JSON.parse(check)).not.toHaveProperty('corruptions')
  const chain = execFileSync('qemu-img', ['map', '--output=json', path], { encoding: 'utf8' })
  expect(JSON.parse(chain).every((part: { data: boolean }) => !part.data)).toBe(true)
})
