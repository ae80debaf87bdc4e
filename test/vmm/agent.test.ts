import { afterEach, describe, expect, it, vi } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { makeSimHost, type SimHost, type SimHostOptions } from '../../vmm/sim-host.ts'
import type { MachineSpec } from '../../vmm/spec.ts'
import { makeControl } from './control.ts'
import { hostSpec, imageSpec, installationId, machineSpec } from './wishes.ts'

const log = makeLog('agent', 'silent')
const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})

function simHost(options: Partial<SimHostOptions> = {}): SimHost {
  const host = makeSimHost({ installationId, hostName: 'sim-1', cpus: 2, ...options })
  open.push(host)
  return host
}
async function agentOn(host: SimHost) {
  const control = makeControl()
  const agent = await startAgent({ host, connect: control.connect, log })
  open.push(agent)
  return { control, agent }
}
async function wished(machines: MachineSpec[], options: Partial<SimHostOptions> = {}) {
  const host = simHost(options)
  const { control, agent } = await agentOn(host)
  control.tell({ type: 'wish', spec: hostSpec(machines) })
  return { host, control, agent }
}

describe('the agent', () => {
  it('says hello and everything it has before it hears a wish', async () => {
    const { control } = await agentOn(simHost())
    expect(control.heard.map(message => message.type)).toEqual(['hello', 'report'])
    expect(control.heard[1]).toMatchObject({ full: true, machines: [], images: [] })
  })

  it('makes the image, the disks and the machines that are wished, and says when each is ready', async () => {
    const specs = [1, 2, 3, 4, 5].map(number => machineSpec(number))
    const { control } = await wished(specs)
    for (const { id } of specs)
      expect(await control.machine(id, report => report.ready)).toMatchObject({ power: 'running', incarnation: 1 })
    expect(control.images.get(imageSpec().id)).toMatchObject({ state: 'ready', progress: 100 })
  })

  it('boots no more at once than there are cores, persons first, and tells the others their place', async () => {
    const specs = [1, 2, 3, 4, 5, 6].map(number =>
      machineSpec(number, { priority: number === 6 ? 'person' : 'prewarm' }),
    )
    const { control } = await wished(specs, { delays: { bootMs: 150 } })
    const ready: string[] = []
    let most = 0
    await control.until(() => {
      const reports = [...control.machines.values()]
      most = Math.max(most, reports.filter(({ step }) => step === 'starting' || step === 'booting').length)
      for (const { id, ready: is } of reports) if (is && !ready.includes(id)) ready.push(id)
      return ready.length === 6
    })
    expect(most).toBe(2)
    expect(ready.slice(0, 4)).toContain(specs[5]?.id)
    const places = control.heard.flatMap(message =>
      message.type === 'report' ? message.machines.map(({ queuePlace }) => queuePlace) : [],
    )
    expect(places).toContain(1)
    expect(places).toContain(3)
  })

  it('reports a machine that cannot start, goes on trying, and lets it hold nobody up', async () => {
    const bad = machineSpec(1, { name: 'fail-start-1' })
    const full = machineSpec(2, { name: 'fail-disk-2' })
    const good = machineSpec(3)
    const { control } = await wished([bad, full, good])
    expect(await control.machine(bad.id, report => report.trouble !== null)).toMatchObject({
      trouble: { code: 'start_failed' },
      incarnation: 1,
    })
    expect(await control.machine(full.id, report => report.trouble !== null)).toMatchObject({
      trouble: { code: 'storage_full' },
      incarnation: null,
    })
    await control.machine(good.id, report => report.ready)
  })

  it('says that a guest did not answer in time, and gives its place to the next', async () => {
    const silent = [1, 2].map(number => machineSpec(number, { name: `no-agent-${number}`, bootTimeoutMs: 50 }))
    const next = machineSpec(3)
    const { control } = await wished([...silent, next])
    await control.machine(next.id, report => report.ready)
    for (const { id } of silent)
      expect(await control.machine(id, report => report.trouble !== null)).toMatchObject({
        power: 'running',
        ready: false,
        trouble: { code: 'timeout' },
      })
  })

  it('gives a recycled desktop to nobody until its overlay was destroyed', async () => {
    const spec = machineSpec(1)
    const { host, control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    control.tell({
      type: 'change',
      machines: [{ ...spec, generation: 2, incarnation: 2 }],
      images: [],
      gone: [],
      remove: [],
    })
    const again = await control.machine(spec.id, report => report.ready && report.generation === 2)
    expect(again.incarnation).toBe(2)
    expect(await host.overlays()).toEqual([{ machineId: spec.id, incarnation: 2 }])
    const lives = control.heard.flatMap(message =>
      message.type === 'report' ? message.machines.filter(({ generation }) => generation === 2) : [],
    )
    expect(lives.filter(({ ready, incarnation }) => ready && incarnation !== 2)).toEqual([])
  })

  it('destroys what is not wished any more, and says it is gone', async () => {
    const [first, second] = [machineSpec(1), machineSpec(2)]
    const { host, control } = await wished([first, second])
    await control.machine(second.id, report => report.ready)
    await control.machine(first.id, report => report.ready)
    control.tell({ type: 'change', machines: [], images: [], gone: [], remove: [first.id] })
    await control.until(() => !control.machines.has(first.id))
    expect((await host.machines()).map(({ id }) => id)).toEqual([second.id])
    expect((await host.overlays()).map(({ machineId }) => machineId)).toEqual([second.id])
  })

  it('answers "gone" for a machine it never heard of', async () => {
    const { control } = await wished([])
    control.tell({ type: 'change', machines: [], images: [], gone: [], remove: [machineSpec(9).id] })
    await control.until(() =>
      control.heard.some(message => message.type === 'report' && message.gone.includes(machineSpec(9).id)),
    )
  })

  it('starts a crashed machine again, and one that the guest shut down only when its wish changes', async () => {
    const spec = machineSpec(1)
    const { host, control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    host.guestCrash(spec.id)
    await control.machine(spec.id, report => report.stopped === 'crashed')
    await control.machine(spec.id, report => report.ready)
    host.guestShutdown(spec.id)
    await control.machine(spec.id, report => report.stopped === 'guest' && report.step === null)
    control.tell({ type: 'change', machines: [{ ...spec, generation: 2 }], images: [], gone: [], remove: [] })
    await control.machine(spec.id, report => report.ready)
  })

  it('goes on with a machine that paused itself, after a while, and says that its storage is full', async () => {
    const spec = machineSpec(1)
    const { host, control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    await host.machinePause(spec.id)
    expect(await control.machine(spec.id, report => report.power === 'paused')).toMatchObject({
      trouble: { code: 'storage_full' },
    })
    await control.machine(spec.id, report => report.power === 'running' && report.trouble === null)
  })

  it('puts up with events that tell of machines it does not know, and with those it knows already', async () => {
    const spec = machineSpec(1)
    const { host, control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    await host.overlayMake(machineSpec(2))
    await host.machineStart(machineSpec(2))
    // Started behind its back and not wished: found and removed.
    await vi.waitFor(async () => expect(await host.machines()).toHaveLength(1))
    expect(await host.machines()).toMatchObject([{ id: spec.id }])
  })

  it('asks a guest to shut down and keeps its disk when it is wished stopped', async () => {
    const spec = machineSpec(1)
    const { host, control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    const stop = { ...spec, generation: 2, power: 'stopped' as const, stopGraceMs: 60_000 }
    control.tell({ type: 'change', machines: [stop], images: [], gone: [], remove: [] })
    expect(await control.machine(spec.id, report => report.power === 'stopped')).toMatchObject({
      stopped: 'wished',
      incarnation: 1,
    })
    expect(await host.overlays()).toHaveLength(1)
  })

  it('puts a newer screen password in force and says which, where the screen is, and who looks', async () => {
    const spec = machineSpec(1)
    const { control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    const graphics = { serial: 7, password: 'secret', validUntil: new Date(Date.now() + 60_000).toISOString() }
    control.tell({ type: 'change', machines: [{ ...spec, generation: 2, graphics }], images: [], gone: [], remove: [] })
    const report = await control.machine(spec.id, ({ graphics }) => graphics?.serial === 7)
    expect(report.graphics?.port).toBeGreaterThan(0)
  })

  it('works on while the control plane is away, and tells everything when it is back', async () => {
    const spec = machineSpec(1)
    const { host, control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    control.cut()
    host.guestCrash(spec.id)
    await vi.waitFor(async () => expect(await host.machines()).toMatchObject([{ agentConnected: true }]), 10_000)
    control.machines.clear()
    control.open()
    expect(control.heard.at(-1)).toMatchObject({ type: 'report', full: true, machines: [{ id: spec.id }] })
    await control.machine(spec.id, report => report.ready)
  })

  it('adopts what a killed agent left, and removes nothing before it has heard a whole wish', async () => {
    const [kept, orphan] = [machineSpec(1), machineSpec(2)]
    const { host, control, agent } = await wished([kept, orphan])
    for (const { id } of [kept, orphan]) await control.machine(id, report => report.ready)
    await agent[Symbol.asyncDispose]()

    const second = await agentOn(host)
    expect([...second.control.machines.values()].map(({ ready }) => ready)).toEqual([true, true])
    expect(await host.machines()).toHaveLength(2)
    second.control.tell({ type: 'wish', spec: hostSpec([kept]) })
    await second.control.until(() => !second.control.machines.has(orphan.id))
    expect(await host.machines()).toMatchObject([{ id: kept.id, power: 'running' }])
  })

  it('answers an operation once, however often it is asked', async () => {
    const spec = machineSpec(1)
    const { control } = await wished([spec])
    await control.machine(spec.id, report => report.ready)
    const operation = { id: 'a', machineId: spec.id, name: 'screenshot' as const }
    control.tell({ type: 'operate', operation })
    control.tell({ type: 'operate', operation })
    const answers = () => control.heard.filter(message => message.type === 'operated')
    await control.until(() => answers().length === 2)
    expect(answers()[0]).toMatchObject({ operationId: 'a', trouble: null, data: expect.stringMatching(/^iVBOR/) })
  })

  it('reports an image that cannot be made, waits for "try again", and removes it when nothing stands on it', async () => {
    const host = simHost()
    const { control } = await agentOn(host)
    const image = imageSpec({ name: 'fail-image' })
    control.tell({ type: 'wish', spec: hostSpec([machineSpec(1)], { images: [image] }) })
    await control.until(() => control.images.get(image.id)?.state === 'failed')
    expect(await control.machine(machineSpec(1).id, report => report.trouble !== null)).toMatchObject({
      trouble: { code: 'template_unavailable' },
    })
    const better = { ...image, name: 'tiny', attempt: 2 }
    control.tell({ type: 'change', machines: [], images: [better], gone: [], remove: [] })
    await control.machine(machineSpec(1).id, report => report.ready)
    control.tell({ type: 'wish', spec: hostSpec([], { images: [] }) })
    await vi.waitFor(async () => expect(await host.images()).toEqual([]), 10_000)
  })

  it('clears away what came of images that are not wished: at its first wish, and when one is given up', async () => {
    const swept: string[][] = []
    const sweep = async (wished: ReadonlySet<string>) => void swept.push([...wished])
    const { control } = await agentOn({ ...simHost({ delays: { imageMs: 60_000 } }), sweep })
    const image = imageSpec()
    control.tell({ type: 'wish', spec: hostSpec([], { images: [image] }) })
    await control.until(() => control.images.get(image.id)?.state === 'making')
    expect(swept).toEqual([[image.id]])
    control.tell({ type: 'change', machines: [], images: [], gone: [image.id], remove: [] })
    await vi.waitFor(() => expect(swept).toEqual([[image.id], []]), 10_000)
  })

  it('fills a host with two thousand desktops without talking too much', async () => {
    const specs = Array.from({ length: 2_000 }, (_, index) => machineSpec(index + 1))
    const { control } = await wished(specs, { cpus: 64 })
    await control.until(
      () => control.machines.size === 2_000 && [...control.machines.values()].every(({ ready }) => ready),
      60_000,
    )
    const said = control.heard.reduce(
      (sum, message) => sum + (message.type === 'report' ? message.machines.length : 0),
      0,
    )
    expect(said / specs.length).toBeLessThan(30)
  }, 60_000)
})
