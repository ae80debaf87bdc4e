/**
 * Several libvirt hosts on one machine, as plain processes: each has its own file system view, network, process numbers,
 * host name and control groups, its own libvirtd, virtlockd, virtlogd and certificates. Hosts of one cluster share one
 * storage folder; every host calls its storage by the same path. All hosts share this machine's CPUs, memory and clock.
 *
 * Needs root, and neither systemd nor KVM. What belongs to a lab is found by its folder, also after a crash.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { connectDaemon, type LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { groupsRemove } from './cgroups.ts'
import {
  clusterStorage,
  hostKill,
  hostPid,
  hostPrepare,
  hostStart,
  type LabHost,
  type LabPlace,
  storageInside,
} from './lab-host.ts'
import { bridgeDown, bridgeUp, cableSet, gatewayOf, labName, networkFree } from './network.ts'
import { authorityEnsure, certificateRemove } from './pki.ts'

const run = promisify(execFile)

export interface LabHostAsked {
  name: string
  cluster: string
  /**
   * Its storage is a file system of so many bytes, mounted in its own world, so that nothing of it outlives the host: for
   * one that is alone in its cluster. From outside its storage folder is empty.
   */
  storageBytes?: number
}

export interface LabOptions {
  /** Everything of it lies here; absolute. */
  folder: string
  hosts: LabHostAsked[]
  /** Goes on when this process ends; ended by `labOpen(folder).down()`. */
  outlives?: boolean
  /** Removes the folder when it ends. */
  fresh?: boolean
  /**
   * `lab`: of an authority of the lab's own. `agent`: these serve only for libvirtd's first start and are taken away then,
   * so that the agent finds no stranger's and brings the control plane's.
   */
  certificates?: 'lab' | 'agent'
  /** Where agents keep packages and built templates between labs. */
  cache?: string
}

export interface Lab extends AsyncDisposable {
  readonly folder: string
  readonly hosts: readonly LabHost[]
  /** This machine's address on the lab's network: where hosts reach the control plane. */
  readonly gateway: string
  /** What every host calls its storage. */
  readonly storage: string
  host(name: string): LabHost
  /** A cluster's storage folder, seen from outside. */
  storageOf(cluster: string): string
  /** Resolves when its libvirt answers. */
  start(name: string): Promise<void>
  /** Power cut. */
  kill(name: string): Promise<void>
  /** Pulls its network cable; it runs on. */
  cut(name: string): Promise<void>
  heal(name: string): Promise<void>
  runs(name: string): boolean
  /** A program in the host's world, waited for. Rejects when it fails. */
  exec(name: string, command: string[], timeoutMs?: number): Promise<{ stdout: string; stderr: string }>
  /** The same, for programs that run on or want the terminal. */
  spawn(name: string, command: string[], options?: { env?: Record<string, string>; quiet?: boolean }): ChildProcess
  /** What the host keeps running, as an init would: started now, at each start of the host, and whenever it ends. Null: nothing. */
  unit(name: string, unit: { command: string[]; env: Record<string, string> } | null): Promise<void>
  /** Its libvirt, reached around its network. */
  daemon(name: string): Promise<LibvirtDaemon>
  /** Ends every host at once and takes the network down. Files stay, unless the lab is `fresh`. */
  down(): Promise<void>
}

/** Starts a lab; what an earlier one left running in this folder is ended first. */
export async function labUp(options: LabOptions): Promise<Lab> {
  const { folder, outlives = false, fresh = false } = options
  if (process.getuid?.() !== 0) throw new Error('A lab needs root: it makes network cards, mounts and name spaces.')
  if (!isAbsolute(folder)) throw new Error(`A lab's folder must be absolute, ${folder} is not.`)
  await refuseChroot()
  await sweep(folder, fresh)
  const place = { folder, prefix: networkFree(folder) }
  const hosts = options.hosts.map(({ name, cluster, storageBytes = null }, index) => {
    if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) throw new Error(`“${name}” is no name for a host of the lab: h1 is.`)
    const number = index + 1
    const home = join(folder, name)
    const address = `${place.prefix}.${number}`
    return { name, cluster, number, address, home, data: join(home, 'data'), storageBytes }
  })
  await mkdir(storageInside(place), { recursive: true })
  chmodSync(folder, 0o711)
  await authorityEnsure(join(folder, 'authority'))
  const certified: LabHost[] = []
  for (const host of hosts) if (await hostPrepare(place, hosts, host)) certified.push(host)
  if (options.cache) await mkdir(options.cache, { recursive: true })
  for (const { data } of hosts) {
    const kept = join(data, 'host', 'cache')
    if (options.cache && !existsSync(kept)) await symlink(options.cache, kept)
  }
  await writeFile(join(folder, 'lab.json'), JSON.stringify({ prefix: place.prefix, hosts }))
  const lab = makeLab(place, hosts, { outlives, fresh })
  try {
    await bridgeUp(labName(folder), place.prefix)
    await Promise.all(hosts.map(host => hostStart(place, host, outlives)))
    if (options.certificates === 'agent') for (const { home } of certified) await certificateRemove(join(home, 'pki'))
  } catch (error) {
    await lab.down()
    throw error
  }
  return lab
}

