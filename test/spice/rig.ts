/** A gateway on a real port, tickets for it, and a simulated screen behind it. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { sealTicket, type Ticket } from '../../auth/tickets.ts'
import type { Clock } from '../../lib/clock.ts'
import { makeLog } from '../../lib/log.ts'
import { type Gateway, makeGateway } from '../../spice/gateway.ts'
import { type SimScreen, startSimScreen } from '../../vmm/sim-screen.ts'

export const ticketKey = new Uint8Array(32).fill(7)
export const password = 'a-password'

export interface Rig extends AsyncDisposable {
  gateway: Gateway
  server: Server
  screen: SimScreen
  /** `host:port` of the gateway. */
  address: string
  clock: Clock & { set(time: Date): void }
  /** Seals a ticket of its own id and session. */
  ticket(changes?: Partial<Ticket>): Promise<string>
  /** As if the network were gone for a moment. */
  breakConnections(): void
  /** `webSocketUrl` of the API. */
  url(sealed: string): string
}

let tickets = 0

/** @param options.passwordSet false: nobody is let in until the test says so. */
export async function startRig(
  options: { passwordSet?: boolean; name?: string; pageOrigins?: string[] } = {},
): Promise<Rig> {
  const screen = await startSimScreen({ name: options.name ?? 'demo-1' })
  if (options.passwordSet !== false) screen.setPassword(password, new Date(Date.now() + 600_000))
  let time: Date | null = null
  const clock = {
    now: () => time ?? new Date(),
    set(wished: Date) {
      time = wished
    },
  }
  const gateway = makeGateway({
    ticketKey,
    clock,
    log: makeLog('test', 'silent'),
    pageOrigins: options.pageOrigins ?? [],
  })
  const server = createServer((_, response) => void response.writeHead(404).end())
  server.on('upgrade', gateway.upgrade)
  server.on('connect', gateway.connect)
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  const breakConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    gateway,
    server,
    screen,
    address,
    clock,
    breakConnections,
    ticket(changes = {}) {
      const number = ++tickets
      const spice = { host: screen.host, port: screen.port, password }
      const ids = { id: `ticket-${number}`, sessionId: `session-${number}`, userId: 'user', desktopId: 'desktop' }
      const ticket = {
        ...ids,
        desktopName: 'demo-1',
        spice,
        channels: [1, 2, 3, 4, 5],
        usbFilter: '-1,-1,-1,-1,0',
        ...changes,
      }
      return sealTicket(ticket, ticketKey, clock.now())
    },
    url: sealed => `ws://${address}/spice?ticket=${sealed}`,
    async [Symbol.asyncDispose]() {
      gateway.close()
      breakConnections()
      await new Promise(resolve => server.close(resolve))
      await screen.close()
    },
  }
}
