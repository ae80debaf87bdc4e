/** libvirt's flags that we use (libvirt-domain.h, libvirt-storage.h of 9.0), to be joined by `|`. */

export const startFlags = { paused: 1, autodestroy: 2, bypassCache: 4, forceBoot: 8, validate: 16 } as const
export const affectFlags = { current: 0, live: 1, config: 2 } as const
export const xmlFlags = { secure: 1, inactive: 2, updateCpu: 4, migratable: 8 } as const
export const shutdownFlags = { default: 0, acpi: 1, guestAgent: 2 } as const
/** `graceful` never sends SIGKILL: QEMU has 15 s to write its buffers, then the call fails. */
export const destroyFlags = { default: 0, graceful: 1 } as const
export const undefineFlags = {
  managedSave: 1,
  snapshotsMetadata: 2,
  nvram: 4,
  keepNvram: 8,
  checkpointsMetadata: 16,
} as const
export const saveFlags = { bypassCache: 1, running: 2, paused: 4 } as const
/** `force` takes the console from whoever holds it. */
export const consoleFlags = { force: 1, safe: 2 } as const
export const listDomainsFlags = {
  active: 1,
  inactive: 2,
  persistent: 4,
  transient: 8,
  running: 16,
  paused: 32,
} as const
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
/** virNetworkUpdate: command, section, and where it shall take effect. */
export const networkUpdateCommands = { modify: 1, delete: 2, addLast: 3, addFirst: 4 } as const
export const networkUpdateSections = { bridge: 1, domain: 2, ip: 3, ipDhcpHost: 4, ipDhcpRange: 5 } as const
export const volumeResizeFlags = { allocate: 1, delta: 2, shrink: 4 } as const
