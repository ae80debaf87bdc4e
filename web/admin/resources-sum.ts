/** What several clusters have together. Pure: each cluster counts its own storages once, and only hosts that are online. */
import type { Amount, Cluster, Host, Resources } from '../data/nouns.ts'

const sum = (amounts: readonly Amount[]): Amount => {
  const of = (part: keyof Amount) => amounts.reduce((all, amount) => all + amount[part], 0)
  return { total: of('total'), reserved: of('reserved'), used: of('used'), free: of('free') }
}

export function resourcesSum(clusters: readonly Pick<Cluster, 'resources'>[]): Resources {
  const of = (kind: keyof Resources) => sum(clusters.map(({ resources }) => resources[kind]))
  return {
    desktops: of('desktops'),
    vcpus: of('vcpus'),
    memoryBytes: of('memoryBytes'),
    storageBytes: of('storageBytes'),
  }
}

/** Desktops that run on hosts that are heard: those in maintenance too, although they offer nothing to the resource pool. */
export const desktopsRunning = (hosts: readonly Pick<Host, 'state' | 'used'>[]): number =>
  hosts.filter(({ state }) => state !== 'lost').reduce((all, { used }) => all + used.running, 0)
