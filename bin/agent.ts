/** A host's agent: dials the control plane and does what it wishes. Reaches no database. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { lockFolder } from '../lib/folder-lock.ts'
import type { Log } from '../lib/log.ts'
import { ownNetworks } from '../lib/routes.ts'
import { startAgent } from '../vmm/agent.ts'
import { agentSocket } from '../vmm/agent-socket.ts'
import { openLibvirtHost } from '../vmm/libvirt-host.ts'
import { makeSimHost } from '../vmm/sim-host.ts'
import { runProcess } from './process.ts'

export interface RunAgentOptions {
  /** `http(s)://…` of the control plane. */
  controlUrl: string
  /** The host's own key, from joining. */
  key: string
  installationId: string
  hostName: string
  /** Holds images, overlays and the build cache; QEMU's user must be able to enter it. */
  folder: string
  /** A host in memory instead of libvirt. */
  simulated?: boolean
  log: Log
}

/**
 * Serves one host until disposed; machines are left as they are.
 * @throws HdcsError `unreachable` (libvirt), `invalid` or `conflict` (the folder). A control plane that is away is dialled again.
 */
export async function runAgent(options: RunAgentOptions): Promise<AsyncDisposable> {
  const { installationId, key, log } = options
  await using undo = new AsyncDisposableStack()
  const host = undo.use(options.simulated ? makeSimHost(options) : await openLibvirtHost({ ...options, fetchImage }))
  const url = `${options.controlUrl.replace(/^http/, 'ws')}/api/v1/agent`
  undo.use(await startAgent({ host, connect: agentSocket({ url, key, log }), log }))
  const facts = await host.facts()
  log.info({ installationId, facts }, 'agent runs')
  if (facts.acceleratorReason && !facts.simulated) log.warn(facts.acceleratorReason)
  const running = undo.move()
  return { [Symbol.asyncDispose]: () => running.disposeAsync() }

  async function fetchImage(id: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await ask(`${options.controlUrl}/api/v1/agents/images/${id}`, {
      headers: { authorization: `Bearer ${key}` },
      signal,
    })
    if (response.status === 404) throw new HdcsError('not_found', 'The uploaded file is gone: upload it again.')
    if (!response.ok || !response.body)
      throw new HdcsError('unreachable', `The control plane answered ${response.status} instead of the image.`)
    return response.body
  }
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (cause) {
    if (init.signal?.aborted) throw new HdcsError('cancelled', 'The import was cancelled.')
    throw new HdcsError('unreachable', `The control plane does not answer at ${new URL(url).origin}.`, { cause })
  }
}

interface Joined {
  hostId: string
  key: string
  installationId: string
}

/** The host's identity: kept from an earlier start, else got for a one-time token and kept where only we can read it. */
async function hostIdentity(controlUrl: string, dataFolder: string, hostName: string): Promise<Joined> {
  const file = join(dataFolder, 'agent.json')
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Joined
  const token = process.env.HDCS_JOIN_TOKEN
  if (!token)
    throw new HdcsError(
      'invalid',
      'This host has not joined yet: make a join token in the console and set HDCS_JOIN_TOKEN.',
    )
  const response = await ask(`${controlUrl}/api/v1/agents/join`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, hostName, networks: ownNetworks() }),
  })
  const body: unknown = await response.json().catch(() => null) // told below as what it is: no answer of ours
  if (!response.ok || !isJoined(body)) {
    const detail = (body as { detail?: unknown } | null)?.detail
    throw new HdcsError('forbidden', typeof detail === 'string' ? detail : `Joining was answered ${response.status}.`)
  }
  mkdirSync(dataFolder, { recursive: true, mode: 0o711 })
  writeFileSync(`${file}.part`, JSON.stringify(body), { mode: 0o600 })
  renameSync(`${file}.part`, file)
  return body
}

const isJoined = (body: unknown): body is Joined =>
  typeof body === 'object' && body !== null && 'key' in body && 'installationId' in body && 'hostId' in body

if (import.meta.main)
  await runProcess('agent', async ({ config, log, tell }) => {
    const controlUrl = (process.env.HDCS_CONTROL_URL ?? '').replace(/\/$/, '')
    if (!/^https?:\/\//.test(controlUrl))
      throw new HdcsError(
        'invalid',
        'HDCS_CONTROL_URL is the control plane’s address, for example https://hdcs.example:8080.',
      )
    // Two agents of one host would each destroy what the other makes.
    await using undo = new AsyncDisposableStack()
    const folder = join(config.dataFolder, 'host')
    undo.use(lockFolder(folder))
    const [hostName = 'host'] = hostname().split('.')
    const { HDCS_AGENT_KEY: key, HDCS_INSTALLATION_ID: installationId } = process.env
    const identity =
      key && installationId ? { key, installationId } : await hostIdentity(controlUrl, config.dataFolder, hostName)
    tell('checking libvirt, QEMU and KVM')
    undo.use(await runAgent({ ...identity, controlUrl, hostName, folder, simulated: config.simHosts > 0, log }))
    tell('running')
    const running = undo.move()
    return { [Symbol.asyncDispose]: () => running.disposeAsync() }
  })
