/** Whose turn it is to move: how many desktops may be on their way at once. Pure. */

/**
 * Into and out of one host. Guests share its line and its disks while they are sent: more, and each takes longer than
 * all of them one after another; fewer, and a host is evacuated while its administrator waits.
 */
const mostPerHost = 2
/** Within or from one cluster, which shares a network. More: desktops that do not move feel it; fewer: large clusters wait. */
const mostPerCluster = 8

interface Moving {
  state: string
  from_host_id: string
  to_host_id: string
  from_cluster_id: string
  from_host_name: string
  to_host_name: string
}

export interface Turns {
  /** Why it must wait; null: it is its turn. */
  refusal(move: Moving): string | null
  /** Counts one that was admitted since. */
  take(move: Moving): void
}

/** @param open every move that has not ended. */
export function makeTurns(open: readonly Moving[]): Turns {
  const hosts = new Map<string, number>()
  const clusters = new Map<string, number>()
  const add = (counts: Map<string, number>, id: string) => counts.set(id, (counts.get(id) ?? 0) + 1)
  const take = (move: Moving) => {
    add(hosts, move.from_host_id)
    add(hosts, move.to_host_id)
    add(clusters, move.from_cluster_id)
  }
  for (const move of open) if (move.state !== 'queued') take(move)
  return {
    take,
    refusal({ from_host_id, to_host_id, from_cluster_id, from_host_name, to_host_name }) {
      for (const [id, name] of [
        [from_host_id, from_host_name],
        [to_host_id, to_host_name],
      ] as const)
        if ((hosts.get(id) ?? 0) >= mostPerHost) return `waits for its turn: ${mostPerHost} are moving at ${name}`
      return (clusters.get(from_cluster_id) ?? 0) >= mostPerCluster
        ? `waits for its turn: ${mostPerCluster} are moving in its cluster`
        : null
    },
  }
}
