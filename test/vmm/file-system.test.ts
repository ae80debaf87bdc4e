import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { deviceOf, fileSystemOf } from '../../vmm/file-system.ts'

const mounts = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /dev/shm rw shared:4 - tmpfs tmpfs rw
41 22 0:38 /@data /srv/data rw - btrfs /dev/sdb rw,subvol=/@data
42 22 0:38 /@more /srv/data-more rw - btrfs /dev/sdb rw,subvol=/@more
43 22 8:17 / /srv/with\\040blank rw - xfs /dev/sdb1 rw
44 41 0:50 / /srv/data/nfs rw - nfs4 nas:/export rw
45 22 8:33 / /srv/data/nfs rw - ext4 /dev/sdc1 rw
`

describe('the file system of a folder', () => {
  it.each([
    ['/var/lib/hdcs', '8:1'],
    ['/srv/data', '0:38'],
    ['/srv/data-more/pool', '0:38'],
    ['/srv/database', '8:1'],
    ['/srv/with blank/pool', '8:17'],
    ['/srv/data/nfs/pool', '8:33'],
  ])('is that of the last mount over it: %s', (path, device) => {
    expect(deviceOf(mounts, path)).toBe(device)
  })

  it('is not known of what no table names, nor of a folder that is not there', async () => {
    expect(deviceOf('', '/srv')).toBeUndefined()
    expect(deviceOf('nonsense\n', '/srv')).toBeUndefined()
    expect(await fileSystemOf('/nonexistent/folder')).toBeNull()
  })

  it('is the same for folders beside each other, and another one for what is mounted apart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hdcs-fs-'))
    expect(await fileSystemOf(folder)).toEqual(expect.stringMatching(/^\d+:\d+$/))
    expect(await fileSystemOf(folder)).toBe(await fileSystemOf(tmpdir()))
    expect(await fileSystemOf('/proc')).not.toBe(await fileSystemOf(folder))
    await rm(folder, { recursive: true })
  })
})
