/** libvirt's flags that we use (libvirt-domain.h, libvirt-storage.h of 9.0), to be joined by `|`. */

/** virDomainDeviceModifyFlags */
export const modifyFlags = { force: 4 } as const
export const affectFlags = { current: 0, live: 1, config: 2 } as const
export const xmlFlags = { secure: 1, inactive: 2, updateCpu: 4, migratable: 8 } as const
export const undefineFlags = {
  managedSave: 1,
  snapshotsMetadata: 2,
  nvram: 4,
  keepNvram: 8,
  checkpointsMetadata: 16,
} as const
export const listFlags = { persistent: 4, managedSave: 256, hasSnapshot: 4096 } as const
/** What the guest does after its restore. */
export const saveFlags = { bypassCache: 1, running: 2, paused: 4 } as const
/** `force` takes the console from whoever holds it. */
export const consoleFlags = { force: 1, safe: 2 } as const
/** `state` and `interface` never ask QEMU; the others hang with a hung QEMU (facts: keep them on a connection of their own). */
export const statsGroups = {
  state: 1,
  cpuTotal: 2,
  balloon: 4,
  vcpu: 8,
  interface: 16,
  block: 32,
  perf: 64,
  iothread: 128,
  memory: 256,
  dirtyRate: 512,
  vm: 1024,
} as const
export const statsFlags = { active: 1, inactive: 2, nowait: 1 << 29, backing: 1 << 30 } as const
export const addressSources = { lease: 0, agent: 1, arp: 2 } as const
export const metadataKinds = { description: 0, title: 1, element: 2 } as const
export const migrateFlags = {
  live: 1,
  peerToPeer: 2,
  tunnelled: 4,
  persistDestination: 8,
  undefineSource: 16,
  paused: 32,
  nonSharedDisk: 64,
  nonSharedInc: 128,
  changeProtection: 256,
  unsafe: 512,
  abortOnError: 4096,
  autoConverge: 8192,
  postcopy: 32768,
  tls: 65536,
} as const
