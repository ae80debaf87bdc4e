import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'
import { privateLibvirtd } from '../support/libvirtd.ts'
import { imageSpec, installationId, machineSpec } from './wishes.ts'

const never = new AbortController().signal

it('does nothing in a folder whose storage is not mounted, before a start and after it, and works on when it is back', async () => {
  await using libvirtd = await privateLibvirtd()
  const folder = join(libvirtd.scratch, 'host')
  const open = () =>
    openLibvirtHost({
      installationId,
      folder,
      cacheFolder: join(libvirtd.scratch, 'cache'),
      storageNote: join(libvirtd.scratch, 'storage-known'),
      daemon: { folder: libvirtd.folder },
      enter: libvirtd.enter,
      runFolder: libvirtd.scratch,
      accelerator: 'tcg',
      fetchImage: () => Promise.reject(new Error('nothing was uploaded')),
    })
  const machine = machineSpec(1)
  const overlay = { machineId: machine.id, incarnation: machine.incarnation }
  let storageId: string
  {
    await using host = await open()
    ;({ storageId } = await host.facts())
    await writeFile(join(folder, 'overlays', `${machine.id}.${machine.incarnation}.qcow2`), 'somebody’s disk')
    expect(await host.overlays()).toEqual([overlay])
    await rename(folder, `${folder}.away`)
    await mkdir(folder)
    await expect(host.overlays()).rejects.toMatchObject({ code: 'unreachable' })
    await expect(host.overlayRemove(overlay)).rejects.toThrow('not mounted')
  }
  await using host = await open()
  expect(await host.facts()).toMatchObject({ storageId })
  expect(await host.usage()).toMatchObject({ storageTotalBytes: 0, storageFreeBytes: 0 })
  const refused = [
    host.images(),
    host.imageMake(imageSpec(), () => {}, never),
    host.overlayMake(machine),
    host.overlayFetch(machine, 'a move', () => {}, never),
    host.machineStart(machine),
    host.sweep(new Set()),
  ]
  for (const work of await Promise.allSettled(refused))
    expect(work).toMatchObject({ status: 'rejected', reason: { code: 'unreachable' } })
  expect(await readdir(folder)).toEqual([])
  await rm(folder, { recursive: true })
  await rename(`${folder}.away`, folder)
  expect(await host.overlays()).toEqual([overlay])
})
