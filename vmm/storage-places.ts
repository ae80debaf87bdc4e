/** Where on this host storage pools may be: an allow-list, because whoever wishes a pool wishes a folder of the host's. */
import { mkdir, realpath } from 'node:fs/promises'
import { HdcsError } from '../lib/errors.ts'

/** Where data belongs by the Filesystem Hierarchy Standard; never where the system itself lies. */
const usualPlaces = ['/srv', '/mnt', '/media', '/data', '/storage'] as const
/** Where a pool is mounted for which nobody named a folder (broker/storage-pools.ts): made for nothing else. */
const ownPlace = '/var/lib/hdcs-storage'

/** @param allowed instead of the usual places, as whoever runs the host says. */
export const placesOf = (allowed: readonly string[] = usualPlaces): readonly string[] => [...allowed, ownPlace]

const below = (folder: string, place: string) => folder.startsWith(`${place}/`)

/**
 * Makes the folder of a pool. Entered by QEMU's user, read by nobody else.
 * @param forbidden the folders that are ours already.
 * @throws HdcsError `invalid`.
 */
export async function placeMake(folder: string, places: readonly string[], forbidden: readonly string[]) {
  const refuse = (seen: string) =>
    new HdcsError(
      'invalid',
      `${seen} is no place for a storage pool on this host: choose a folder below ${places.join(', ')}, or allow another place there with HDCS_STORAGE_PLACES.`,
    )
  if (!places.some(place => below(folder, place))) throw refuse(folder)
  await mkdir(folder, { recursive: true, mode: 0o711 })
  // A link may lead elsewhere.
  const real = await realpath(folder)
  const roots = await Promise.all(places.map(place => realpath(place).catch(() => place))) // not there: nothing is below
  if (!roots.some(place => below(real, place))) throw refuse(`${folder}, which is ${real},`)
  const ours = forbidden.find(own => real === own || below(real, own) || below(own, real))
  if (ours) throw new HdcsError('conflict', `${folder} lies where HDCS keeps its own files: choose another folder.`)
}
