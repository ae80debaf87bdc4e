import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configValue, diskLocksOf, migrationUriOf } from '../../vmm/host-place.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hdcs-place-'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('a host among others', () => {
  it.each([
    ['lock_manager = "lockd"', 'lockd'],
    ['#lock_manager = "lockd"', undefined],
    ['  lock_manager="sanlock" # why not', 'sanlock'],
    ['lock_manager = "a"\nlock_manager = "b"', 'b'],
    ['auto = 1\nxlock_manager = "c"', undefined],
    ['lock_manager = 7', '7'],
  ])('reads libvirt’s settings as libvirt does: %j', (text, value) => {
    expect(configValue(text, 'lock_manager')).toBe(value)
  })

  it('says that its disks are guarded only where libvirt’s lock manager takes a lease for each', async () => {
    expect(await diskLocksOf(folder)).toBeNull()
    await writeFile(join(folder, 'qemu.conf'), 'lock_manager = "lockd"\n')
    expect(await diskLocksOf(folder)).toEqual({ folder: null })
    await writeFile(join(folder, 'qemu-lockd.conf'), 'file_lockspace_dir = "/shared/locks"\n')
    expect(await diskLocksOf(folder)).toEqual({ folder: '/shared/locks' })
    await writeFile(join(folder, 'qemu-lockd.conf'), 'auto_disk_leases = 0\n')
    expect(await diskLocksOf(folder)).toBeNull()
  })

  it('is sent guests where it is told to be, and not at all on a loopback or where nobody listens', async () => {
    expect(await migrationUriOf('127.0.0.1', null)).toBeNull()
    expect(await migrationUriOf('::1', null)).toBeNull()
    // Documentation's network: nobody is there, and nothing is sent out of this machine for long.
    expect(await migrationUriOf('192.0.2.1', null)).toBeNull()
    expect(await migrationUriOf('127.0.0.1', 'qemu+tls://h1/system')).toBe('qemu+tls://h1/system')
  })
})
