/**
 * What is promised of each file system, by all that lie on it: root folders and storage pools that share one look empty
 * when each counts its own promises only. Pure.
 */

/** A root folder (`poolId` null) or a storage pool, as one host has it. */
export interface StoragePlace {
  hostId: string
  poolId: string | null
  /** Hosts that say the same share what lies there. */
  storageId: string
  /** One of the host's own; null: not told. */
  fileSystem: string | null
  capacityBytes: number
  /** What is promised here, as guests see it. */
  virtualBytes: number
}

export interface Promised {
  /** Of the file systems, each once. */
  capacityBytes: number
  /** To everybody on them. */
  promisedBytes: number
}

/**
 * @returns what is promised of the file systems that the asked places lie on. Two places lie on one where they are the
 *   same storage, or the same file system of the same host.
 */
export function promisedOn(places: readonly StoragePlace[]): (asked: (place: StoragePlace) => boolean) => Promised {
  const groups: { keys: Set<string>; places: StoragePlace[] }[] = []
  for (const place of places) {
    const { hostId, storageId, fileSystem } = place
    const keys = [`storage ${storageId}`, ...(fileSystem === null ? [] : [`host ${hostId} ${fileSystem}`])]
    const met = groups.filter(group => keys.some(key => group.keys.has(key)))
    const [group = { keys: new Set<string>(), places: [] }, ...others] = met
    if (met.length === 0) groups.push(group)
    for (const other of others) {
      for (const key of other.keys) group.keys.add(key)
      group.places.push(...other.places)
      groups.splice(groups.indexOf(other), 1)
    }
    for (const key of keys) group.keys.add(key)
    group.places.push(place)
  }
  return asked => {
    const own = groups.filter(group => group.places.some(asked))
    return {
      capacityBytes: own.reduce(
        (sum, group) => sum + Math.max(...group.places.map(({ capacityBytes }) => capacityBytes)),
        0,
      ),
      promisedBytes: own.reduce(
        (sum, group) => sum + group.places.reduce((all, { virtualBytes }) => all + virtualBytes, 0),
        0,
      ),
    }
  }
}
