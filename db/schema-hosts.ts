/** Tables of many hosts: clusters, moves, stored placements (docs/decisions/0006). */
import type { ColumnType, Generated } from 'kysely'
import type { DesktopObserved } from './agents.ts'
import type { Json, JsonOrNull, TroubleValue } from './schema.ts'

export type PlacementPolicy = 'spread' | 'pack' | 'balanced'
/** `together` and `apart`: while there is room; `only…`: else nowhere. */
export type Affinity = 'none' | 'together' | 'apart' | 'onlyTogether' | 'onlyApart'

export interface ClusterTable {
  id: string
  site_id: string
  name: string
  /** CIDR; each host gets a /22 of it. */
  supernet: string
  port_from: Generated<number>
  port_to: Generated<number>
  placement: Generated<PlacementPolicy>
  /** vCPUs promised per core; null: by acceleration (broker/capacity.ts). */
  vcpus_per_core: number | null
  memory_reserve: Generated<number>
  /** Share of its hosts that warm desktops leave to persons. */
  person_reserve: Generated<number>
  suspect_ms: Generated<number>
  lost_ms: Generated<number>
  balance: ColumnType<Record<string, unknown>, string | undefined, string>
  fence_command: string | null
  power_command: string | null
  /** Networks that pools name, where it has them otherwise than under that name. */
  networks: ColumnType<ClusterNetworkValue[], string | undefined, string>
  /** So long its desktops stay in the recycle bin; 0: they do not get there. */
  bin_days: Generated<number>
  /** So fast its hosts fetch images, each of them; null: as fast as it goes. */
  image_bytes_per_second: number | null
  created_at: Generated<Date>
}

/** What a pool's desktops may reach (vmm/spec.ts, NicSpec). */
export interface NetworkValue {
  mode: 'nat' | 'routed' | 'bridge' | 'isolated'
  /** Only for `bridge`: the host's bridge or interface, and its VLAN. */
  interface?: string
  vlan?: number
  /** Desktops of the same pool on the same host see each other. */
  neighbours?: boolean
  /** Only these may be reached: CIDRs with optional protocol and ports. Empty or absent: everything the mode allows. */
  allow?: { cidr: string; protocol?: 'tcp' | 'udp' | 'icmp'; ports?: string }[]
}

/** A network that pools name, as one cluster has it. */
export interface ClusterNetworkValue {
  name: string
  /** A bridge or an interface of its hosts. */
  interface: string
  /** Absent: the pool's own; null: none, whatever the pool says. */
  vlan?: number | null
}

export type MigrationKind = 'live' | 'storage' | 'offline'
export type MigrationState = 'queued' | 'preparing' | 'moving' | 'done' | 'failed' | 'cancelled'
export type MigrationCause = 'person' | 'start' | 'maintenance' | 'return' | 'balance' | 'consolidation'

/** What one of the two hosts says of a move (vmm/report.ts), and since when it says so. */
export interface MoveValue {
  state: 'preparing' | 'ready' | 'moving' | 'arrived' | 'left' | 'failed'
  progress: number
  text: string
  trouble: TroubleValue | null
  /** RFC 3339. */
  at: string
  /** The machine as this host sees it: the target's becomes the desktop's own when it arrives. */
  machine: DesktopObserved
}

/** A desktop on its way to another host: docs/decisions/0006. `state` is the migrations reconciler's. */
export interface MigrationTable {
  id: string
  desktop_id: string
  /** Null: that host was removed since. An open move has both. */
  from_host_id: string | null
  to_host_id: string | null
  /** As they were called when the move was opened. */
  from_name: string
  to_name: string
  kind: MigrationKind
  cause: MigrationCause
  reason: Generated<string>
  /** One that runs and cannot move so may be shut down for it. */
  restart: Generated<boolean>
  /** The storages that its disk is copied between; null while it is queued, and when nothing is copied. */
  from_storage_id: string | null
  to_storage_id: string | null
  decision: JsonOrNull<{ why: string; hosts: PlacementHostValue[] }>
  task_id: string | null
  wished_cancel: Generated<boolean>
  state: Generated<MigrationState>
  progress: Generated<number>
  text: Generated<string>
  trouble: JsonOrNull<TroubleValue>
  observed_source: JsonOrNull<MoveValue>
  observed_target: JsonOrNull<MoveValue>
  created_at: Generated<Date>
  started_at: Date | null
  ended_at: Date | null
}

export interface PlacementHostValue {
  hostId: string
  hostName: string
  clusterName: string
  fits: boolean
  /** Higher is better; null where it does not fit. */
  score: number | null
  /** Why not, or what the score is made of. */
  reason: string
}

/** A stored decision: why here, why not there. */
export interface PlacementTable {
  id: Generated<number>
  desktop_id: string
  at: Generated<Date>
  cause: 'make' | 'move' | 'return'
  host_id: string | null
  why: string
  hosts: Json<PlacementHostValue[]>
}

export type DongleState = 'attached' | 'waiting' | 'missing' | 'inUse' | 'refused'

/** A USB device of a host that is one desktop's alone. Told by its serial, or, where that is null, by its port. */
export interface DongleTable {
  id: string
  host_id: string
  desktop_id: string
  vendor: string
  product: string
  serial: string | null
  port: string | null
  /** As it called itself when it was bound. */
  name: string
  observed_state: DongleState | null
  observed_text: Generated<string>
  created_at: Generated<Date>
}

/** So many desktops more (or fewer) that are alike in these columns: migrations/0005. Written by triggers and folded. */
export interface TallyTable {
  pool_id: string
  host_id: string
  version_id: string
  subnet: string
  phase: string
  free: boolean
  connected: boolean
  wished_power: string
  wished_present: boolean
  n: number
  vcpus: number
  memory_bytes: number
}

/** What a host goes through, and what is done about it. */
export const hostEvents = [
  'joined',
  'heard',
  'suspect',
  'lost',
  // Heard after it was silent; after it was lost.
  'heardAgain',
  'back',
  'agentStarted',
  'trouble',
  'troubleOver',
  'maintenance',
  'evacuation',
  'maintenanceEnded',
  'fenced',
  'fenceFailed',
  'poweredOn',
  'powerOnFailed',
  'poweredOff',
  'powerOffFailed',
  // Its desktops, after it was lost: they run elsewhere; they wait.
  'returned',
  'waiting',
  // Desktops of another host that was lost came here.
  'took',
  // What it still had of desktops that live elsewhere.
  'copiesEnded',
  'disksRemoved',
] as const
export type HostEvent = (typeof hostEvents)[number]

export interface HostHistoryTable {
  id: Generated<number>
  host_id: string
  at: Date
  what: HostEvent
  /** Desktops, tries or seconds. */
  amount: number | null
  reason: string
  /** As the person was called then; null: by itself. */
  user_name: string | null
}
