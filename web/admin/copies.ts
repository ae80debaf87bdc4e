/** Copies of template versions in clusters, as pages show and ask for them. Pure. */
import type { Cluster, CopyPlan, Template, VersionCopy } from '../data/nouns.ts'

/** Clusters that a version can be copied to: those that neither have it nor get it. */
export const clustersWithout = (clusters: readonly Cluster[], copies: readonly VersionCopy[]): Cluster[] =>
  clusters.filter(({ id }) => copies.every(copy => copy.clusterId !== id))

/** What of a template's hardware no host of the cluster has; empty: it fits, or nothing is known yet. */
export function tooLargeFor(
  { largest }: Pick<Cluster, 'largest'>,
  { vcpus, memoryBytes }: Pick<Template['hardware'], 'vcpus' | 'memoryBytes'>,
): ('vcpus' | 'memoryBytes')[] {
  if (!largest) return []
  return [
    ...(vcpus > largest.vcpus ? (['vcpus'] as const) : []),
    ...(memoryBytes > largest.memoryBytes ? (['memoryBytes'] as const) : []),
  ]
}

const MiB = 2 ** 20
/** Within what the server takes. */
export const limitMiB = { least: 0.01, most: 900_000 } as const

/** The limit as its field holds it; empty: none. @returns undefined for what is none. */
export function bytesPerSecondOf(field: number | string): number | null | undefined {
  if (field === '') return null
  const value = Number(field)
  return value >= limitMiB.least && value <= limitMiB.most ? Math.round(value * MiB) : undefined
}

/** And back. */
export const limitOf = (bytesPerSecond: number | null): number | string =>
  bytesPerSecond === null ? '' : bytesPerSecond / MiB

/** What of a plan is not well, in the order of the API, as message keys. */
export const copyWarnings = ({ checks, hostsUnknown }: Pick<CopyPlan, 'checks' | 'hostsUnknown'>) => [
  ...checks.filter(({ ok }) => !ok).map(({ name }) => `${name}Wrong` as const),
  ...(hostsUnknown.length > 0 ? (['hostsUnknown'] as const) : []),
]

/** The form's field for a field of the API, where the server's own words belong. */
export const copyFieldOf = (path: string): string =>
  path === 'bytesPerSecond' ? 'limit' : path === 'params.clusterId' ? 'clusterId' : path

/** What came stays for the next attempt, unless it cannot be the image. */
export const copyGoesOn = ({ state, progress, trouble }: VersionCopy): boolean =>
  state === 'failed' && progress > 0 && trouble?.code !== 'invalid'
