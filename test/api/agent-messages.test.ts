import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { readAgentMessage } from '../../api/agent-messages.ts'
import { makeAgentDoor } from '../../api/agents.ts'
import type { AgentHub } from '../../broker/agents.ts'
import { firstStart } from '../../broker/first-start.ts'
import { hostJoin } from '../../broker/hosts.ts'
import { newId } from '../../lib/ids.ts'
import { type FromAgent, removedFrom } from '../../vmm/protocol.ts'
import type { ForeignMachine } from '../../vmm/report.ts'
import { startApi, type TestApi } from '../support/api.ts'

const id = newId()
const trouble = { code: 'timeout', text: 'too late' } as const
const foreign: ForeignMachine[] = [
  {
    id,
    name: 'by hand',
    power: 'stopped',
    vcpus: 1,
    memoryBytes: 2 ** 30,
    video: 'qxl',
    disks: [{ path: '/a', format: 'qcow2', bus: 'virtio', sizeBytes: 1, usedBytes: 1, backing: null }],
    nics: [{ mac: '52:54:00:00:00:01', network: null }],
    obstacles: ['it runs'],
  },
]
const host = {
  facts: {
    hostName: 'h',
    kernel: '6.12',
    libvirtVersion: '11.3.0',
    qemuVersion: '10.0.0',
    cpuModel: 'x',
    cpus: 2,
    memoryBytes: 2 ** 33,
    accelerator: 'tcg',
    acceleratorReason: null,
    simulated: false,
    cpuMhz: 3000,
    sockets: 1,
    coresPerSocket: 2,
    threadsPerCore: 1,
    maxVcpus: 255,
    address: '10.0.0.1',
    storageId: '018f0000-0000-7000-8000-000000000001',
    diskLocks: false,
    migrationUri: null,
    bridges: [] as string[],
  },
  capacity: 4,
  usage: { cpu: 0.5, memoryUsedBytes: 1, storageTotalBytes: 2, storageFreeBytes: 1 },
  foreign,
  troubles: [trouble],
} as const
const report = {
  type: 'report',
  full: false,
  machines: [
    {
      id,
      generation: 3,
      incarnation: 1,
      power: 'running',
      stopped: null,
      ready: true,
      step: null,
      queuePlace: null,
      graphics: { host: '127.0.0.1', port: 5901, serial: 2 },
      clients: 1,
      move: null,
      trouble: null,
    },
  ],
  images: [
    {
      id,
      attempt: 1,
      state: 'making',
      progress: 50,
      text: 'unpacking',
      virtualBytes: null,
      storedBytes: 7,
      sha256: 'a'.repeat(64),
      trouble,
    },
  ],
  gone: [id],
  strays: [{ id, incarnations: [1, 2] }],
} as const
const said = [
  { type: 'hello', protocol: 1, host: { ...host, troubles: [trouble] } },
  { type: 'beat', host: null },
  { type: 'operated', operationId: id, trouble: null, data: 'aGk=' },
] satisfies FromAgent[]
const [machine] = report.machines
const [image] = report.images

describe('what an agent says', () => {
  it.each([...said, report])('is taken as it is when it is of the protocol: $type', message => {
    expect(readAgentMessage(JSON.stringify(message))).toEqual({ message })
  })

  it.each([
    ['no JSON', '{'],
    ['no message', 'null'],
    ['no type', '{}'],
    ['an unknown type', '{"type":"obey"}'],
    ['an unknown power', { ...report, machines: [{ ...machine, power: 'on' }] }],
    ['an id that is none', { ...report, gone: ['../../etc'] }],
    ['a fraction of a client', { ...report, machines: [{ ...machine, clients: 0.5 }] }],
    ['a port that is none', { ...report, machines: [{ ...machine, graphics: { host: 'x', port: 0, serial: 0 } }] }],
    ['more than all of an image', { ...report, images: [{ ...image, progress: 101 }] }],
    ['a trouble of no kind', { ...report, images: [{ ...image, trouble: { code: 'bad', text: '' } }] }],
    ['negative memory', { type: 'hello', protocol: 1, host: { ...host, facts: { ...host.facts, memoryBytes: -1 } } }],
    ['an endless report', { ...report, gone: Array(10_001).fill(id) }],
  ])('is refused when it holds %s', (_, message) => {
    const text = typeof message === 'string' ? message : JSON.stringify(message)
    expect(readAgentMessage(text)).toEqual({ wrong: expect.any(String) })
  })

  it('keeps a host whose texts are endless or hold what no database keeps', () => {
    const text = `\0${'x'.repeat(100_000)}`
    const read = readAgentMessage(JSON.stringify({ ...report, images: [{ ...image, text }] }))
    expect(read).toMatchObject({ message: { images: [{ text: 'x'.repeat(3_999) }] } })
  })
})

describe('an agent’s line', () => {
  let api: TestApi
  const server = createServer()
  const heard: unknown[] = []
  const hub: AgentHub = {
    attach: () => ({ received: async message => void heard.push(message), closed() {} }),
    async review() {},
    wake() {},
    wakeMachines() {},
  }
  beforeAll(async () => {
    api = await startApi()
    const door = makeAgentDoor(api.broker, hub, 'ours')
    server.on('upgrade', (request, socket, head) => void door.upgrade(request, socket, head))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    await new Promise(resolve => server.close(resolve))
    await api[Symbol.asyncDispose]()
  })

  it('is closed by what is not of the protocol, and nothing of it or after it is heard', async () => {
    await firstStart(api.broker)
    const { client } = await api.person('joiner', ['infrastructureAdministrator'])
    const { token } = await client.joinTokenMake({ body: {} })
    const { key } = await hostJoin(api.broker, { token, hostName: 'strange', networks: [] })
    const line = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, {
      headers: { authorization: `Bearer ${key}` },
    })
    const closed = new Promise<{ code: number; reason: string }>(resolve =>
      line.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
    )
    await new Promise(resolve => line.on('open', resolve))
    for (const message of [said[1], { type: 'beat', host: 7 }, said[1]]) line.send(JSON.stringify(message))
    expect(await closed).toMatchObject({ code: 1007, reason: expect.stringContaining('host') })
    expect(heard).toEqual([said[1]])
  })

  it('tells a host that was removed from one that is not known: a restored backup does not know it either', async () => {
    const { client } = await api.person('remover', ['infrastructureAdministrator'])
    const { token } = await client.joinTokenMake({ body: {} })
    const { key, hostId } = await hostJoin(api.broker, { token, hostName: 'gone', networks: [] })
    const answer = (bearer: string) =>
      new Promise(resolve => {
        const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
        const line = new WebSocket(url, { headers: { authorization: `Bearer ${bearer}` } })
        line.on('unexpected-response', (request, { statusCode, headers }) => {
          request.destroy()
          resolve([statusCode, headers[removedFrom]])
        })
        line.on('error', () => {}) // the request that was ended
      })
    await client.hostRemove({ params: { id: hostId } })
    expect(await answer(key)).toEqual([410, 'ours'])
    expect(await answer('never-known')).toEqual([401, undefined])
  })
})
