import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import { HdcsError } from './errors.ts'

/** Settings of every process, from the environment. README holds the same table for people. */
export interface Config {
  dataFolder: string
  /** Images and desktops of this host: on shared storage the same path on every host of a cluster. Null: in the data folder. */
  storageFolder: string | null
  /** Folders of this host below which storage pools may be; null: the usual ones. */
  storagePlaces: string[] | null
  /** Where gateways and other hosts reach this host; null: whence it speaks to the control plane. */
  hostAddress: string | null
  /** Whether the machine that runs everything in one process carries desktops itself. */
  localHost: boolean
  listen: { host: string; port: number }
  /** The first administrator's password; null: generated and shown once. */
  adminPassword: string | null
  /** An outside PostgreSQL (18 or newer); null: the bundled one in the data folder. */
  databaseUrl: string | null
  /** So many simulated hosts instead of libvirt; 0: this machine's libvirt. */
  simHosts: number
  /** Where libvirt and QEMU look for certificates; null: none are put anywhere. */
  pkiFolder: string | null
  /** How other hosts of the cluster send us running desktops (libvirt's URI); null: where libvirt listens with TLS. */
  migrationUri: string | null
  /** A busy desktop may go on at its new host before all of its memory came: a broken line then ends it. */
  postCopy: boolean
  /** Where this host serves its images to other hosts; 0: nowhere. */
  transferPort: number
  /** False: desktops start without the rules that keep them from each other and from the host. */
  firewall: boolean
  logLevel: string
  /** Seals tickets: 32 bytes as 64 hex digits, the same on every control plane and gateway; null: made and kept in the data folder. */
  ticketKey: Uint8Array | null
  /** Where gateways are reached when they run elsewhere; null: here. */
  gatewayUrl: string | null
  /** How browsers reach us when a proxy stands before us; null: as each request says. */
  publicUrl: string | null
  /** A proxy of ours sets `X-Forwarded-*`: without this all people share one address for rate limits. */
  trustProxy: boolean
  tls: { certFile: string; keyFile: string } | null
}

/** Shorter ones are guessed offline in hours; a required mixture of signs makes people write them down. */
export const passwordLeast = 8

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** @throws HdcsError `invalid`: names the variable, what it holds and what it should hold. */
export function readConfig(env: Record<string, string | undefined>, root: boolean): Config {
  const dataFolder = env.HDCS_DATA_DIR || (root ? '/var/lib/hdcs' : `${env.HOME ?? ''}/.local/share/hdcs`)
  if (!isAbsolute(dataFolder)) throw wrong('HDCS_DATA_DIR', dataFolder, 'an absolute path')
  const logLevel = env.HDCS_LOG_LEVEL || 'warn'
  if (!levels.includes(logLevel)) throw wrong('HDCS_LOG_LEVEL', logLevel, `one of ${levels.join(', ')}`)
  return {
    dataFolder,
    storageFolder: readFolder('HDCS_STORAGE_DIR', env.HDCS_STORAGE_DIR, null),
    storagePlaces: readFolders('HDCS_STORAGE_PLACES', env.HDCS_STORAGE_PLACES),
    hostAddress: readAddress(env.HDCS_HOST_ADDRESS),
    localHost: env.HDCS_LOCAL_HOST !== '0',
    listen: readListen(env.HDCS_LISTEN || '127.0.0.1:8080'),
    adminPassword: readPassword(env.HDCS_ADMIN_PASSWORD),
    databaseUrl: readUrl('HDCS_DATABASE_URL', env.HDCS_DATABASE_URL, ['postgres:', 'postgresql:']),
    simHosts: readCount('HDCS_SIM_HOSTS', env.HDCS_SIM_HOSTS || '0'),
    pkiFolder: readFolder('HDCS_PKI_DIR', env.HDCS_PKI_DIR, root ? '/etc/pki' : null),
    firewall: readSwitch('HDCS_FIREWALL', env.HDCS_FIREWALL || 'on'),
    migrationUri: readUrl('HDCS_MIGRATION_URI', env.HDCS_MIGRATION_URI, ['qemu+tls:', 'qemu+ssh:', 'qemu+tcp:']),
    postCopy: readSwitch('HDCS_POST_COPY', env.HDCS_POST_COPY || 'off'),
    transferPort: readPort('HDCS_TRANSFER_PORT', env.HDCS_TRANSFER_PORT || '16516'),
    logLevel,
    ticketKey: env.HDCS_TICKET_KEY ? readKey(env.HDCS_TICKET_KEY) : null,
    gatewayUrl: readUrl('HDCS_GATEWAY_URL', env.HDCS_GATEWAY_URL, ['http:', 'https:']),
    publicUrl: readUrl('HDCS_PUBLIC_URL', env.HDCS_PUBLIC_URL, ['http:', 'https:']),
    trustProxy: env.HDCS_TRUST_PROXY === '1',
    tls: readTls(env.HDCS_TLS_CERT, env.HDCS_TLS_KEY),
  }
}

