import { describe, expect, it } from 'vitest'
import { promisedOn, type StoragePlace } from '../../broker/file-systems.ts'
import { storageWarning } from '../../broker/storage-level.ts'

const place = (hostId: string, poolId: string | null, storageId: string, fileSystem: string | null, virtual: number) =>
  ({ hostId, poolId, storageId, fileSystem, capacityBytes: 100, virtualBytes: virtual }) satisfies StoragePlace
const of = (places: StoragePlace[], poolId: string | null) => promisedOn(places)(one => one.poolId === poolId)

describe('what is promised of a file system', () => {
  it('is the sum of the root folder and of all pools that lie on it', () => {
    const places = [
      place('h1', null, 'root', '8:1', 30),
      place('h1', 'a', 'sa', '8:1', 50),
      place('h1', 'b', 'sb', '8:1', 70),
      place('h1', 'c', 'sc', '8:17', 5),
    ]
    expect(of(places, 'a')).toEqual({ capacityBytes: 100, promisedBytes: 150 })
    expect(of(places, null)).toEqual(of(places, 'b'))
    expect(of(places, 'c')).toEqual({ capacityBytes: 100, promisedBytes: 5 })
  })

  it('keeps those of the same number on two hosts apart, and joins what hosts share', () => {
    const places = [
      place('h1', 'own', 's1', '8:1', 10),
      place('h2', 'own', 's2', '8:1', 20),
      place('h1', 'nfs', 'n', '0:40', 1),
      place('h2', 'nfs', 'n', '0:77', 2),
      // On the same server’s file system as `nfs` on that host, so on both.
      place('h2', 'second', 'm', '0:77', 4),
    ]
    expect(of(places, 'own')).toEqual({ capacityBytes: 200, promisedBytes: 30 })
    expect(of(places, 'nfs')).toEqual({ capacityBytes: 100, promisedBytes: 7 })
    // In whatever order they come.
    expect(of(places.toReversed(), 'second')).toEqual(of(places, 'nfs'))
  })

  it('is each one’s own where an agent does not tell', () => {
    const places = [place('h1', null, 'root', null, 30), place('h1', 'a', 'sa', null, 50)]
    expect(of(places, 'a')).toEqual({ capacityBytes: 100, promisedBytes: 50 })
  })

  it('is said in a warning where it is more than there is', () => {
    const figures = { capacityBytes: 100 * 2 ** 30, freeBytes: 2 ** 30, keptBytes: 0, promisedBytes: 250 * 2 ** 30 }
    expect(storageWarning('It', figures)).toContain('1 GiB of 100 GiB are free (250 GiB are promised of it)')
    expect(storageWarning('It', { ...figures, promisedBytes: 2 ** 30 })).not.toContain('promised')
  })
})