/** The lab that was started in this folder. @throws when there is none. */
export function labOpen(folder: string): Lab {
  const file = join(folder, 'lab.json')
  if (!existsSync(file)) throw new Error(`There is no lab in ${folder}: start one with up.`)
  const { prefix, hosts } = JSON.parse(readFileSync(file, 'utf8')) as { prefix: string; hosts: LabHost[] }
  // Whoever opens a lab ends before it: `npm run lab -- start h2`.
  return makeLab({ folder, prefix }, hosts, { outlives: true, fresh: false })
}

/** Ends what runs of an earlier lab in this folder, and with `fresh` forgets it. */
async function sweep(folder: string, fresh: boolean): Promise<void> {
  if (existsSync(join(folder, 'lab.json'))) await labOpen(folder).down()
  else await bridgeDown(labName(folder))
  if (fresh) rmSync(folder, { recursive: true, force: true })
}

/** libvirt's helpers leave a chroot on their way into QEMU's world, and then rewrite the real /dev. */
async function refuseChroot(): Promise<void> {
  // Whoever enters a mount name space, even the one it is in, stands at the real root.
  const { stdout } = await run('nsenter', ['-t', `${process.pid}`, '-m', 'stat', '-c', '%d:%i', '/'])
  const { dev, ino } = statSync('/')
  if (stdout.trim() !== `${dev}:${ino}`)
    throw new Error('A lab does not run in a chroot: libvirt would change the devices of the machine outside.')
}

function makeLab(place: LabPlace, hosts: LabHost[], options: { outlives: boolean; fresh: boolean }): Lab {
  const name = labName(place.folder)
  const hostOf = (wanted: string): LabHost => {
    const host = hosts.find(candidate => candidate.name === wanted)
    if (!host) throw new Error(`The lab has no host “${wanted}”; it has ${hosts.map(one => one.name).join(', ')}.`)
    return host
  }
  const pidOf = (wanted: string): number => {
    const pid = hostPid(hostOf(wanted))
    if (pid === undefined) throw new Error(`${wanted} does not run: start it first.`)
    return pid
  }
  const inside = (wanted: string, command: string[]) => [
    '-t',
    `${pidOf(wanted)}`,
    '-m',
    '-u',
    '-i',
    '-n',
    '-p',
    '--',
    ...command,
  ]
  const lab: Lab = {
    folder: place.folder,
    hosts,
    gateway: gatewayOf(place.prefix),
    storage: storageInside(place),
    host: hostOf,
    storageOf: cluster => clusterStorage(place, cluster),
    async start(wanted) {
      if (!lab.runs(wanted)) await hostStart(place, hostOf(wanted), options.outlives)
    },
    kill: wanted => hostKill(place, hostOf(wanted)),
    async cut(wanted) {
      pidOf(wanted) // Its cable went with it.
      await cableSet(name, hostOf(wanted).number, 'down')
    },
    async heal(wanted) {
      pidOf(wanted)
      await cableSet(name, hostOf(wanted).number, 'up')
    },
    runs: wanted => hostPid(hostOf(wanted)) !== undefined,
    exec: (wanted, command, timeoutMs = 60_000) =>
      run('nsenter', inside(wanted, command), { timeout: timeoutMs, maxBuffer: 64 * 2 ** 20 }),
    spawn: (wanted, command, { env = {}, quiet = false } = {}) =>
      spawn('nsenter', inside(wanted, command), {
        stdio: quiet ? 'ignore' : 'inherit',
        env: { ...process.env, ...env },
      }),
    async unit(wanted, unit) {
      const { home } = hostOf(wanted)
      const file = join(home, 'unit')
      await rm(file, { force: true })
      if (unit) {
        // Moved into place: process 1 of the host must not run half of it. It holds a join token: for root alone.
        writeFileSync(`${file}.part`, unitText(home, unit), { mode: 0o700 })
        await run('mv', [`${file}.part`, file])
      }
    },
    daemon: wanted => connectDaemon({ folder: join(hostOf(wanted).home, 'run', 'libvirt') }),
    async down() {
      await Promise.all(hosts.map(host => hostKill(place, host)))
      groupsRemove(name)
      await bridgeDown(name)
      if (options.fresh) await rm(place.folder, { recursive: true, force: true })
    },
    [Symbol.asyncDispose]: () => lab.down(),
  }
  return lab
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

function unitText(home: string, unit: { command: string[]; env: Record<string, string> }): string {
  const settings = Object.entries(unit.env).map(([key, value]) => `export ${key}=${quoted(value)}`)
  return [
    '#!/bin/sh',
    ...settings,
    `echo $$ >${quoted(`${home}/unit.pid`)}`,
    `exec ${unit.command.map(quoted).join(' ')}`,
    '',
  ].join('\n')
}
