/** One host of the lab: its files, its start and its power cut. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connectDaemon } from '../../vmm/libvirt/daemon.ts'
import { diskMake } from '../support/loop-disk.ts'
import { controllers, groupsRemove } from './cgroups.ts'
import { cablePlug, gatewayOf, labName } from './network.ts'
import { certificateEnsure } from './pki.ts'

const init = fileURLToPath(new URL('host-init.sh', import.meta.url))

/** libvirt probes QEMU at a host's first start; on a busy machine that takes a while. */
const startMs = 120_000
/** A host's processes end with its first one; QEMU gives its memory back in well under a second. */
const endMs = 20_000

export interface LabPlace {
  folder: string
  /** First three bytes of the lab's network. */
  prefix: string
}

export interface LabHost {
  name: string
  cluster: string
  /** Its place in the lab, from 1: the last byte of its address. */
  number: number
  address: string
  /** Its own files, seen from outside. */
  home: string
  /** For an agent's identity and caches; the same path inside and outside. */
  data: string
  /** Of a storage of its own; null: a folder of this machine. */
  storageBytes: number | null
}

export const clusterStorage = (place: LabPlace, cluster: string) => join(place.folder, 'clusters', cluster)
/** What hosts call their storage, whatever their cluster. */
export const storageInside = (place: LabPlace) => join(place.folder, 'storage')
const group = (place: LabPlace, host: LabHost) => `${labName(place.folder)}/${host.name}`

/**
 * Writes what a host needs to start. Definitions, identity, certificates and logs of an earlier life stay.
 * @returns whether its certificate is a new one.
 */
export async function hostPrepare(place: LabPlace, hosts: LabHost[], host: LabHost): Promise<boolean> {
  const { home } = host
  const folders = [
    'run',
    'lib/qemu',
    'lib/images',
    'lib/dnsmasq',
    'lib/boot',
    'cache',
    'log/qemu',
    'dev',
    'pki',
    'data/host',
  ]
  for (const folder of [...folders, 'etc/qemu/networks', 'etc/nwfilter'])
    await mkdir(join(home, folder), { recursive: true })
  const shared = clusterStorage(place, host.cluster)
  await mkdir(join(shared, 'lockspace'), { recursive: true })
  await rm(join(home, 'storage'), { force: true })
  await symlink(shared, join(home, 'storage'))
  const disk = join(home, 'storage.img')
  if (host.storageBytes !== null && !existsSync(disk)) diskMake(disk, 'ext4', host.storageBytes)
  const certified = await certificateEnsure(join(place.folder, 'authority'), host, join(home, 'pki'))
  const names = hosts.map(({ address, name }) => `${address} ${name}`)
  const files = {
    hosts: ['127.0.0.1 localhost', `${gatewayOf(place.prefix)} control`, ...names],
    address: [`${host.address}/24 ${gatewayOf(place.prefix)}`],
    'etc/libvirtd.conf': libvirtdConf(place, host),
    'etc/qemu.conf': qemuConf(host),
    'etc/qemu-lockd.conf': lockdConf(place),
    'etc/virtlogd.conf': [],
    'etc/virtlockd.conf': [],
  } satisfies Record<string, string[]>
  for (const [file, lines] of Object.entries(files))
    await writeFile(join(home, file), lines.map(line => `${line}\n`).join(''))
  return certified
}

