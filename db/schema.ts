import type { ColumnType, Generated } from 'kysely'
import type { ErrorCode } from '../lib/errors.ts'
import type { DiskBus, Firmware } from '../lib/hardware.ts'
import type { ForeignMachine, MachineReport, UsbDevice } from '../vmm/report.ts'
import type { LiveHardware } from '../vmm/spec.ts'
import type { AnswersValue, CustomisationTables, DesktopSetup } from './schema-customisation.ts'
import type { ExportTable } from './schema-exports.ts'
import type {
  Affinity,
  ClusterTable,
  DongleTable,
  HostHistoryTable,
  MigrationTable,
  NetworkValue,
  PlacementPolicy,
  PlacementTable,
  TallyTable,
} from './schema-hosts.ts'
import type { PeopleTables } from './schema-people.ts'
import type { EventTable, OperationTable, RevertValue, SavedValue, SnapshotTable, TaskTable } from './schema-tasks.ts'

export type { SavedValue, TaskState, TaskStep } from './schema-tasks.ts'

import type { PushTable, VerificationTable, VerifiedTable } from './schema-pushes.ts'
import type { HostStorageTable, StoragePoolTable, VolumeTable } from './schema-storage.ts'

/**
 * Columns have one writer: `wished_*` by requests, `observed_*` by host reports, `state`, `phase` and `status` by
 * their reconcilers.
 */
export interface Database extends PeopleTables, CustomisationTables {
  setting: { key: string; value: string }
  site: { id: string; name: string; created_at: Generated<Date> }
  cluster: ClusterTable
  host: HostTable
  join_token: { hash: string; cluster_id: string; expires_at: Date; used_at: Date | null }
  template: TemplateTable
  template_version: VersionTable
  host_image: HostImageTable
  template_copy: CopyTable
  template_export: ExportTable
  pool: PoolTable
  entitlement: { pool_id: string; subject: string }
  desktop: DesktopTable
  transition: TransitionTable
  task: TaskTable
  task_log: { id: Generated<number>; task_id: string; at: Generated<Date>; text: string }
  operation: OperationTable
  snapshot: SnapshotTable
  session: {
    id: string
    desktop_id: string
    user_id: string
    created_at: Generated<Date>
    ended_at: Date | null
    ended_reason: string | null
  }
  event: EventTable
  screen_port: { host_id: string; port: number; desktop_id: string }
  migration: MigrationTable
  dongle: DongleTable
  placement: PlacementTable
  tally: TallyTable
  host_history: HostHistoryTable
  push: PushTable
  verification: VerificationTable
  verified_desktop: VerifiedTable
  host_foreign: { host_id: string; observed_machines: Json<ForeignMachine[]>; observed_at: Date }
  storage_pool: StoragePoolTable
  host_storage: HostStorageTable
  volume: VolumeTable
  /** Keys that were good until their hosts were removed. */
  removed_host: { key_hash: string; name: string; removed_at: Date }
}

/** jsonb: objects go in as JSON text (pg would send an array as a PostgreSQL array) and come out as values. */
export type Json<T> = ColumnType<T, string, string>
export type JsonOrNull<T> = ColumnType<T | null, string | null, string | null>

export interface TroubleValue {
  code: ErrorCode
  text: string
}

export interface HardwareValue {
  vcpus: number
  memoryBytes: number
  video: 'vga' | 'virtio' | 'qxl'
  diskBytes: number | null
  sound: boolean
  /** Absent in rows from before they had a choice: `hardwareDefaults` (lib/hardware.ts). */
  firmware?: Firmware | undefined
  diskBus?: DiskBus | undefined
}

export type HostState = 'joining' | 'online' | 'suspect' | 'lost' | 'maintenance'

export interface HostFactsValue {
  hostName: string
  kernel: string
  libvirtVersion: string
  qemuVersion: string
  cpuModel: string
  cpus: number
  memoryBytes: number
  accelerator: 'kvm' | 'tcg'
  acceleratorReason: string | null
  simulated: boolean
  cpuMhz: number
  sockets: number
  coresPerSocket: number
  threadsPerCore: number
  maxVcpus: number
  address: string
  mac?: string | null | undefined
  storageId: string
  diskLocks: boolean
  migrationUri: string | null
  bridges: string[]
  /** Absent: of an older agent. */
  uefi?: boolean | undefined
  usbDevices?: UsbDevice[] | undefined
  can?: string[] | undefined
}

