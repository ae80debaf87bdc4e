/** Storages that fill and pools that fail, as findings of the overview. Pure. */
import type { RootStorage, StoragePool } from '../data/storage.ts'
import type { Finding } from './overview-findings.ts'

export interface StorageSeen {
  /** Of each cluster. */
  roots: readonly { clusterId: string; storages: readonly RootStorage[] }[]
  pools: readonly StoragePool[]
}

/** Hosts that share a storage stand in one line, and this many of them by name. */
const namesShown = 3

export function storageFindings({ roots, pools }: StorageSeen): Finding[] {
  const found: Finding[] = []
  const add = (
    id: string,
    clusterId: string,
    level: RootStorage['level'],
    words: { place: 'root' | 'pool'; name: string },
    text: string | null,
  ) => {
    if (level === 'ok') return
    const key = words.place === 'root' ? 'overview.rootFills' : 'overview.storagePoolFills'
    const bad = level === 'critical' || level === 'full'
    found.push({
      key: `${id} fills`,
      level: bad ? 'bad' : 'warn',
      words: { key, name: words.name },
      text,
      next: null,
      to: '/admin/hosts/clusters/$id',
      id: clusterId,
    })
  }
  for (const { clusterId, storages } of roots)
    for (const { storageId, hosts, level, warning } of storages) {
      const names = hosts.slice(0, namesShown).map(({ name }) => name)
      const name = `${names.join(', ')}${hosts.length > namesShown ? ' …' : ''}`
      add(storageId, clusterId, level, { place: 'root', name }, warning)
    }
  for (const { id, clusterId, name, level, warning, state, text } of pools) {
    add(id, clusterId, level, { place: 'pool', name }, warning)
    if (state === 'failed' || state === 'degraded')
      found.push({
        key: `${id} fails`,
        level: state === 'failed' ? 'bad' : 'warn',
        words: { key: 'overview.storagePoolFails', name },
        text,
        next: null,
        to: '/admin/hosts/clusters/$id',
        id: clusterId,
      })
  }
  return found
}