/** All hosts share this machine's hardware id, and libvirt moves no guest to "the same host". */
function uuidOf(place: LabPlace, { name }: LabHost): string {
  const hex = createHash('sha256').update(`${place.folder} ${name}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const libvirtdConf = (place: LabPlace, host: LabHost) => [
  'listen_tls = 1',
  'listen_tcp = 0',
  `listen_addr = "${host.address}"`,
  'auth_unix_rw = "none"',
  'auth_unix_ro = "none"',
  `host_uuid = "${uuidOf(place, host)}"`,
  'max_client_requests = 64',
  // A guest that is coming ends with a peer that is silent for interval × (count + 1), before that host is called lost.
  'keepalive_interval = 4',
  'keepalive_count = 2',
]

const qemuConf = ({ address }: LabHost) => [
  'user = "root"',
  'group = "root"',
  'security_driver = "none"',
  'remember_owner = 0',
  'stdio_handler = "logd"',
  'lock_manager = "lockd"',
  'default_tls_x509_cert_dir = "/etc/pki/qemu"',
  `migration_address = "${address}"`,
  `migration_host = "${address}"`,
  ...(controllers().length > 0 ? [] : ['cgroup_controllers = []']),
]

const lockdConf = (place: LabPlace) => [
  'auto_disk_leases = 1',
  'require_lease_for_disks = 1',
  `file_lockspace_dir = "${storageInside(place)}/lockspace"`,
]

/** Resolves when libvirt answers. @param outlives goes on when this process ends, however it ends. */
export async function hostStart(place: LabPlace, host: LabHost, outlives: boolean): Promise<void> {
  const { home } = host
  // A real host's /run is empty after a start.
  await rm(join(home, 'run'), { recursive: true, force: true })
  await mkdir(join(home, 'run'))
  const leash = outlives ? [] : ['setpriv', '--pdeathsig', 'KILL']
  const [program = '', ...args] = [...leash, 'bash', init, 'launch', home, group(place, host), ...controllers()]
  const log = openSync(join(home, 'init.log'), 'a')
  // A session of its own: Ctrl-C is not for hosts.
  const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true })
  child.unref()
  const failed = new Promise<never>((_, reject) =>
    child.once('exit', () =>
      reject(new Error(`The lab's host ${host.name} ended while it started: see ${home}/init.log`)),
    ),
  )
  failed.catch(() => {
    // Told to whoever waits below; later ends are power cuts.
  })
  const pid = await Promise.race([failed, seen(`${host.name} boots`, () => hostPid(host), startMs)])
  await cablePlug(labName(place.folder), host.number, pid)
  const awake = () => libvirtAwake(host)
  await Promise.race([failed, seen(`libvirt answers on ${host.name} (${home}/init.log)`, awake, startMs)])
}

/** Whether its QEMU driver serves: the socket is there well before. */
async function libvirtAwake({ home }: LabHost): Promise<boolean> {
  const folder = join(home, 'run', 'libvirt')
  if (!existsSync(join(folder, 'libvirt-sock'))) return false
  try {
    await using daemon = await connectDaemon({ folder })
    return (await daemon.actions.connectGetVersion({})) > 0n
  } catch {
    return false // not yet: asked again, up to a deadline
  }
}

/** Its process 1 as seen from outside; undefined when it does not run. */
export function hostPid({ home }: LabHost): number | undefined {
  const file = join(home, 'init.pid')
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : Number.NaN
  // The number may be another process's by now.
  return pid > 0 && commandOf(pid).includes(`${home}\0`) ? pid : undefined
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it ended
  }
}

/** Pulls the plug: everything on it ends at once, and nothing is told to anybody. */
export async function hostKill(place: LabPlace, host: LabHost): Promise<void> {
  const pid = hostPid(host)
  if (pid !== undefined) {
    process.kill(pid, 'SIGKILL')
    // With process 1 gone from the list, all others of its world are.
    await seen(`${host.name} ends`, () => !existsSync(`/proc/${pid}`) || commandOf(pid) === '', endMs)
  }
  await rm(join(host.home, 'init.pid'), { force: true })
  // The kernel lets a group go a moment after its last process.
  await seen(`the control groups of ${host.name} go`, () => groupsRemove(group(place, host)), endMs)
}

export async function seen<T>(what: string, look: () => T | Promise<T>, timeoutMs: number) {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found) return found as NonNullable<T>
    if (Date.now() > deadline) throw new Error(`It did not come about in the lab: ${what}`)
    await pause(10)
  }
}