export interface HostUsageValue {
  cpu: number
  memoryUsedBytes: number
  storageTotalBytes: number
  storageFreeBytes: number
}

export interface HostTable {
  id: string
  cluster_id: string
  name: string
  key_hash: string
  subnet: string
  wished_state: Generated<'online' | 'maintenance'>
  state: Generated<HostState>
  state_since: Generated<Date>
  observed_beat_at: Date | null
  /** When its agent began; another one: it was restarted. */
  observed_agent_at: Date | null
  observed_facts: JsonOrNull<HostFactsValue>
  observed_usage: JsonOrNull<HostUsageValue>
  observed_troubles: ColumnType<TroubleValue[], string | undefined, string>
  tags: Generated<string[]>
  /** CIDRs it was in itself when it joined. */
  networks: Generated<string[]>
  fenced_at: Date | null
  /** Its desktops shall leave while it is wished in maintenance. */
  wished_evacuate: Generated<boolean>
  wished_off_at: Date | null
  created_at: Generated<Date>
}

export interface TemplateTable {
  id: string
  name: string
  description: Generated<string>
  hardware: Json<HardwareValue>
  ready_when: Generated<'agent' | 'running'>
  /** Of Windows Setup, for pools that follow it. */
  answers: ColumnType<AnswersValue | null, string | null | undefined, string | null>
  created_at: Generated<Date>
}

export type VersionSource =
  | { kind: 'recipe'; recipe: 'tiny' | 'desktop' }
  /** An empty disk: made for machines that come with one of their own, or are installed from a medium. */
  | { kind: 'blank' }
  | {
      kind: 'upload'
      format: 'qcow2' | 'raw' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx' | 'iso' | 'ova' | 'hdcs'
      sizeBytes: number
      sha256: string
    }
  /** Made of a desktop's disk as it was when it was asked for, on the storage where that lies. */
  | {
      kind: 'desktop'
      desktopId: string
      desktopName: string
      seal: boolean
      incarnation: number
      /** The version it stands on. */
      versionId: string
      clusterId: string
      storageId: string
    }
export type VersionState = 'uploading' | 'making' | 'sealed' | 'failed'

export interface VersionTable {
  id: string
  template_id: string
  number: number
  source: Json<VersionSource>
  notes: Generated<string>
  wished_attempt: Generated<number>
  uploaded: Generated<boolean>
  state: Generated<VersionState>
  progress: Generated<number>
  text: Generated<string>
  virtual_bytes: number | null
  stored_bytes: number | null
  sha256: string | null
  trouble: JsonOrNull<TroubleValue>
  created_at: Generated<Date>
}

export type CopyState = 'waiting' | 'copying' | 'ready' | 'failed'

export interface CopyTable {
  version_id: string
  cluster_id: string
  /** Null: as fast as it goes. */
  bytes_per_second: number | null
  wished_attempt: Generated<number>
  /** This and the rest by the templates reconciler. */
  state: Generated<CopyState>
  progress: Generated<number>
  text: Generated<string>
  trouble: JsonOrNull<TroubleValue>
  created_at: Generated<Date>
}

export interface HostImageTable {
  host_id: string
  version_id: string
  observed_attempt: number
  observed_state: 'waiting' | 'making' | 'ready' | 'failed'
  observed_progress: Generated<number>
  observed_text: Generated<string>
  observed_virtual_bytes: number | null
  observed_stored_bytes: number | null
  observed_sha256: string | null
  observed_trouble: JsonOrNull<TroubleValue>
}

export type PoolStatus = 'ok' | 'filling' | 'waiting' | 'restrained' | 'disabled' | 'removing'

export interface PoolTable {
  id: string
  name: string
  description: Generated<string>
  kind: 'floating' | 'persistent'
  template_id: string
  template_version: number | null
  min_size: number
  max_size: number
  warm: number
  cold: number
  max_per_user: number
  hardware: Json<Partial<HardwareValue>>
  start: Generated<'boot'>
  enabled: Generated<boolean>
  wished_present: Generated<boolean>
  /** What stands on another version than new ones stays so until it is given back: a push was called off half way. */
  remake_held: Generated<boolean>
  status: Generated<PoolStatus>
  status_text: Generated<string>
  restrained_until: Date | null
  /** Failures from before were paid for. */
  failures_since: Generated<Date>
  next_number: Generated<number>
  cluster_ids: Generated<string[]>
  /** Null: the cluster's. */
  placement: PlacementPolicy | null
  affinity: Generated<Affinity>
  needs: Generated<string[]>
  network: ColumnType<NetworkValue, string | undefined, string>
  ha: Generated<'restart' | 'wait'>
  created_at: Generated<Date>
}

