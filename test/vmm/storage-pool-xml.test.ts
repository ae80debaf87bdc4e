import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DOMParser } from '@xmldom/xmldom'
import { describe, expect, it } from 'vitest'
import { domainXml, readDomain } from '../../vmm/domain-xml.ts'
import type { StoragePoolSpec } from '../../vmm/spec.ts'
import { placeMake, placesOf } from '../../vmm/storage-places.ts'
import { deviceOf, poolXml, secretXml, serialOf, volumeDiskXml, volumeFile } from '../../vmm/storage-pool-xml.ts'
import { installationId, machineSpec } from './wishes.ts'

const id = '018f0000-0000-7000-8000-0000000000aa'
const volumeId = '018f0000-0000-7000-8000-0123456789ab'
const pool = (own: Partial<StoragePoolSpec> = {}): StoragePoolSpec => ({
  id,
  name: 'volumes',
  source: { type: 'dir' },
  target: '/srv/volumes',
  secret: null,
  reserve: 0.05,
  refresh: 1,
  gone: false,
  ...own,
})
const rbd = pool({
  source: { type: 'rbd', monitors: ['mon1', 'mon2:6790', '[fd00::1]:6789'], pool: 'hdcs', user: 'desk' },
  target: null,
  secret: 'QVFCc2VjcmV0a2V5',
})
const volume = { id: volumeId, name: 'data', poolId: id, format: 'qcow2' as const, slot: 2 }
const read = (text: string) => new DOMParser().parseFromString(text, 'text/xml')
const one = (text: string, name: string) => read(text).getElementsByTagName(name)[0]

describe('a storage pool as libvirt is told of it', () => {
  it('bears the mark of its installation, and the id of its pool', () => {
    const text = poolXml(pool(), installationId)
    expect(one(text, 'name')?.textContent).toBe(`hdcs-${installationId.slice(0, 8)}-${id}`)
    expect(one(text, 'uuid')?.textContent).toBe(id)
    expect(one(text, 'path')?.textContent).toBe('/srv/volumes')
  })

  it('names the server and the path of an NFS export', () => {
    const text = poolXml(pool({ source: { type: 'netfs', server: 'nfs.example', path: '/export/a' } }), installationId)
    expect(one(text, 'host')?.getAttribute('name')).toBe('nfs.example')
    expect(one(text, 'dir')?.getAttribute('path')).toBe('/export/a')
    expect(one(text, 'format')?.getAttribute('type')).toBe('nfs')
  })

  it('names Ceph’s monitors, pool and user, and its key nowhere', () => {
    const text = poolXml(rbd, installationId)
    const hosts = [...read(text).getElementsByTagName('host')]
    expect(hosts.map(host => [host.getAttribute('name'), host.getAttribute('port')])).toEqual([
      ['mon1', null],
      ['mon2', '6790'],
      ['fd00::1', '6789'],
    ])
    expect(one(text, 'auth')?.getAttribute('username')).toBe('desk')
    expect(one(text, 'secret')?.getAttribute('uuid')).toBe(id)
    expect(one(secretXml(rbd), 'secret')?.getAttribute('private')).toBe('yes')
    for (const xml of [text, secretXml(rbd), volumeDiskXml(volume, rbd).xml]) expect(xml).not.toContain(rbd.secret)
  })

  it('is refused with a folder, server or name that is none', () => {
    const wrong: Partial<StoragePoolSpec>[] = [
      { target: '/srv/../etc' },
      { target: 'srv' },
      { target: '/srv/a b' },
      { target: null },
      { source: { type: 'netfs', server: 'a/b', path: '/x' } },
      { source: { type: 'netfs', server: '-o', path: '/x' } },
      { source: { type: 'netfs', server: 'a', path: '/x/../..' } },
      { source: { type: 'rbd', monitors: [], pool: 'a', user: null } },
      { source: { type: 'rbd', monitors: ['a'], pool: 'a/b', user: null } },
      { id: 'x' },
    ]
    for (const own of wrong) expect(() => poolXml(pool(own), installationId)).toThrow('cannot be made')
  })
})

describe('a volume as a disk of a machine', () => {
  it('is a file with a readable name, found by a serial and by its alias', () => {
    const text = volumeDiskXml(volume, pool()).xml
    expect(one(text, 'source')?.getAttribute('file')).toBe(`/srv/volumes/data-${volumeId}.qcow2`)
    expect(one(text, 'target')?.getAttribute('dev')).toBe('vdc')
    expect(one(text, 'serial')?.textContent).toBe(serialOf(volumeId))
    expect(serialOf(volumeId)).toHaveLength(20)
  })

  it('is QEMU’s own affair on Ceph: always raw', () => {
    const text = volumeDiskXml({ ...volume, format: 'raw' }, rbd).xml
    expect(one(text, 'driver')?.getAttribute('type')).toBe('raw')
    expect(one(text, 'source')?.getAttribute('name')).toBe(`hdcs/data-${volumeId}.raw`)
  })

  it('is read back from the domain that has it', () => {
    const parts = {
      spec: machineSpec(1, { nic: null }),
      domainName: 'desktop-1',
      installationId,
      accelerator: 'tcg' as const,
      disk: '/a',
      image: '/b',
      nicSource: null,
      spiceListen: '127.0.0.1',
      ownersReady: true,
      volumes: [volumeDiskXml(volume, pool())],
    }
    expect(readDomain(domainXml(parts))).toMatchObject({
      volumes: [volumeId],
      disks: [{ id: volumeId, device: 'vdc' }],
    })
  })

  it('has a name that can be no path, and one of eight places', () => {
    for (const name of ['../x', 'A', 'a/b', ''])
      expect(() => volumeFile({ id, name, format: 'raw' })).toThrow('strange letters')
    expect(deviceOf({ slot: 8 })).toBe('vdi')
    for (const slot of [0, 9]) expect(() => deviceOf({ slot })).toThrow('at most')
  })
})

it('makes a pool’s folder only where pools may be, links followed, and never among our own files', async () => {
  const base = await mkdtemp(join(tmpdir(), 'hdcs-places-'))
  try {
    const [place, elsewhere] = [join(base, 'place'), join(base, 'elsewhere')]
    for (const folder of [join(place, 'own'), elsewhere]) await mkdir(folder, { recursive: true })
    await symlink(elsewhere, join(place, 'link'))
    await placeMake(join(place, 'volumes', 'a'), [place], [join(place, 'own')])
    for (const folder of [join(elsewhere, 'a'), place, join(place, 'link', 'a')])
      await expect(placeMake(folder, [place], [])).rejects.toMatchObject({ code: 'invalid' })
    for (const folder of [join(place, 'own'), join(place, 'own', 'a')])
      await expect(placeMake(folder, [place], [join(place, 'own')])).rejects.toMatchObject({ code: 'conflict' })
  } finally {
    await rm(base, { recursive: true })
  }
})

it('may always be where a pool without a folder of its own is mounted, whatever else the host allows', () => {
  expect(placesOf(['/pools'])).toEqual(['/pools', '/var/lib/hdcs-storage'])
  expect(placesOf()).toEqual(expect.arrayContaining(['/srv', '/var/lib/hdcs-storage']))
})
