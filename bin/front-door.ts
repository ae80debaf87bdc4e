/** The port: taken before anything is made, so that a start which cannot have it leaves nothing; answers from then on. */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Config } from '../lib/config.ts'
import { HdcsError } from '../lib/errors.ts'

/** An upgrade or a CONNECT; never throws. */
export type SocketListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>

/** Who answers once we have started. */
export interface Inside {
  request: RequestListener
  /** By path. */
  upgrades: Record<string, SocketListener>
  connect?: SocketListener
}

export interface FrontDoor extends AsyncDisposable {
  server: Server
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  url: string
  /** Until this is called everybody hears 503: starting. */
  open(inside: Inside): void
}

/** Uploads take as long as they take; JSON bodies have a limit of their own (api/body.ts). Headers come at once or never. */
const patience = { requestTimeout: 0, headersTimeout: 20_000 }
/** For load balancers and pages that came too early. Lower: they ask in vain; higher: a person waits for nothing. */
const startingRetrySeconds = 2

/** @throws HdcsError `conflict` when the port cannot be had, `invalid` when the certificate cannot be read. */
export async function openFrontDoor(config: Config): Promise<FrontDoor> {
  let inside: Inside = { request: answerStarting, upgrades: {}, connect: async (_, socket) => hangUp(socket, starting) }
  let ready = false
  const server = makeServer(config, (request, response) => inside.request(request, response))
  server.on('upgrade', (request, socket, head) => {
    const upgrade = inside.upgrades[request.url?.split('?')[0] ?? '']
    if (upgrade) void upgrade(request, socket, head)
    else hangUp(socket, ready ? '404 Not Found' : starting)
  })
  server.on('connect', (request, socket, head) => {
    if (inside.connect) void inside.connect(request, socket, head)
    else hangUp(socket, '405 Method Not Allowed')
  })
  await listen(server, config)
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : config.listen.port
  const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host
  return {
    server,
    url: `${config.tls ? 'https' : 'http'}://${host}:${port}`,
    open(given) {
      inside = given
      ready = true
    },
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

const starting = '503 Service Unavailable'

const answerStarting: RequestListener = (request, response) => {
  const alive = request.url === '/healthz'
  const body = alive ? { status: 'alive' } : { status: 'starting', reason: 'HDCS is starting; it takes some seconds.' }
  response.writeHead(alive ? 200 : 503, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    // A body that nobody reads must not keep the connection busy.
    connection: 'close',
    // `refresh` is the same for browsers: a page opened too early comes by itself.
    ...(!alive && { 'retry-after': `${startingRetrySeconds}`, refresh: `${startingRetrySeconds}` }),
  })
  response.end(JSON.stringify(body))
}

function hangUp(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

function makeServer(config: Config, listener: RequestListener): Server {
  if (!config.tls) return createServer(patience, listener)
  try {
    const [cert, key] = [readFileSync(config.tls.certFile), readFileSync(config.tls.keyFile)]
    return createTlsServer({ ...patience, cert, key }, listener)
  } catch (cause) {
    const text = `The certificate cannot be used: ${(cause as Error).message}. Look at HDCS_TLS_CERT and HDCS_TLS_KEY.`
    throw new HdcsError('invalid', text, { cause })
  }
}

async function listen(server: Server, config: Config): Promise<void> {
  const { host, port } = config.listen
  await new Promise<void>((resolve, reject) => {
    // Stays: a connection that cannot be accepted later (no file descriptors left) must not end the process.
    server.on('error', (error: NodeJS.ErrnoException) => {
      const text =
        error.code === 'EADDRINUSE'
          ? `Something else listens on ${host}:${port} already: end it, or set HDCS_LISTEN.`
          : `Cannot listen on ${host}:${port} (${error.code ?? error.message}): set HDCS_LISTEN.`
      reject(new HdcsError('conflict', text, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
}
