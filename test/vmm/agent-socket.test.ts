import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { agentSocket } from '../../vmm/agent-socket.ts'
import type { FromAgent } from '../../vmm/protocol.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import { hostSpec, installationId, machineSpec } from './wishes.ts'

const log = makeLog('agent', 'silent')
const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})

async function controlPlane(port = 0) {
  const server = new WebSocketServer({ port, host: '127.0.0.1' })
  await once(server, 'listening')
  const close = async () => {
    for (const client of server.clients) client.terminate()
    await new Promise(resolve => server.close(resolve))
  }
  open.push({ [Symbol.asyncDispose]: close })
  return { server, port: (server.address() as AddressInfo).port, close }
}
/** The next message of a type; earlier ones are kept. */
function reader(socket: WebSocket) {
  const messages: FromAgent[] = []
  const looks = new Set<() => void>()
  socket.on('message', data => {
    messages.push(JSON.parse(String(data)) as FromAgent)
    for (const look of looks) look()
  })
  return (is: (message: FromAgent) => boolean) =>
    new Promise<FromAgent>(resolve => {
      const look = () => {
        const message = messages.find(is)
        if (!message) return
        looks.delete(look)
        resolve(message)
      }
      looks.add(look)
      look()
    })
}
const accept = async (server: WebSocketServer) => {
  const [socket, request] = (await once(server, 'connection')) as [WebSocket, { headers: Record<string, string> }]
  return { read: reader(socket), socket, key: request.headers.authorization }
}

describe('the agent’s socket', () => {
  it('carries hello, wish and reports, and dials again when the control plane comes back', async () => {
    const first = await controlPlane()
    const host = makeSimHost({ installationId, hostName: 'sim' })
    open.push(host)
    const accepted = accept(first.server)
    const url = `ws://127.0.0.1:${first.port}/api/v1/agent`
    const agent = await startAgent({ host, connect: agentSocket({ url, key: 'k1', log }), log })
    open.push(agent)
    const { read, socket, key } = await accepted
    expect(key).toBe('Bearer k1')
    expect(await read(message => message.type === 'hello')).toMatchObject({ host: { facts: { simulated: true } } })
    socket.send(JSON.stringify({ type: 'wish', spec: hostSpec([machineSpec(1)]) }))
    await read(message => message.type === 'report' && message.machines.some(({ ready }) => ready))

    await first.close()
    const second = await controlPlane(first.port)
    const again = await accept(second.server)
    const report = await again.read(message => message.type === 'report')
    expect(report).toMatchObject({ full: true, machines: [{ id: machineSpec(1).id, ready: true }] })
  })

  it('closes on nonsense instead of acting on it', async () => {
    const { server, port } = await controlPlane()
    const host = makeSimHost({ installationId, hostName: 'sim' })
    open.push(host)
    const accepted = accept(server)
    const url = `ws://127.0.0.1:${port}/api/v1/agent`
    open.push(await startAgent({ host, connect: agentSocket({ url, key: 'k1', log }), log }))
    const { socket } = await accepted
    socket.send('{"type":"format the disk"}')
    expect((await once(socket, 'close'))[0]).toBe(1007)
  })
})
