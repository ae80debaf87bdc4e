/** A gateway of its own: WebSocket and CONNECT to SPICE. Needs the ticket key (HDCS_TICKET_KEY) and no database. */
import type { RequestListener } from 'node:http'
import { systemClock } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { startControlLine } from '../spice/control-line.ts'
import { gatewayPath, makeGateway } from '../spice/gateway.ts'
import { openFrontDoor } from './front-door.ts'
import { runProcess } from './process.ts'

/** Serves on its own port; `/healthz` says it is alive, `/metrics` what it carries. */
export async function startGateway(config: Config, log: Log): Promise<AsyncDisposable & { url: string }> {
  if (!config.ticketKey)
    throw new HdcsError(
      'invalid',
      'A gateway needs HDCS_TICKET_KEY, the same as its control plane: see ticket.key in its data folder.',
    )
  const gateway = makeGateway({
    ticketKey: config.ticketKey,
    clock: systemClock,
    log,
    // The pages come from the control plane's address, not from ours.
    ...(config.publicUrl !== null && { pageOrigins: [new URL(config.publicUrl).origin] }),
  })
  const answer = (request: { url?: string | undefined }) =>
    request.url === '/healthz' ? { status: 'alive' } : request.url === '/stats' ? gateway.stats() : undefined
  const listener: RequestListener = (request, response) => {
    const body = answer(request)
    response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}))
  }
  await using undo = new AsyncDisposableStack()
  const frontDoor = undo.use(await openFrontDoor(config))
  const controlUrl = process.env.HDCS_CONTROL_URL
  if (controlUrl) undo.use(startControlLine({ controlUrl, ticketKey: config.ticketKey, gateway, log }))
  else log.warn('without HDCS_CONTROL_URL an open screen outlives its session: nobody tells this gateway')
  undo.defer(() => gateway.close())
  frontDoor.open({ request: listener, upgrades: { [gatewayPath]: gateway.upgrade }, connect: gateway.connect })
  const kept = undo.move()
  return { url: frontDoor.url, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

if (import.meta.main)
  await runProcess('gateway', async ({ config, log }) => {
    const gateway = await startGateway(config, log)
    console.log(`HDCS gateway at ${gateway.url}`)
    return gateway
  })
