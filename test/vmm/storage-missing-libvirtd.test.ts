import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'
import { poolSpec } from '../contract/host-volumes.ts'
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

it('makes nothing in the folder of a storage pool whose storage is not mounted, and tells a volume whose file is gone', async () => {
  await using libvirtd = await privateLibvirtd()
  const places = join(libvirtd.scratch, 'pools')
  await mkdir(places)
  await using host = await openLibvirtHost({
    installationId,
    folder: join(libvirtd.scratch, 'host'),
    cacheFolder: join(libvirtd.scratch, 'cache'),
    storageNote: join(libvirtd.scratch, 'storage-known'),
    storagePlaces: [places],
    daemon: { folder: libvirtd.folder },
    enter: libvirtd.enter,
    runFolder: libvirtd.scratch,
    accelerator: 'tcg',
    fetchImage: () => Promise.reject(new Error('nothing was uploaded')),
  })
  const target = join(places, 'shelf')
  const pool = poolSpec(target)
  const volume = (name: string) => ({
    ...{ id: crypto.randomUUID(), name, poolId: pool.id, format: 'raw' as const },
    ...{ sizeBytes: 2 ** 20, made: false, gone: false },
  })
  const [first, second] = [volume('first'), volume('second')]
  await host.storagePoolEnsure(pool)
  await host.volumeEnsure(first, null)
  await rename(target, `${target}.away`)
  for (const there of [false, true]) {
    if (there) await mkdir(target)
    const refused = [host.storagePoolLook(pool), host.storagePoolEnsure(pool), host.volumeEnsure(second, null)]
    for (const work of await Promise.allSettled(refused))
      expect(work).toMatchObject({ status: 'rejected', reason: { code: 'unreachable' } })
  }
  expect(await readdir(target)).toEqual([])
  await rm(target, { recursive: true })
  await rename(`${target}.away`, target)
  await host.storagePoolEnsure(pool)
  expect(await host.volumeEnsure({ ...first, made: true }, null)).toMatchObject({ sizeBytes: 2 ** 20 })

  const [file = ''] = (await readdir(target)).filter(name => name.startsWith('first'))
  await rename(join(target, file), join(places, 'kept'))
  await expect(host.volumeEnsure({ ...first, made: true }, null)).rejects.toMatchObject({ code: 'not_found' })
  await rename(join(places, 'kept'), join(target, file))
  await host.volumeEnsure({ ...first, made: true }, null)
})
