/** A host's agent: dials the control plane and does what it wishes. Reaches no database. */
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { pause } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'
import { lockFolder } from '../lib/folder-lock.ts'
import type { Log } from '../lib/log.ts'
import { ownNetworks } from '../lib/routes.ts'
import { startAgent } from '../vmm/agent.ts'
import { consoleDialler } from '../vmm/agent-console.ts'
import { agentSocket } from '../vmm/agent-socket.ts'
import { keepCertificate, libvirtReadCertificates } from '../vmm/certificates.ts'
import { controlRequests, type Joined, joinControl } from '../vmm/control-requests.ts'
import { httpDiskExchange } from '../vmm/disk-exchange.ts'
import { foldersOf } from '../vmm/folders.ts'
import type { Host } from '../vmm/host.ts'
import { copyFetcher } from '../vmm/image-fetch.ts'
import { startImageServer } from '../vmm/image-server.ts'
import { connectDaemon } from '../vmm/libvirt/daemon.ts'
import { readHypervisor } from '../vmm/libvirt-facts.ts'
import { openLibvirtHost } from '../vmm/libvirt-host.ts'
import { openSimStorage } from '../vmm/sim-file.ts'
import { simStrangers } from '../vmm/sim-foreign.ts'
import { makeSimHost } from '../vmm/sim-host.ts'
import { runProcess } from './process.ts'

export interface RunAgentOptions {
  /** `http(s)://…` of the control plane. */
  controlUrl: string
  /** The host's own key, from joining. */
  key: string
  installationId: string
  hostName: string
  /** Holds images and overlays; QEMU's user must be able to enter it. Shared by the hosts of a cluster, or this host's own. */
  folder: string
  /** Below which its storage pools may be; null: the usual places. */
  storagePlaces: readonly string[] | null
  /** This host's own: the build cache, and which storage it works on. */
  ownFolder: string
  /** Where gateways and other hosts reach this one: SPICE listens there. */
  address: string
  /** Where libvirt and QEMU look for certificates; null: none are put there. */
  pkiFolder: string | null
  /** False: desktops start unprotected. */
  firewall: boolean
  /** How other hosts send it running desktops; null: where libvirt listens with TLS. */
  migrationUri: string | null
  postCopy: boolean
  /** Where other hosts fetch its images, once it has a certificate; 0: nowhere. */
  transferPort: number
  /** A host in memory instead of libvirt, whose images and disks are in this file; null: libvirt. */
  simulationFile: string | null
  log: Log
}

/** Sooner: a log of one line, again and again; later: old copies run on. */
const leaveAgainMs = 5_000

export interface RunningAgent extends AsyncDisposable {
  /** The host was removed from its control plane, and of what ran here for it nothing runs any more. */
  left: Promise<void>
}

/**
 * Serves one host until disposed, which leaves machines as they are, or until the host is removed from its control plane.
 * @throws HdcsError `unreachable` (libvirt), `invalid` or `conflict` (the folder, the file). A control plane that is away is dialled again.
 */
