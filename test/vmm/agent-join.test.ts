import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import type { FromAgent } from '../../vmm/protocol.ts'
import { installationId } from './wishes.ts'

const program = fileURLToPath(new URL('../../bin/agent.ts', import.meta.url))

it('joins once with a one-time token, also when it has to ask twice, keeps its key where only it can read it, and comes back with the key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hdcs-join-'))
  const joins: { key?: string }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk as Uint8Array)
    joins.push(JSON.parse(Buffer.concat(chunks).toString()))
    // The first answer never arrives.
    if (joins.length === 1) return void request.socket.destroy()
    response.writeHead(201, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ hostId: 'h', key: 'its-own-key', installationId }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new WebSocketServer({ server, path: '/api/v1/agent' })
  const { port } = server.address() as AddressInfo
  const start = (token: string) =>
    spawn(process.execPath, [program], {
      env: {
        ...process.env,
        HDCS_CONTROL_URL: `http://127.0.0.1:${port}`,
        HDCS_DATA_DIR: folder,
        HDCS_SIM_HOSTS: '1',
        HDCS_JOIN_TOKEN: token,
      },
      stdio: 'ignore',
    })
  try {
    expect((await once(start('one-time'), 'exit'))[0]).not.toBe(0)
    for (const token of ['one-time', '']) {
      const connected = once(sockets, 'connection')
      const agent = start(token)
      const [socket, request] = (await connected) as [WebSocket, { headers: Record<string, string> }]
      expect(request.headers.authorization).toBe('Bearer its-own-key')
      const [hello] = await once(socket, 'message')
      expect(JSON.parse(String(hello)) as FromAgent).toMatchObject({
        type: 'hello',
        host: { facts: { simulated: true } },
      })
      const ended = once(agent, 'exit')
      agent.kill('SIGTERM')
      expect((await ended)[0]).toBe(0)
    }
    const ask = { token: 'one-time', hostName: expect.any(String), key: joins[0]?.key }
    expect(joins).toMatchObject([ask, ask])
    expect(ask.key).toMatch(/^[\w-]{43}$/)
    const file = join(folder, 'agent.json')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ key: 'its-own-key' })
  } finally {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
    await rm(folder, { recursive: true })
  }
})