export type Power = 'running' | 'paused' | 'stopped'
export type Phase =
  | 'making'
  | 'stopped'
  | 'starting'
  | 'ready'
  | 'paused'
  | 'stopping'
  | 'recycling'
  | 'removing'
  | 'failed'
  | 'unknown'

export interface GraphicsWish {
  serial: number
  password: string
  validUntil: string
  /** For an administrator, who looks at the machine: its person is not connected by it. */
  watch?: true
}

export interface DesktopTable extends DesktopSetup {
  id: string
  name: string
  pool_id: string
  host_id: string
  version_id: string
  hardware: Json<HardwareValue>
  /** What it takes of its host, by the database: `hardware`, or what its guest runs with where that is more. */
  vcpus: ColumnType<number, never, never>
  memory_bytes: ColumnType<number, never, never>
  address: string
  /** Without its mask, as people read it: kept by the database. */
  address_text: ColumnType<string, never, never>
  user_id: string | null
  user_slot: number | null
  assigned_at: Date | null
  /** The task whose receipt this claim is; the claim is undone when it fails. */
  claim_task_id: string | null
  wished_present: Generated<boolean>
  wished_power: Generated<Power>
  wished_stop_grace_ms: Generated<number>
  /** Wished stopped, and its memory kept; ended by the database with any other power. */
  wished_saved: Generated<boolean>
  /** Ended by its host's word. */
  wished_revert: JsonOrNull<RevertValue>
  wished_incarnation: Generated<number>
  wished_graphics: JsonOrNull<GraphicsWish>
  /** The machine of its host whose disk its first one is. */
  wished_adopt: string | null
  /** The life whose disk has existed: its host must never replace it by an empty one. Written by the desktops reconciler. */
  disk_incarnation: number | null
  /** The version in its CD-ROM drive, and what is in that of the guest that runs; null: it has none. */
  wished_cdrom: string | null
  /** From its next start on it starts from the disc before its disk. */
  boot_disc: Generated<boolean>
  observed_cdrom: JsonOrNull<{ imageId: string | null }>
  /** What of its hardware the guest that runs shall have at once; and what it has. Null: its host does not say. */
  wished_grow: Generated<LiveHardware[]>
  observed_hardware: JsonOrNull<NonNullable<MachineReport['hardware']>>
  clone_of: JsonOrNull<{ desktopId: string; incarnation: number; full: boolean }>
  /** Since when it is in the recycle bin (broker/recycle-bin.ts). */
  binned_at: Date | null
  /** Grows by a trigger with every change of its move. */
  moves: ColumnType<number, never, never>
  origin_host_id: string | null
  /** What keeps it from returning while its host is lost; the returns reconciler's. */
  waits_for: string | null
  /** Set by a trigger at every wished change. */
  generation: ColumnType<number, number | undefined, never>
  observed_generation: number | null
  observed_incarnation: number | null
  observed_power: Power | null
  observed_stopped: 'wished' | 'guest' | 'crashed' | null
  observed_ready: Generated<boolean>
  observed_step: string | null
  observed_queue_place: number | null
  /** How far a long step is. */
  observed_work: JsonOrNull<{ progress: number; text: string }>
  observed_clients: Generated<number>
  observed_graphics: JsonOrNull<{ host: string; port: number; serial: number }>
  observed_trouble: JsonOrNull<TroubleValue>
  /** What its host says of its saved memory (vmm/report.ts). */
  observed_memory: JsonOrNull<SavedValue>
  /** The host says that neither domain nor overlay exist any more. */
  observed_gone: Generated<boolean>
  phase: Generated<Phase>
  phase_reason: Generated<string>
  phase_since: Generated<Date>
  step_since: Generated<Date>
  session_state: 'connected' | 'disconnected' | null
  session_since: Date | null
  /** Set by a trigger at every change; cleared by the desktops reconciler. */
  dirty: Generated<boolean>
  made_at: Generated<Date>
}

/** Every change of state with its reason: billing, audit and "why?" read this and nothing else. */
export interface TransitionTable {
  id: Generated<number>
  desktop_id: string
  pool_id: string
  host_id: string | null
  user_id: string | null
  at: Generated<Date>
  was: string | null
  became: string
  reason: string
  /** Of its disk; a trigger's. Null: noted before lives were. */
  life: ColumnType<number | null, never, never>
}
