/** The control plane: API, pages, agents' lines and, in the one that leads, the reconcilers. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import { agentPath, makeAgentDoor, mountAgents } from '../api/agents.ts'
import { makeApp } from '../api/app.ts'
import { gatewayLinePath, makeGatewayDoor } from '../api/gateways.ts'
import { routes } from '../api/routes.ts'
import { uploadsSweep } from '../api/uploads.ts'
import { type Authority, openAuthority } from '../auth/authority.ts'
import { ensureFirstAdministrator } from '../auth/first-admin.ts'
import { makeAgentHub } from '../broker/agents.ts'
import type { Broker } from '../broker/broker.ts'
import { authorityCheck } from '../broker/certificates.ts'
import { eventsHeard } from '../broker/events.ts'
import { exportsFolder } from '../broker/exports.ts'
import { firstStart } from '../broker/first-start.ts'
import { makeGatewayHub } from '../broker/gateways.ts'
import { startReconcilers } from '../broker/reconcile/all.ts'
import { connectDatabase } from '../db/connect.ts'
import { startEmbeddedPostgres } from '../db/embedded.ts'
import { databaseAnswers, desktopsByPhase } from '../db/health.ts'
import { leadDatabase, leaderExists } from '../db/leader.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { listenDatabase } from '../db/notify.ts'
import { settingInstallationId } from '../db/settings.ts'
import { systemClock } from '../lib/clock.ts'
import { commandsFolder } from '../lib/commands-folder.ts'
import type { Config } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'
import { lockFolder } from '../lib/folder-lock.ts'
import type { Log } from '../lib/log.ts'
import { viewerFileText } from '../spice/viewer-file.ts'
import { openFrontDoor, type SocketListener } from './front-door.ts'
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
  upgrade: SocketListener
  connect: SocketListener
  /** Ends what is open of a session that was ended; `taken`: because somebody else opened its screen. */
  kick(sessionId: string, taken: boolean): void
  /** Sessions it carries now. */
  sessions(): string[]
}

/**
 * Starts everything and resolves when it serves. The folder and the port come first: without them nothing is made.
 * @param doors is asked for the gateway once the ticket key is known.
 * @param tell hears what is being done, for the person who waits.
 */
export async function startControl(
  config: Config,
  log: Log,
  options: { doors?: (ticketKey: Uint8Array) => SharedDoors; tell?: (text: string) => void } = {},
): Promise<Control> {
  const tell = options.tell ?? (() => {})
  await using undo = new AsyncDisposableStack()
  undo.use(lockFolder(config.dataFolder))
  const frontDoor = undo.use(await openFrontDoor(config))

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
    commandsFolder,
    uploadFolder: join(config.dataFolder, 'uploads'),
    maxUploadBytes: 200 * GiB,
    maxVirtualBytes: 2048 * GiB,
  }
  await uploadsSweep(broker.uploadFolder)
  await uploadsSweep(exportsFolder(broker.uploadFolder))
  const installationId = await settingInstallationId(db)
  const { clusterId } = await firstStart(broker)
  const passwordFile = join(config.dataFolder, 'first-password')
  const admin = await ensureFirstAdministrator(db, {
    ...(config.adminPassword !== null && { password: config.adminPassword }),
    file: passwordFile,
  })

  const hub = makeAgentHub(broker, installationId)
  const door = makeAgentDoor(broker, hub, installationId)
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
  const doors = options.doors?.(ticketKey)
  const gateways = makeGatewayHub(broker)
  const gatewayDoor = makeGatewayDoor(broker, gateways)
  if (doors)
    gateways.attach({ sessions: doors.sessions, kick: over => over.forEach(one => void doors.kick(one.id, one.taken)) })
  undo.use(
    listenDatabase(
      databaseUrl,
      ['hdcs_nudge', 'hdcs_host', 'hdcs_line', 'hdcs_images', 'hdcs_event', 'hdcs_operation', 'hdcs_kick'],
      {
        notified(channel, payload) {
          if (channel === 'hdcs_nudge') reconcilers?.nudge(payload)
          else if (channel === 'hdcs_kick') gateways.kick(payload).catch(failed)
          else if (channel === 'hdcs_line') hub.review(payload).catch(failed)
          else if (channel === 'hdcs_event') eventsHeard(broker)
          else if (channel === 'hdcs_images') hub.wake(undefined, 'images')
          else if (channel === 'hdcs_operation') hub.wake(payload, 'operations')
          else hub.wakeMachines(payload)
        },
        missed() {
          reconcilers?.nudge()
          hub.wake()
          hub.review().catch(failed)
          eventsHeard(broker)
          gateways.review().catch(failed)
        },
        failed,
      },
    ),
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
  mountAgents(app, broker, installationId, await authorityOrNone(join(config.dataFolder, 'authority')))
  tell('opening the door')
  frontDoor.open({
    request: getRequestListener(app.fetch),
    upgrades: {
      [agentPath]: door.upgrade,
      [gatewayLinePath]: gatewayDoor.upgrade,
      ...(doors && { [doors.path]: doors.upgrade }),
    },
    ...(doors && { connect: doors.connect }),
  })
  undo.defer(async () => {
    door.close()
    gatewayDoor.close()
    // Before the database goes, or whoever asks meanwhile is answered with errors.
    await frontDoor[Symbol.asyncDispose]()
  })

  /** Without it hosts still carry desktops; they only cannot send them to each other. */
  async function authorityOrNone(folder: string): Promise<Authority | null> {
    try {
      const authority = await openAuthority(folder, installationId)
      await authorityCheck(db, authority)
      return authority
    } catch (error) {
      log.warn(
        { err: error },
        'hosts get no certificates from this control plane, and cannot send desktops to each other',
      )
      return null
    }
  }

  const kept = undo.move()
  return {
    broker,
    installationId,
    clusterId,
    server: frontDoor.server,
    url: frontDoor.url,
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

if (import.meta.main)
  await runProcess('control', async ({ config, log, tell }) => {
    const control = await startControl(config, log, { tell })
    console.log(`HDCS control plane at ${control.url}`)
    if (control.admin.password)
      console.log(`  first administrator ${control.admin.name}, password ${control.admin.password}`)
    return control
  })