const wrong = (name: string, value: string, wanted: string) =>
  new HdcsError('invalid', `${name} is “${value}”; it should be ${wanted}.`)

function readListen(text: string) {
  const { host, port } = /^(?<host>\[[0-9a-f:]+\]|[^:\s]+):(?<port>\d{1,5})$/i.exec(text)?.groups ?? {}
  if (!host || Number(port) > 65535) throw wrong('HDCS_LISTEN', text, 'host:port, for example 0.0.0.0:8080')
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function readAddress(text: string | undefined): string | null {
  if (text && (isIP(text) === 0 || /^(0\.0\.0\.0|::)$/.test(text)))
    throw wrong('HDCS_HOST_ADDRESS', text, 'an address of this host, for example 192.0.2.10')
  return text || null
}

function readFolder(name: string, text: string | undefined, usual: string | null): string | null {
  if (text && !isAbsolute(text)) throw wrong(name, text, 'an absolute path')
  return text || usual
}

function readFolders(name: string, text: string | undefined): string[] | null {
  if (!text) return null
  const folders = text.split(':').map(folder => folder.replace(/(?<=.)\/$/, ''))
  if (!folders.every(folder => isAbsolute(folder) && folder !== '/'))
    throw wrong(name, text, 'absolute paths with “:” between them')
  return folders
}

function readUrl(name: string, text: string | undefined, protocols: string[]): string | null {
  if (!text) return null
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol))
    throw wrong(name, text.replace(/\/\/.*@/, '//…@'), `an address beginning with ${protocols[0]}//`)
  return text.replace(/\/$/, '')
}

function readSwitch(name: string, text: string): boolean {
  if (text !== 'on' && text !== 'off') throw wrong(name, text, 'on or off')
  return text === 'on'
}

function readCount(name: string, text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw wrong(name, text, 'a number from 0 to 9999')
  return Number(text)
}

function readPort(name: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) throw wrong(name, text, 'a port, or 0 for none')
  return Number(text)
}

function readKey(text: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw new HdcsError('invalid', 'HDCS_TICKET_KEY should be 64 hex digits: openssl rand -hex 32')
  return Buffer.from(text, 'hex')
}

/** What it holds is not repeated: the message ends in a log. */
function readPassword(text: string | undefined): string | null {
  if (text && text.length < passwordLeast)
    throw new HdcsError('invalid', `HDCS_ADMIN_PASSWORD should have ${passwordLeast} characters at least.`)
  return text || null
}

function readTls(certFile: string | undefined, keyFile: string | undefined) {
  if (!certFile && !keyFile) return null
  if (!certFile || !keyFile)
    throw new HdcsError('invalid', 'HDCS_TLS_CERT and HDCS_TLS_KEY belong together: set both or none.')
  return { certFile, keyFile }
}
