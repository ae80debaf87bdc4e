import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import pino from 'pino'
import { expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { runAgent } from '../../bin/agent.ts'
import { removedFrom } from '../../vmm/protocol.ts'
import { testFolder } from '../support/folder.ts'
import { until } from '../support/site.ts'
import { hostSpec, installationId, machineSpec } from '../vmm/wishes.ts'

it('of a host that was removed ends what it runs, and at any other word nothing', async () => {
  const spec = machineSpec(1)
  let refusal = ''
  let [dials, ready] = [0, false]
  const sockets = new WebSocketServer({ noServer: true })
  const server = createServer().on('upgrade', (request, socket, head) => {
    dials++
    if (refusal) return socket.end(`HTTP/1.1 ${refusal}\r\nContent-Length: 0\r\n\r\n`)
    sockets.handleUpgrade(request, socket, head, line => {
      line.on('message', data => {
        const said = JSON.parse(String(data))
        if (said.machines?.some((machine: { ready: boolean }) => machine.ready)) ready = true
      })
      line.send(JSON.stringify({ type: 'wish', spec: hostSpec([spec]) }))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  using _server = { [Symbol.dispose]: () => server.close() }
  const ended: unknown[] = []
  const note = { write: (line: string) => ended.push(...(JSON.parse(line).desktops ?? [])) }
  await using agent = await runAgent({
    controlUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    installationId,
    key: 'of a host',
    hostName: 'sim',
    folder: '/tmp',
    ownFolder: '/tmp',
    address: '127.0.0.1',
    pkiFolder: null,
    firewall: false,
    migrationUri: null,
    postCopy: false,
    storagePlaces: null,
    transferPort: 0,
    simulationFile: join(testFolder(), 'simulated.json'),
    log: pino({ level: 'warn' }, note),
  })
  await until('its desktop is ready', async () => ready)

  const named = (id: string) => `410 Gone\r\n${removedFrom}: ${id}`
  for (const other of ['401 Unauthorized', '410 Gone', named('another installation')]) {
    refusal = other
    for (const line of sockets.clients) line.terminate()
    const before = dials
    await until('it was refused twice', async () => dials > before + 1)
    expect(ended).toEqual([])
  }

  refusal = named(installationId)
  await agent.left
  expect(ended).toEqual([spec.name])
  const last = dials
  await new Promise(resolve => setTimeout(resolve, 1_000))
  expect(dials).toBe(last)
}, 60_000)
