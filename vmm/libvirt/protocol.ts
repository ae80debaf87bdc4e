/**
 * Every procedure we call: its number, what it takes, what it answers. A new one is one line here; its typed function
 * then exists on every client (calls.ts). Names are libvirt's own minus `vir`.
 *
 * Source: remote_protocol.x and qemu_protocol.x of libvirt 9.0. Numbers and layouts there are append-only: an old virsh
 * must talk to a new daemon, so a client pinned to them stays right.
 */
import {
  type Codec,
  defaulted,
  type Fields,
  flag,
  hyper,
  int,
  list,
  named,
  nothing,
  opaque,
  optional,
  struct,
  text,
  uhyper,
  uint,
  uuid,
} from './codec.ts'
import {
  dhcpLease,
  domain,
  domainInterface,
  domainState,
  network,
  nodeInfo,
  secret,
  storagePool,
  storagePoolState,
  storageVolume,
  typedParams,
} from './objects.ts'

export const remoteProgram = 0x20008086
export const qemuProgram = 0x20008087
export const keepaliveProgram = 0x6b656570

/** `out`: libvirt sends bytes after the answer; `in`: we do; `both`: a console. */
export type StreamKind = 'none' | 'out' | 'in' | 'both'

export interface Procedure<F extends Fields = Fields, R = unknown, S extends StreamKind = StreamKind> {
  program: number
  number: number
  arguments: F
  result: Codec<R>
  stream: S
}

type Row = <F extends Fields, R>(number: number, takes: F, answers: Codec<R>) => Procedure<F, R, 'none'>
const remote: Row = (number, takes, answers) => streaming('none', number, takes, answers)
const qemu: Row = (number, takes, answers) => ({ ...remote(number, takes, answers), program: qemuProgram })

function streaming<F extends Fields, R, S extends StreamKind>(
  stream: S,
  number: number,
  takes: F,
  answers: Codec<R>,
): Procedure<F, R, S> {
  return { program: remoteProgram, number, arguments: takes, result: answers, stream }
}

const flags = defaulted(uint, 0)
/** Without it libvirt only counts. */
const needResults = defaulted(int, 1)
const maxObjects = 16384

/** A list followed by its length once more. */
function counted<T>(codec: Codec<T>, max: number): Codec<T[]> {
  const items = list(codec, max)
  return {
    write(writer, values) {
      items.write(writer, values)
      writer.uint(values.length)
    },
    read(reader) {
      const values = items.read(reader)
      reader.uint()
      return values
    },
  }
}

const numbers = counted(struct({ name: text, value: uhyper }), 16)
const cookie = defaulted(opaque(4 * 1024 * 1024), new Uint8Array())

