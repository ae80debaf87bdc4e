import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import type { FromAgent, ToAgent } from '../../vmm/protocol.ts'
import type { MachineSpec } from '../../vmm/spec.ts'
import { type RealPlace, realPlace } from '../contract/real.ts'
import { makeControl } from './control.ts'
import { hostSpec, imageSpec, machineSpec, nicSpec } from './wishes.ts'

const kills = 6
const subnet = '10.248.0.0/28'
const agentProgram = fileURLToPath(new URL('agent-process.ts', import.meta.url))

const desktops: MachineSpec[] = [1, 2, 3, 4].map(number =>
  machineSpec(number, {
    id: crypto.randomUUID(),
    name: `kill-${number}`,
    nic: nicSpec(`10.248.0.${number + 1}`),
  }),
)

/** A control plane behind a real socket that wishes the same again whenever an agent says hello. */
async function controlPlane(wish: () => ToAgent) {
  const control = makeControl()
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  server.on('connection', socket => {
    socket.on('message', data => {
      const message = JSON.parse(String(data)) as FromAgent
      if (message.type === 'hello') socket.send(JSON.stringify(wish()))
      // What it finds and nothing was said of: no desktop of ours.
      if (message.type === 'report' && message.strays.length > 0) {
        const remove = message.strays.map(({ id }) => id)
        const answer: ToAgent = { type: 'change', machines: [], images: [], gone: [], remove }
        socket.send(JSON.stringify(answer))
      }
      control.hear(message)
    })
  })
  const { port } = server.address() as AddressInfo
  return { control, url: `ws://127.0.0.1:${port}/api/v1/agent`, server }
}

describe('an agent that is killed again and again while its pool fills and is recycled', () => {
  let place: RealPlace
  let agent: ChildProcess | undefined
  let specs = desktops
  let plane: Awaited<ReturnType<typeof controlPlane>>
  const installation = () => ({
    installationId: place.installationId,
    network: { supernet: subnet, subnet },
    images: [imageSpec()],
  })
  const start = () => {
    agent = spawn(process.execPath, [agentProgram, plane.url, place.folder, place.installationId], { stdio: 'inherit' })
  }
  const kill = async () => {
    const ended = agent && once(agent, 'exit')
    agent?.kill('SIGKILL')
    await ended
  }

  beforeAll(async () => {
    place = await realPlace('kill')
    plane = await controlPlane(() => ({ type: 'wish', spec: hostSpec(specs, installation()) }))
    await using host = await place.open()
    await host.imageMake(imageSpec(), () => {}, new AbortController().signal)
  })
  afterAll(async () => {
    await kill()
    plane?.server.close()
    await place?.[Symbol.asyncDispose]()
  })

  it('ends with every desktop ready on its wished disk, and no domain, disk or half-made file besides', async () => {
    for (let count = 1; count <= kills; count++) {
      start()
      // Anywhere between the process's first breath and a boot that is done: the moment is the test's only chance.
      await new Promise(resolve => setTimeout(resolve, 300 + Math.random() * 3_000))
      await kill()
      // People come and go meanwhile: some desktops are recycled, one is not wished any more and another comes.
      specs = specs.map((spec, index) =>
        index % 2 === count % 2
          ? { ...spec, generation: spec.generation + 1, incarnation: spec.incarnation + 1 }
          : spec,
      )
    }
    const [leaver, ...rest] = specs
    specs = rest
    start()
    for (const spec of specs)
      await plane.control.machine(
        spec.id,
        report => report.ready && report.generation === spec.generation && report.incarnation === spec.incarnation,
        120_000,
      )
    await using host = await place.open()
    const wished = specs.map(({ id, incarnation }) => ({ machineId: id, incarnation }))
    const order = (a: { machineId: string }, b: { machineId: string }) => (a.machineId < b.machineId ? -1 : 1)
    await plane.control.until(() => !plane.control.machines.has(leaver?.id ?? ''))
    expect((await host.overlays()).toSorted(order)).toEqual(wished.toSorted(order))
    const machines = await host.machines()
    expect(machines.map(({ id, incarnation }) => ({ machineId: id, incarnation })).toSorted(order)).toEqual(
      wished.toSorted(order),
    )
    // Nothing was ever called failed: the control plane would have replaced it for nothing.
    const troubles = plane.control.heard.flatMap(message =>
      message.type === 'report' ? message.machines.flatMap(({ trouble }) => trouble ?? []) : [],
    )
    expect(troubles).toEqual([])
    for (const folder of ['images', 'overlays'])
      expect((await readdir(join(place.folder, folder))).filter(name => name.endsWith('.part'))).toEqual([])
  })
})