export async function runAgent(options: RunAgentOptions): Promise<RunningAgent> {
  const { installationId, key, simulationFile, log } = options
  await using undo = new AsyncDisposableStack()
  const { pkiFolder } = options
  // Nobody else reaches a loopback address, and no host a simulated one.
  const identity = pkiFolder && !simulationFile && !isLoopback(options.address) ? { ...options, pkiFolder } : null
  const opened = undo.use(simulationFile ? await simulated(simulationFile) : await openLibvirtHost(libvirtOptions()))
  if (identity) undo.use(await startCertificate(identity))
  const images = identity && options.transferPort > 0 ? undo.use(await serveImages(identity)) : null
  const host: Host = {
    ...opened,
    facts: async () => ({ ...(await opened.facts()), transferUrl: images?.url() ?? null }),
  }
  const url = `${options.controlUrl.replace(/^http/, 'ws')}/api/v1/agent`
  const [left, ending] = [Promise.withResolvers<void>(), new AbortController()]
  let leaving: Promise<void> | undefined
  const removed = (from: string) => {
    if (from === installationId) leaving ??= starting.then(leave)
  }
  const starting = startAgent({
    host,
    connect: agentSocket({ url, key, log, removed }),
    dialConsole: consoleDialler(options.controlUrl),
    log,
  })
  undo.use(await starting)
  undo.defer(async () => {
    ending.abort()
    await leaving
  })
  const facts = await host.facts()
  log.info({ installationId, facts }, 'agent runs')
  if (facts.acceleratorReason && !facts.simulated) log.warn(facts.acceleratorReason)
  const running = undo.move()
  return { left: left.promise, [Symbol.asyncDispose]: () => running.disposeAsync() }

  /** After it was removed by force others run in its desktops’ place. */
  async function leave(agent: AsyncDisposable): Promise<void> {
    log.warn('this host was removed from its control plane: its desktops and their network end here, disks stay')
    await agent[Symbol.asyncDispose]()
    for (; !ending.signal.aborted; await pause(leaveAgainMs, ending.signal))
      try {
        // What was being started as the agent ended may have come since.
        for (let ended = ['']; ended.length > 0; ) {
          ended = await host.leave()
          if (ended.length > 0) log.warn({ desktops: ended }, 'ended')
        }
        return left.resolve()
      } catch (thrown) {
        log.error({ err: thrown }, 'not all of it could be ended; it is tried again')
      }
  }

  async function simulated(file: string) {
    const { hostName } = options
    const { sendExport } = controlRequests(options.controlUrl, key)
    const storage = await openSimStorage(file, installationId)
    return makeSimHost({ installationId, hostName, sendExport, storage, foreign: simStrangers(hostName) })
  }

  function libvirtOptions() {
    const { folder, ownFolder, address, firewall, migrationUri, postCopy, storagePlaces } = options
    const { fetchImage, sendExport } = controlRequests(options.controlUrl, key)
    const diskExchange = httpDiskExchange({ controlUrl: options.controlUrl, key })
    const own = { cacheFolder: join(ownFolder, 'cache'), storageNote: join(ownFolder, 'storage-known') }
    const place = { folder, ...own, spiceListen: address, migrationUri, postCopy }
    const pools = storagePlaces && { storagePlaces }
    const copies = identity && { fetchCopy: copyFetcher(certificateFolder(options)) }
    return { ...place, installationId, firewall, fetchImage, sendExport, diskExchange, ...pools, ...copies }
  }
}

/**
 * Our address on the way to the control plane: what a connection to it is made from. Nothing is sent (a UDP socket that
 * is connected only asks for the way), so it is answered while the control plane is away.
 * @throws HdcsError `unreachable`: its name is unknown, or no way leads there.
 */
export async function addressTowards(controlUrl: string): Promise<string> {
  const host = new URL(controlUrl).hostname.replace(/^\[|\]$/g, '')
  try {
    const { address, family } = await lookup(host)
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    try {
      socket.connect(9, address)
      await once(socket, 'connect')
      return socket.address().address
    } finally {
      socket.close()
    }
  } catch (cause) {
    throw new HdcsError('unreachable', `No way leads from this host to the control plane at ${host}.`, { cause })
  }
}