export const procedures = {
  authList: remote(66, {}, list(int, 20)),
  authPolkit: remote(70, {}, int),
  connectOpen: remote(1, { name: optional(text), flags }, nothing),
  connectClose: remote(2, {}, nothing),
  connectGetType: remote(3, {}, text),
  connectGetVersion: remote(4, {}, uhyper),
  connectGetLibVersion: remote(157, {}, uhyper),
  connectGetHostname: remote(59, {}, text),
  connectGetUri: remote(110, {}, text),
  connectGetCapabilities: remote(7, {}, text),
  connectGetDomainCapabilities: remote(
    342,
    { emulator: optional(text), arch: optional(text), machine: optional(text), virtType: optional(text), flags },
    text,
  ),
  connectSupportsFeature: remote(60, { feature: int }, flag),
  connectDomainEventCallbackRegisterAny: remote(316, { event: int, domain: optional(domain) }, int),
  connectDomainEventCallbackDeregisterAny: remote(317, { callback: int }, nothing),
  connectListAllDomains: remote(273, { needResults, flags }, counted(domain, maxObjects)),
  connectGetAllDomainStats: remote(
    344,
    { domains: defaulted(list(domain, maxObjects), []), stats: defaulted(uint, 0), flags },
    list(struct({ domain, params: typedParams(262144) }), maxObjects),
  ),
  connectListAllNetworks: remote(283, { needResults, flags }, counted(network, maxObjects)),
  connectListAllStoragePools: remote(281, { needResults, flags }, counted(storagePool, maxObjects)),

  /** `memoryKib` misses hot-added memory: use nodeGetMemoryStats. */
  nodeGetInfo: remote(6, {}, nodeInfo),
  /** The whole node (cell -1) has 4 numbers in KiB on Linux, a NUMA cell 2; libvirt refuses any other count. */
  nodeGetMemoryStats: remote(228, { count: defaulted(int, 4), cell: defaulted(int, -1), flags }, numbers),
  /** All CPUs (-1) have 4 numbers in ns on Linux. */
  nodeGetCpuStats: remote(227, { cpu: defaulted(int, -1), count: defaulted(int, 4), flags }, numbers),

  domainLookupByUuid: remote(24, { uuid }, domain),
  domainLookupByName: remote(23, { name: text }, domain),
  domainCreateXml: remote(10, { xml: text, flags }, domain),
  domainDefineXmlFlags: remote(350, { xml: text, flags }, domain),
  domainUndefineFlags: remote(231, { domain, flags }, nothing),
  domainCreateWithFlags: remote(196, { domain, flags }, domain),
  domainDestroyFlags: remote(234, { domain, flags }, nothing),
  domainShutdownFlags: remote(258, { domain, flags }, nothing),
  domainReboot: remote(27, { domain, flags }, nothing),
  domainReset: remote(245, { domain, flags }, nothing),
  domainSuspend: remote(34, { domain }, nothing),
  domainResume: remote(28, { domain }, nothing),
  domainGetInfo: remote(
    16,
    { domain },
    struct({ state: domainState, maxMemoryKib: uhyper, memoryKib: uhyper, vcpus: uint, cpuTimeNs: uhyper }),
  ),
  domainGetState: remote(212, { domain, flags }, struct({ state: domainState, reason: int })),
  domainGetXmlDesc: remote(14, { domain, flags }, text),
  domainAttachDeviceFlags: remote(160, { domain, xml: text, flags }, nothing),
  domainDetachDeviceFlags: remote(161, { domain, xml: text, flags }, nothing),
  domainDetachDeviceAlias: remote(392, { domain, alias: text, flags }, nothing),
  domainUpdateDeviceFlags: remote(174, { domain, xml: text, flags }, nothing),
  /** Answers the MIME type, then the picture (PNG or PPM, as QEMU can). */
  domainScreenshot: streaming('out', 211, { domain, screen: defaulted(uint, 0), flags }, optional(text)),
  domainOpenConsole: streaming('both', 201, { domain, device: optional(text), flags }, nothing),
  domainOpenChannel: streaming('both', 296, { domain, name: optional(text), flags }, nothing),
  domainInterfaceAddresses: remote(353, { domain, source: uint, flags }, list(domainInterface, 2048)),
  domainSetMetadata: remote(
    264,
    { domain, kind: int, metadata: optional(text), key: optional(text), uri: optional(text), flags },
    nothing,
  ),
  domainSetVcpusFlags: remote(199, { domain, vcpus: uint, flags }, nothing),
  domainBlockResize: remote(251, { domain, disk: text, size: uhyper, flags }, nothing),
  domainGetMetadata: remote(265, { domain, kind: int, uri: optional(text), flags }, text),
  domainSaveFlags: remote(232, { domain, to: text, xml: optional(text), flags }, nothing),
  domainRestoreFlags: remote(233, { from: text, xml: optional(text), flags }, nothing),
  domainSaveImageGetXmlDesc: remote(235, { from: text, flags }, text),
  domainSetTime: remote(338, { domain, seconds: hyper, nanoseconds: defaulted(uint, 0), flags }, nothing),
  /** Peer to peer this one call is the whole migration; it answers when the domain has moved. */
  domainMigratePerform3Params: remote(
    305,
    { domain, destinationUri: optional(text), params: typedParams(64), cookie, flags },
    opaque(4 * 1024 * 1024),
  ),
  domainGetJobStats: remote(
    298,
    { domain, flags },
    struct({
      kind: named(['none', 'bounded', 'unbounded', 'completed', 'failed', 'cancelled']),
      params: typedParams(64),
    }),
  ),
  domainAbortJob: remote(164, { domain }, nothing),
  /** The pause at the end of a migration that goes on. */
  domainMigrateSetMaxDowntime: remote(166, { domain, pauseMs: uhyper, flags }, nothing),
  domainMigrateSetMaxSpeed: remote(207, { domain, mibPerSecond: uhyper, flags }, nothing),
  domainMigrateStartPostCopy: remote(364, { domain, flags }, nothing),

  /** `timeoutSeconds`: -2 libvirt waits for ever, -1 its default (5 s), 0 not at all. The answer is QEMU guest agent JSON. */
  domainQemuAgentCommand: qemu(3, { domain, command: text, timeoutSeconds: int, flags }, optional(text)),
  domainQemuMonitorCommand: qemu(1, { domain, command: text, flags }, text),

  /** No events: whoever wants to know looks. */
  connectListAllNodeDevices: remote(285, { needResults, flags }, counted(struct({ name: text }), maxObjects)),
  nodeDeviceGetXmlDesc: remote(114, { name: text, flags }, text),

  networkLookupByName: remote(46, { name: text }, network),
  networkDefineXml: remote(41, { xml: text }, network),
  networkCreateXml: remote(40, { xml: text }, network),
  networkCreate: remote(39, { network }, nothing),
  networkDestroy: remote(42, { network }, nothing),
  networkUndefine: remote(49, { network }, nothing),
  networkGetXmlDesc: remote(43, { network, flags }, text),
  networkSetAutostart: remote(48, { network, autostart: flag }, nothing),
  networkIsActive: remote(152, { network }, flag),
  networkUpdate: remote(291, { network, command: uint, section: uint, parentIndex: int, xml: text, flags }, nothing),
  networkGetDhcpLeases: remote(341, { network, mac: optional(text), needResults, flags }, counted(dhcpLease, 65536)),

  storagePoolLookupByName: remote(84, { name: text }, storagePool),
  storagePoolLookupByTargetPath: remote(391, { path: text }, storagePool),
  storagePoolDefineXml: remote(77, { xml: text, flags }, storagePool),
  storagePoolCreateXml: remote(76, { xml: text, flags }, storagePool),
  storagePoolBuild: remote(79, { pool: storagePool, flags }, nothing),
  storagePoolCreate: remote(78, { pool: storagePool, flags }, nothing),
  storagePoolRefresh: remote(83, { pool: storagePool, flags }, nothing),
  storagePoolSetAutostart: remote(90, { pool: storagePool, autostart: flag }, nothing),
  storagePoolDestroy: remote(80, { pool: storagePool }, nothing),
  storagePoolUndefine: remote(82, { pool: storagePool }, nothing),
  storagePoolIsActive: remote(154, { pool: storagePool }, flag),
  storagePoolGetXmlDesc: remote(88, { pool: storagePool, flags }, text),
  storagePoolGetInfo: remote(
    87,
    { pool: storagePool },
    struct({ state: storagePoolState, capacityBytes: uhyper, allocationBytes: uhyper, availableBytes: uhyper }),
  ),
  storagePoolListAllVolumes: remote(282, { pool: storagePool, needResults, flags }, counted(storageVolume, maxObjects)),

  storageVolCreateXml: remote(93, { pool: storagePool, xml: text, flags }, storageVolume),
  storageVolLookupByName: remote(95, { pool: storagePool, name: text }, storageVolume),
  storageVolLookupByKey: remote(96, { key: text }, storageVolume),
  storageVolLookupByPath: remote(97, { path: text }, storageVolume),
  storageVolDelete: remote(94, { volume: storageVolume, flags }, nothing),
  /** `lengthBytes` 0: as much as the stream brings. */
  storageVolUpload: streaming(
    'in',
    208,
    { volume: storageVolume, offsetBytes: defaulted(uhyper, 0n), lengthBytes: defaulted(uhyper, 0n), flags },
    nothing,
  ),
  storageVolDownload: streaming(
    'out',
    209,
    { volume: storageVolume, offsetBytes: defaulted(uhyper, 0n), lengthBytes: defaulted(uhyper, 0n), flags },
    nothing,
  ),
  storageVolGetInfo: remote(
    98,
    { volume: storageVolume },
    struct({
      kind: named(['file', 'block', 'dir', 'network', 'netdir', 'ploop']),
      capacityBytes: uhyper,
      allocationBytes: uhyper,
    }),
  ),
  storageVolGetPath: remote(100, { volume: storageVolume }, text),
  storageVolGetXmlDesc: remote(99, { volume: storageVolume, flags }, text),
  storageVolResize: remote(260, { volume: storageVolume, capacityBytes: uhyper, flags }, nothing),

  secretDefineXml: remote(142, { xml: text, flags }, secret),
  secretSetValue: remote(144, { secret, value: opaque(65536), flags }, nothing),
  secretUndefine: remote(146, { secret }, nothing),
} satisfies Record<string, Procedure>

export type ProcedureName = keyof typeof procedures
