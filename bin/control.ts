/** The control plane: API, pages, agents' lines and, in the one that leads, the reconcilers. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import { agentPath, makeAgentDoor, mountAgents } from '../api/agents.ts'
import { makeApp } from '../api/app.ts'
import { routes } from '../api/routes.ts'
import { ensureFirstAdministrator } from '../auth/first-admin.ts'
import { makeAgentHub } from '../broker/agents.ts'
import type { Broker } from '../broker/broker.ts'
import { eventsHeard } from '../broker/events.ts'
import { firstStart } from '../broker/first-start.ts'
import { startReconcilers } from '../broker/reconcile/all.ts'
import { connectDatabase } from '../db/connect.ts'
import { startEmbeddedPostgres } from '../db/embedded.ts'
import { databaseAnswers, desktopsByPhase } from '../db/health.ts'
import { leadDatabase, leaderExists } from '../db/leader.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { listenDatabase } from '../db/notify.ts'
import { settingInstallationId } from '../db/settings.ts'
import { systemClock } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { viewerFileText } from '../spice/viewer-file.ts'
import { runProcess } from './process.ts'

const GiB = 2 ** 30
const pagesFolder = fileURLToPath(new URL('../web/dist', import.meta.url))

export interface Control extends AsyncDisposable {
  broker: Broker
  installationId: string
  clusterId: string
  server: Server
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  url: string
  ticketKey: Uint8Array
  /** The generated password, when this start made the first administrator. */
  admin: { name: string; password: string | null; file: string }
}

/** Other upgrades and CONNECTs on the control plane's port: the gateway, when it lives in the same process. */
export interface SharedDoors {
  path: string
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
  connect(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>
}

/**
 * Starts everything and resolves when it serves.
 * @param doors is asked for the gateway once the ticket key is known.
 * @param tell hears what is being done, for the person who waits.
 */
export async function startControl(
  config: Config,
  log: Log,
  options: { doors?: (ticketKey: Uint8Array) => SharedDoors; tell?: (text: string) => void } = {},
): Promise<Control> {
  const tell = options.tell ?? (() => {})
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o711 })
  await using undo = new AsyncDisposableStack()

  tell(config.databaseUrl ? 'connecting to the database' : 'starting the database')
  const embedded = config.databaseUrl
    ? undefined
    : undo.use(await startEmbeddedPostgres(join(config.dataFolder, 'database')))
  const databaseUrl = config.databaseUrl ?? embedded?.url ?? ''
  let ending = false
  const db = connectDatabase(databaseUrl, error => ending || log.warn({ err: error }, 'a database connection ended'))
  undo.defer(() => {
    ending = true // its connections end with the database: no news
    return db.destroy()
  })
  await databaseAnswers(db).catch(cause => {
    throw new HdcsError(
      'unreachable',
      'The database does not answer: look at HDCS_DATABASE_URL, and whether PostgreSQL runs there.',
      { cause },
    )
  })
  await migrateDatabase(db)

  const ticketKey = config.ticketKey ?? keptKey(join(config.dataFolder, 'ticket.key'))
  const broker: Broker = {
    db,
    clock: systemClock,
    log,
    ticketKey,
    gatewayUrl: config.gatewayUrl,
    viewerFile: viewerFileText,
    uploadFolder: join(config.dataFolder, 'uploads'),
    maxUploadBytes: 200 * GiB,
    maxVirtualBytes: 2048 * GiB,
  }
  const installationId = await settingInstallationId(db)
  const { clusterId } = await firstStart(broker)
  const passwordFile = join(config.dataFolder, 'first-password')
  const admin = await ensureFirstAdministrator(db, {
    ...(config.adminPassword !== null && { password: config.adminPassword }),
    file: passwordFile,
  })

  const hub = makeAgentHub(broker, installationId)
  const door = makeAgentDoor(broker, hub)
  let reconcilers: ReturnType<typeof startReconcilers> | undefined
  const failed = (error: unknown) => log.warn({ err: error }, 'the database connection broke; trying again')
  undo.use(
    leadDatabase(
      databaseUrl,
      async signal => {
        await using mine = startReconcilers(broker)
        reconcilers = mine
        log.info('this process leads')
        if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve))
        reconcilers = undefined
      },
      failed,
    ),
  )
  undo.use(
    listenDatabase(databaseUrl, ['hdcs_nudge', 'hdcs_host', 'hdcs_images', 'hdcs_event', 'hdcs_operation'], {
      notified(channel, payload) {
        if (channel === 'hdcs_nudge') reconcilers?.nudge(payload)
        else if (channel === 'hdcs_event') eventsHeard(broker)
        else hub.wake(channel === 'hdcs_images' ? undefined : payload)
      },
      missed() {
        reconcilers?.nudge()
        hub.wake()
        eventsHeard(broker)
      },
      failed,
    }),
  )

  const app = makeApp({
    broker,
    routes,
    health: {
      databaseAnswers: () => databaseAnswers(db),
      leaderExists: () => leaderExists(db),
      desktopsByPhase: () => desktopsByPhase(db),
    },
    pagesFolder: existsSync(pagesFolder) ? pagesFolder : null,
    publicUrl: config.publicUrl,
    trustProxy: config.trustProxy,
  })
  mountAgents(app, broker, installationId)
  const doors = options.doors?.(ticketKey)
  const server = makeServer(config, getRequestListener(app.fetch))
  server.on('upgrade', (request, socket, head) => {
    const path = (request.url ?? '').split('?')[0]
    if (path === agentPath) void door.upgrade(request, socket, head)
    else if (doors && path === doors.path) void doors.upgrade(request, socket, head)
    else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  server.on('connect', (request, socket, head) => {
    if (doors) void doors.connect(request, socket, head)
    else socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  tell('opening the door')
  await listen(server, config)
  undo.defer(async () => {
    door.close()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })

  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : config.listen.port
  const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host
  const kept = undo.move()
  return {
    broker,
    installationId,
    clusterId,
    server,
    url: `${config.tls ? 'https' : 'http'}://${host}:${port}`,
    ticketKey,
    admin: { ...admin, file: passwordFile },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** 32 random bytes, made at the first start and kept where only we can read them. */
function keptKey(file: string): Uint8Array {
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 })
  return Buffer.from(readFileSync(file, 'utf8').trim(), 'hex')
}

/** Uploads take as long as they take; JSON bodies have a limit of their own (api/body.ts). Headers come at once or never. */
const patience = { requestTimeout: 0, headersTimeout: 20_000 }

function makeServer(config: Config, listener: ReturnType<typeof getRequestListener>): Server {
  if (!config.tls) return createServer(patience, listener)
  return createTlsServer(
    { ...patience, cert: readFileSync(config.tls.certFile), key: readFileSync(config.tls.keyFile) },
    listener,
  )
}

async function listen(server: Server, config: Config): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { host, port } = config.listen
      const text =
        error.code === 'EADDRINUSE'
          ? `Something else listens on ${host}:${port} already: end it, or set HDCS_LISTEN.`
          : `Cannot listen on ${host}:${port}: ${error.message}.`
      reject(new HdcsError('conflict', text, { cause: error }))
    })
    server.listen(config.listen.port, config.listen.host, resolve)
  })
}

if (import.meta.main)
  await runProcess('control', async ({ config, log, tell }) => {
    const control = await startControl(config, log, { tell })
    console.log(`HDCS control plane at ${control.url}`)
    if (control.admin.password)
      console.log(`  first administrator ${control.admin.name}, password ${control.admin.password}`)
    return control
  })