/** @throws HdcsError `invalid`. */
export function controlUrlOf(env: Record<string, string | undefined>): string {
  const controlUrl = (env.HDCS_CONTROL_URL ?? '').replace(/\/$/, '')
  if (!/^https?:\/\//.test(controlUrl))
    throw new HdcsError(
      'invalid',
      'HDCS_CONTROL_URL is the control plane’s address, for example https://hdcs.example:8080.',
    )
  return controlUrl
}

/** Where this host's desktops lie and how it is reached: as set, else in the data folder and as the control plane sees us. */
export async function hostPlace(config: Config, ownFolder: string, controlUrl: string) {
  const folder = config.storageFolder ?? ownFolder
  return {
    folder,
    ownFolder,
    firewall: config.firewall,
    pkiFolder: config.pkiFolder,
    migrationUri: config.migrationUri,
    postCopy: config.postCopy,
    storagePlaces: config.storagePlaces,
    transferPort: config.transferPort,
    address: config.hostAddress ?? (await addressTowards(controlUrl)),
  }
}

/**
 * The host's identity: kept from an earlier start, else got for a one-time token and kept where only we can read it.
 * A host that was removed joins anew with a new token.
 */
export async function hostIdentity(
  controlUrl: string,
  dataFolder: string,
  hostName: string,
  token: string | undefined,
): Promise<Joined> {
  const kept = hostKept(dataFolder)
  // Only a token may replace the kept key, and only one that is worth nothing any more.
  if (kept && (!token || (await controlRequests(controlUrl, kept.key).me()))) return kept
  if (!token)
    throw new HdcsError(
      'invalid',
      'This host has not joined yet: make a join token in the console and set HDCS_JOIN_TOKEN.',
    )
  mkdirSync(dataFolder, { recursive: true, mode: 0o711 })
  // Kept before it is told: killed or cut off before the answer, the next start asks for the same host.
  const joining = join(dataFolder, 'agent.joining')
  if (!existsSync(joining)) fileWrite(joining, randomBytes(32).toString('base64url'))
  const key = readFileSync(joining, 'utf8')
  const joined = await joinControl(controlUrl, { token, hostName, ...ownNetworks(), key })
  fileWrite(keptIn(dataFolder), JSON.stringify(joined))
  rmSync(joining)
  return joined
}

export const keptIn = (dataFolder: string) => join(dataFolder, 'agent.json')

/** What this machine is as a host since it joined; null: it never did. */
export function hostKept(dataFolder: string): Joined | null {
  const file = keptIn(dataFolder)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Joined) : null
}

/** All of it or nothing, and for nobody else to read. */
function fileWrite(file: string, text: string): void {
  writeFileSync(`${file}.part`, text, { mode: 0o600 })
  renameSync(`${file}.part`, file)
}

/** Its certificate, in place before it says hello; a host that nobody else can reach needs none. */
async function startCertificate(options: RunAgentOptions & { pkiFolder: string }): Promise<AsyncDisposable> {
  const { controlUrl, key, hostName, address, pkiFolder, log } = options
  await using daemon = await connectDaemon()
  const { owner } = await readHypervisor(daemon)
  return keepCertificate({
    pkiFolder,
    stateFolder: certificateFolder(options),
    hostName,
    addresses: [address],
    qemuGroup: owner.uid === 0 ? null : owner.gid,
    request: controlRequests(controlUrl, key).certificate,
    installed: () => libvirtReadCertificates(log),
    log,
  })
}

const certificateFolder = ({ ownFolder, installationId }: RunAgentOptions) =>
  join(ownFolder, 'certificates', installationId)

const serveImages = (options: RunAgentOptions) =>
  startImageServer({
    folders: foldersOf(options.folder),
    stateFolder: certificateFolder(options),
    address: options.address,
    port: options.transferPort,
    log: options.log,
  })

const isLoopback = (address: string) => address === '::1' || address.startsWith('127.')

const removedText =
  'This host was removed from its control plane: its desktops and their network are ended, its disks were left alone. To join again: a new line of the console’s “Add a host”.'

if (import.meta.main)
  await runProcess('agent', async ({ config, log, tell }) => {
    const controlUrl = controlUrlOf(process.env)
    // Two agents of one host would each destroy what the other makes.
    await using undo = new AsyncDisposableStack()
    const ownFolder = join(config.dataFolder, 'host')
    undo.use(lockFolder(ownFolder))
    const [hostName = 'host'] = hostname().split('.')
    const { HDCS_AGENT_KEY: key, HDCS_INSTALLATION_ID: installationId, HDCS_JOIN_TOKEN: token } = process.env
    const identity =
      key && installationId
        ? { key, installationId }
        : await hostIdentity(controlUrl, config.dataFolder, hostName, token)
    tell('checking libvirt, QEMU and KVM')
    const place = await hostPlace(config, ownFolder, controlUrl)
    const simulationFile = config.simHosts > 0 ? join(ownFolder, 'simulated.json') : null
    const agent = undo.use(await runAgent({ ...identity, ...place, controlUrl, hostName, simulationFile, log }))
    tell('running')
    const running = undo.move()
    return { ended: agent.left.then(() => removedText), [Symbol.asyncDispose]: () => running.disposeAsync() }
  })
