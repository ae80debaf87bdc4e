import { type ErrorCode, HdcsError } from '../../lib/errors.ts'
import type { ValueOf } from './codec.ts'
import type { remoteError } from './objects.ts'

/** libvirt's codes that somebody acts upon (virterror.h). Everything else is told apart by its HdcsError code alone. */
export const libvirtCodes = {
  internal: 1,
  noSupport: 3,
  operationFailed: 9,
  domainExists: 28,
  networkExists: 37,
  system: 38,
  rpc: 39,
  noDomain: 42,
  noNetwork: 43,
  noStoragePool: 49,
  noNodeDevice: 53,
  noStorageVolume: 50,
  operationInvalid: 55,
  noSecret: 66,
  configUnsupported: 67,
  operationTimeout: 68,
  argumentUnsupported: 74,
  poolBuilt: 76,
  operationAborted: 78,
  noMetadata: 80,
  migrateUnsafe: 81,
  agentUnresponsive: 86,
  resourceBusy: 87,
  accessDenied: 88,
  volumeExists: 90,
  agentUnsynced: 97,
  deviceMissing: 99,
} as const
export type LibvirtCodeName = keyof typeof libvirtCodes

/** What libvirtd said, as it said it. Private: stands as `cause` of the HdcsError that callers see. */
export class LibvirtError extends Error {
  /** VIR_ERR_* */
  readonly code: number
  /** VIR_FROM_*: the part of libvirt that refused. */
  readonly domain: number
  /** 1 warning, 2 error. */
  readonly level: number

  constructor(error: Pick<ValueOf<typeof remoteError>, 'code' | 'domain' | 'level' | 'message'>) {
    super(error.message ?? `libvirt error ${error.code}`)
    this.name = 'LibvirtError'
    this.code = error.code
    this.domain = error.domain
    this.level = error.level
  }
}

const meanings: Partial<Record<number, ErrorCode>> = {
  [libvirtCodes.noSupport]: 'unsupported',
  [libvirtCodes.domainExists]: 'conflict',
  [libvirtCodes.networkExists]: 'conflict',
  [libvirtCodes.noDomain]: 'not_found',
  [libvirtCodes.noNetwork]: 'not_found',
  [libvirtCodes.noStoragePool]: 'not_found',
  [libvirtCodes.noStorageVolume]: 'not_found',
  [libvirtCodes.noNodeDevice]: 'not_found',
  [libvirtCodes.noSecret]: 'not_found',
  [libvirtCodes.operationInvalid]: 'conflict',
  [libvirtCodes.configUnsupported]: 'unsupported',
  [libvirtCodes.operationTimeout]: 'timeout',
  [libvirtCodes.argumentUnsupported]: 'unsupported',
  [libvirtCodes.poolBuilt]: 'conflict',
  [libvirtCodes.operationAborted]: 'cancelled',
  [libvirtCodes.noMetadata]: 'not_found',
  [libvirtCodes.migrateUnsafe]: 'conflict',
  [libvirtCodes.agentUnresponsive]: 'timeout',
  [libvirtCodes.resourceBusy]: 'conflict',
  [libvirtCodes.accessDenied]: 'forbidden',
  [libvirtCodes.volumeExists]: 'conflict',
  [libvirtCodes.agentUnsynced]: 'timeout',
  [libvirtCodes.deviceMissing]: 'not_found',
  /** malformed XML, XML that libvirt does not accept, a wrong argument, a wrong MAC address */
  27: 'invalid',
  8: 'invalid',
  35: 'invalid',
  44: 'invalid',
  92: 'invalid',
  /** authentication failed, cancelled, unavailable; forbidden on a read-only connection */
  29: 'forbidden',
  45: 'forbidden',
  79: 'forbidden',
  94: 'forbidden',
}

/** libvirt's text is for administrators, who are the ones that see what a host says. */
export function fromLibvirt(error: ValueOf<typeof remoteError>): HdcsError {
  const cause = new LibvirtError(error)
  return new HdcsError(meanings[error.code] ?? 'internal', `libvirt: ${cause.message}`, { cause })
}

/** True when `thrown` is libvirt's answer with that code: `isLibvirt(error, 'noDomain')`. */
export function isLibvirt(thrown: unknown, ...names: LibvirtCodeName[]): boolean {
  const cause = thrown instanceof HdcsError ? thrown.cause : thrown
  return cause instanceof LibvirtError && names.some(name => libvirtCodes[name] === cause.code)
}
