/** A gateway of its own: WebSocket and CONNECT to SPICE. Needs the ticket key (HDCS_TICKET_KEY) and no database. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { systemClock } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { gatewayPath, makeGateway } from '../spice/gateway.ts'
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
  const listener: Parameters<typeof createServer>[1] = (request, response) => {
    const body = answer(request)
    response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}))
  }
  const server = config.tls
    ? createTlsServer({ cert: readFileSync(config.tls.certFile), key: readFileSync(config.tls.keyFile) }, listener)
    : createServer(listener)
  server.on('upgrade', (request, socket, head) => {
    if (request.url?.split('?')[0] === gatewayPath) void gateway.upgrade(request, socket, head)
    else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  server.on('connect', (request, socket, head) => void gateway.connect(request, socket, head))
  const { host, port } = config.listen
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    url: `${config.tls ? 'https' : 'http'}://${host}:${port}`,
    async [Symbol.asyncDispose]() {
      gateway.close()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

if (import.meta.main)
  await runProcess('gateway', async ({ config, log }) => {
    const gateway = await startGateway(config, log)
    console.log(`HDCS gateway at ${gateway.url}`)
    return gateway
  })
