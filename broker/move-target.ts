/** Where a desktop goes when it leaves its host, and how. Pure: placement (placement.ts) among the hosts it can reach. */
import type { HostEnd } from '../db/host-ends.ts'
import type { MovableRow } from '../db/migrations.ts'
import type { MigrationKind } from '../db/schema-hosts.ts'
import { isSaved, savedText } from './desktop-state.ts'
import { moveFits } from './migration-plan.ts'
import { cardDiffers } from './nics.ts'
import { type Decision, type Demand, type HostFacts, placeDesktop } from './placement.ts'
import { demandOf } from './placing.ts'
import { volumesRefusal } from './volume-reach.ts'

export interface TargetAsk {
  /** Null: the best one of its own cluster. */
  hostId: string | null
  /** It may be shut down for it and is started again there. */
  restart: boolean
}

export interface Target {
  demand: Demand
  decision: Decision
  /** How it would move there; null when no host fits, or it must wait for its phase to pass (`waits`). */
  kind: MigrationKind | null
  waits: string | null
  /** What whoever sends it there should know. */
  warning: string | null
}

/** @param hosts as hostsToPlaceOn reads them. @param ends of all hosts. */
export function moveTarget(
  hosts: readonly HostFacts[],
  ends: ReadonlyMap<string, HostEnd>,
  desktop: MovableRow,
  ask: TargetAsk,
): Target {
  const candidates = hosts.map(host => {
    const against = refusalOf(ends, host, desktop, ask)
    return against === undefined ? host : { ...host, trouble: against }
  })
  const demand = movedDemand(desktop)
  const decision = placeDesktop(candidates, demand)
  const fits = decision.hostId === undefined ? undefined : fitsOn(ends, decision.hostId, desktop, ask)
  const kind = fits && 'kind' in fits ? fits.kind : null
  const far = decision.clusterId !== undefined && decision.clusterId !== desktop.cluster_id
  const cut = far && kind === 'storage' && desktop.network.mode !== 'bridge'
  return { demand, decision, kind, waits: fits && 'waits' in fits ? fits.waits : null, warning: cut ? noNetwork : null }
}

/** What a desktop that exists asks of a host. */
export const movedDemand = (desktop: MovableRow): Demand =>
  demandOf(
    { ...desktop, id: desktop.pool_id },
    {
      hardware: desktop.hardware,
      versionId: desktop.version_id,
      addressClusterId: desktop.cluster_id,
      hostId: desktop.host_id,
    },
    'person',
  )

const noNetwork =
  'its address is of the network of its cluster: there it has no network until it is shut down and started again'

/** Unless a host is named it stays in its cluster: its address is of that cluster's network. */
function refusalOf(ends: ReadonlyMap<string, HostEnd>, host: HostFacts, desktop: MovableRow, ask: TargetAsk) {
  if (host.id === desktop.host_id) return 'the desktop is there'
  if (ask.hostId !== null && host.id !== ask.hostId) return 'another host was asked for'
  if (ask.hostId === null && host.clusterId !== desktop.cluster_id) return 'it is of another cluster'
  const [source, target] = [ends.get(desktop.host_id), ends.get(host.id)]
  // An older copy of it, on a host that is away, may be told of by nothing but its lock (returning.ts).
  if (source?.diskLocks && !target?.diskLocks && source.storageId === target?.storageId)
    return 'its disk is not guarded by locks there, as it is where it is'
  const apart = volumesRefusal(desktop.volumes, source?.storages, target?.storages)
  if (apart !== undefined) return apart
  const fits = fitsOn(ends, host.id, desktop, ask)
  return 'refused' in fits ? fits.refused : undefined
}

function fitsOn(ends: ReadonlyMap<string, HostEnd>, hostId: string, desktop: MovableRow, { restart }: TargetAsk) {
  const [source, target] = [ends.get(desktop.host_id), ends.get(hostId)]
  if (!source || !target) return { refused: 'a host is gone' }
  return moveFits({
    phase: desktop.phase,
    pinned: isSaved(desktop) ? savedText : desktop.pinned,
    captured: desktop.captured,
    restart,
    snapshots: desktop.snapshots_any,
    otherNetwork: cardDiffers(desktop.network, source.networks ?? [], target.networks ?? []),
    source,
    target,
  })
}
