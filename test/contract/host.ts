import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileHead } from '../../lib/template-file.ts'
import { dialChannel } from '../../spice/dial.ts'
import type { FoundMachine, Host, HostEvent, HostOptions } from '../../vmm/host.ts'
import type { ImageSpec, MachineSpec, StoragePoolSpec } from '../../vmm/spec.ts'
import { foreignCases } from './foreign.ts'
import { growingCases } from './growing.ts'
import { guestAddressCases } from './guest-addresses.ts'
import { guestScriptCases } from './guest-scripts.ts'
import { describeSaved, type HostAtTest } from './host-saved.ts'
import { describeSnapshotsRunning, describeSnapshotsStanding } from './host-snapshots.ts'
import { volumeCases } from './host-volumes.ts'
import { makingCases } from './making.ts'
import { listen } from './news.ts'

export interface HostUnderTest {
  host: Host
  /** The same host after its agent was killed and started again; the old object is of no use then. */
  again(): Promise<Host>
  /** Another installation's host on the same machine. */
  stranger(): Promise<Host>
  image: ImageSpec
  /** What it sent as the file of that id. */
  sent: Map<string, Uint8Array>
  /** Makes a machine that is not ours, with a disk of the image's content, and stands still. @returns libvirt's UUID. */
  foreign(): Promise<string>
  /** Never used by another test or desktop of the machine. */
  subnet: string
  machine: MachineSpec
  pool: StoragePoolSpec
}

const code = (name: string) => expect.objectContaining({ code: name })

/** Keeps what a host sends. */
export const keepSent =
  (sent: Map<string, Uint8Array>): NonNullable<HostOptions['sendExport']> =>
  async (id, { open }) =>
    void sent.set(id, new Uint8Array(await new Response(open()).arrayBuffer()))

/** What every host promises the agent. The cases build on each other: one machine's life from its image to its end. */
export function describeHost(name: string, open: () => Promise<HostUnderTest & AsyncDisposable>): void {
  describe(`the host contract on ${name}`, () => {
    let test: HostUnderTest & AsyncDisposable
    let host: Host
    let news: ReturnType<typeof listen>
    let spec: MachineSpec
    const isOf = (type: HostEvent['type']) => (event: HostEvent) =>
      event.type === type && 'machineId' in event && event.machineId === spec.id
    const mine = async (): Promise<FoundMachine | undefined> => (await host.machines()).find(({ id }) => id === spec.id)

    beforeAll(async () => {
      test = await open()
      ;({ host, machine: spec } = test)
      news = listen(host)
    })
    afterAll(async () => {
      await host?.machineDestroy(spec.id)
      await test?.[Symbol.asyncDispose]()
    })

    it('says what it is and how full it is', async () => {
      const facts = await host.facts()
      expect(facts.cpus).toBeGreaterThan(0)
      expect(facts.acceleratorReason === null).toBe(facts.accelerator === 'kvm')
      const usage = await host.usage()
      expect(usage.storageFreeBytes).toBeLessThanOrEqual(usage.storageTotalBytes)
    })

    it('refuses a disk without its image', async () => {
      await expect(host.overlayMake(spec)).rejects.toEqual(code('not_found'))
    })

    it('makes an image with progress, once', async () => {
      const steps: number[] = []
      const made = await host.imageMake(test.image, percent => steps.push(percent), new AbortController().signal)
      expect(steps.length).toBeGreaterThan(1)
      expect(made).toMatchObject({ id: test.image.id, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
      expect(await host.images()).toEqual([made])
      expect(await host.imageMake(test.image, () => {}, new AbortController().signal)).toEqual(made)
    })

    it('leaves nothing behind of an image whose making was aborted', async () => {
      const other = { ...test.image, id: '018f0000-0000-7000-8000-0000000000f9' }
      const aborted = new AbortController()
      aborted.abort()
      await expect(host.imageMake(other, () => {}, aborted.signal)).rejects.toEqual(code('cancelled'))
      expect(await host.images()).toHaveLength(1)
    })

    it('sends a file that is made of an image, as often as it is asked, and keeps nothing of it', async () => {
      const { hardware } = spec
      const about = { name: 'box', description: '', hardware, readyWhen: 'agent' as const, number: 1, notes: '' }
      const source = { kind: 'export' as const, imageId: test.image.id, format: 'hdcs' as const }
      const file = { ...test.image, id: crypto.randomUUID() }
      const wish = { ...file, source: { ...source, about: { ...about, madeAt: '2026-01-01T00:00:00.000Z' } } }
      for (const _again of [1, 2]) {
        const made = await host.imageMake(wish, () => {}, new AbortController().signal)
        expect(test.sent.get(file.id)?.length).toBe(made.storedBytes)
        expect(fileHead(test.sent.get(file.id) ?? new Uint8Array(0))).toMatchObject({
          kind: 'hdcs',
          manifest: { template: { name: 'box', hardware }, disk: { virtualBytes: made.virtualBytes } },
        })
      }
      const unknown = { ...wish, source: { ...wish.source, imageId: crypto.randomUUID() } }
      await expect(host.imageMake(unknown, () => {}, new AbortController().signal)).rejects.toEqual(code('not_found'))
      expect(await host.images()).toHaveLength(1)
    })

    it('makes a network that is there already', async () => {
      await host.networkEnsure({ supernet: test.subnet, subnet: test.subnet })
      await host.networkEnsure({ supernet: test.subnet, subnet: test.subnet })
    })

    it('puts its machines under rules, and says so when asked again', async () => {
      const nics = spec.nic ? [spec.nic] : []
      expect(await host.guestsEnsure(nics)).toEqual([])
      expect(await host.guestsEnsure(nics)).toEqual([])
    })

    it('refuses to start a machine whose disk is not there', async () => {
      await expect(host.machineStart(spec)).rejects.toEqual(code('not_found'))
    })

    it('makes a disk, and says so when asked again', async () => {
      await host.overlayMake(spec)
      await host.overlayMake(spec)
      expect(await host.overlays()).toEqual([{ machineId: spec.id, incarnation: spec.incarnation }])
    })

    it('refuses to remove an image that a disk stands on', async () => {
      await expect(host.imageRemove(test.image.id)).rejects.toEqual(code('conflict'))
    })

    it('starts a machine, tells it, and says so when asked again', async () => {
      const started = await host.machineStart(spec)
      expect(started).toMatchObject({ id: spec.id, name: spec.name, incarnation: spec.incarnation, power: 'running' })
      await news.event(isOf('started'))
      expect(await host.machineStart(spec)).toMatchObject({ id: spec.id, power: 'running' })
      expect(await mine()).toMatchObject({ id: spec.id, power: 'running' })
    })

    it('hears the guest answer', async () => {
      await news.event(event => isOf('agent')(event) && 'connected' in event && event.connected)
      expect(await host.agentPing(spec.id, 5_000)).toBe(true)
    })

    guestAddressCases(() => ({ host, machineId: spec.id, address: spec.nic?.address }))
    guestScriptCases(() => ({ host, machineId: spec.id }))

    it('opens its screen to who has the password, and tells who looks', async () => {
      const until = new Date(Date.now() + 60_000)
      const graphics = await host.graphicsAdmit(spec.id, 'one-time-secret', until)
      if (!graphics) throw new Error('no screen')
      expect((await mine())?.graphics).toEqual(graphics)
      const { signal } = new AbortController()
      const main = { connectionId: 0, channelType: 1, channelId: 0 }
      await expect(dialChannel({ ...graphics, password: 'a wrong one' }, main, signal)).rejects.toEqual(
        code('unreachable'),
      )
      const { socket } = await dialChannel({ ...graphics, password: 'one-time-secret' }, main, signal)
      expect(await news.event(isOf('clients'))).toMatchObject({ clients: 1 })
      expect(await mine()).toMatchObject({ clients: 1 })
      socket.destroy()
      expect(await news.event(isOf('clients'))).toMatchObject({ clients: 0 })
    })

    it('shuts its screen when the password is over', async () => {
      const graphics = await host.graphicsAdmit(spec.id, 'over-already', new Date(0))
      if (!graphics) throw new Error('no screen')
      const main = { connectionId: 0, channelType: 1, channelId: 0 }
      const dial = dialChannel({ ...graphics, password: 'over-already' }, main, new AbortController().signal)
      await expect(dial).rejects.toEqual(code('unreachable'))
    })

    it('takes a picture of its screen', async () => {
      const png = await host.machineScreenshot(spec.id)
      expect([...png.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47])
    })

    it('opens its serial port to the last who asks for it', async () => {
      await using first = await host.consoleOpen(spec.id)
      // libvirt may only say that it is over. Caught at once: it is over before the second one stands.
      const over = (async () => {
        for await (const _ of first.output);
      })().catch(error => expect(error).toEqual(code('conflict')))
      await using second = await host.consoleOpen(spec.id)
      await over
      await second.write(new TextEncoder().encode('\r'))
      await expect(host.consoleOpen(crypto.randomUUID())).rejects.toEqual(code('not_found'))
    })

    it('pauses and resumes a machine, and says so when asked again', async () => {
      await host.machinePause(spec.id)
      await news.event(isOf('paused'))
      await host.machinePause(spec.id)
      expect(await mine()).toMatchObject({ power: 'paused' })
      await host.machineResume(spec.id)
      await news.event(isOf('resumed'))
      await host.machineResume(spec.id)
      expect(await mine()).toMatchObject({ power: 'running' })
    })

    const at: HostAtTest = {
      get host() {
        return host
      },
      get spec() {
        return spec
      },
      get imageId() {
        return test.image.id
      },
      mine,
      isOf,
      event: is => news.event(is),
      async again() {
        host = await test.again()
        await host.networkEnsure({ supernet: test.subnet, subnet: test.subnet })
        news = listen(host)
      },
    }
    describeSaved(at)
    describeSnapshotsRunning(at)

    it('sends a guest nowhere when nobody listens there, and the guest goes on', async () => {
      const screen = { address: '127.0.0.1', port: null }
      // Port 1 of the loopback: nobody listens there, and whoever is asked says so at once.
      const departure = {
        moveId: crypto.randomUUID(),
        kind: 'live' as const,
        targetUri: 'qemu+tls://127.0.0.1:1/system',
        screen,
      }
      const { signal } = new AbortController()
      await expect(host.machineSend(spec.id, departure, () => {}, signal)).rejects.toEqual(code('internal'))
      expect(await mine()).toMatchObject({ power: 'running', arriving: false })
      const stranger = { ...departure, moveId: crypto.randomUUID() }
      const sending = host.machineSend(crypto.randomUUID(), stranger, () => {}, signal)
      await expect(sending).rejects.toEqual(code('not_found'))
    })

    it('grows a disk under the guest that runs on it, and never makes it smaller', async () => {
      const disk = { machineId: spec.id, incarnation: spec.incarnation }
      for (const gib of [2, 2, 1]) await host.overlayGrow(disk, gib * 2 ** 30)
      expect(await mine()).toMatchObject({ power: 'running' })
      await expect(host.overlayGrow({ ...disk, incarnation: 77 }, 2 ** 30)).rejects.toEqual(code('not_found'))
    })

    growingCases(() => ({ host, again: test.again, spec }))
    volumeCases(() => ({ host, again: test.again, pool: test.pool, spec }))

    it('gets a disk ready for a guest that comes, on shared storage only where it is', async () => {
      const guest = { ...spec, id: crypto.randomUUID(), nic: null }
      const moveId = crypto.randomUUID()
      await expect(host.arrivalPrepare(guest, { moveId, shared: true })).rejects.toEqual(code('not_found'))
      await host.arrivalPrepare(guest, { moveId, shared: false })
      await host.arrivalPrepare(guest, { moveId, shared: false })
      const disk = { machineId: guest.id, incarnation: guest.incarnation }
      expect(await host.overlays()).toContainEqual(disk)
      await host.arrivalPrepare(guest, { moveId: crypto.randomUUID(), shared: true })
      await host.overlayRemove(disk)
      expect(await host.overlays()).not.toContainEqual(disk)
    })

    it('lists the USB devices of its machine, and gives none that is not there', async () => {
      const devices = await host.usbDevices()
      for (const device of devices ?? []) expect(device).toMatchObject({ port: expect.stringMatching(/^\d+-/) })
      const dongle = { id: crypto.randomUUID(), vendor: '0529', product: '0001', serial: null, port: '9-9' }
      const at = { bus: 99, device: 99 }
      await expect(host.dongleAttach(spec.id, dongle, at)).rejects.toEqual(code('invalid'))
      expect(await mine()).toMatchObject({ power: 'running' })
      await host.dongleDetach(spec.id, dongle.id, at)
      await expect(host.dongleAttach(crypto.randomUUID(), dongle, at)).rejects.toEqual(code('not_found'))
    })

    it('gives a machine a USB device that is there, says so when asked again, and takes it back', async context => {
      const [device] = (await host.usbDevices()) ?? []
      // Most machines that test have none to give away.
      if (!device) return context.skip('no USB device is plugged in here')
      const dongle = { ...device, id: crypto.randomUUID() }
      for (let time = 0; time < 2; time++) await host.dongleAttach(spec.id, dongle, device)
      expect((await mine())?.dongles).toEqual([{ id: dongle.id, bus: device.bus, device: device.device }])
      for (let time = 0; time < 2; time++) await host.dongleDetach(spec.id, dongle.id, device)
      expect((await mine())?.dongles ?? []).toEqual([])
    })

    it('finds everything again after its agent was killed, who looks too, and goes on telling', async () => {
      const graphics = await host.graphicsAdmit(spec.id, 'looks-on', new Date(Date.now() + 60_000))
      if (!graphics) throw new Error('no screen')
      const main = { connectionId: 0, channelType: 1, channelId: 0 }
      const { socket } = await dialChannel({ ...graphics, password: 'looks-on' }, main, new AbortController().signal)
      await news.event(event => isOf('clients')(event) && 'clients' in event && event.clients === 1)
      host = await test.again()
      await host.networkEnsure({ supernet: test.subnet, subnet: test.subnet })
      news = listen(host)
      expect(await mine()).toMatchObject({ incarnation: spec.incarnation, agentConnected: true, clients: 1 })
      socket.destroy()
      expect(await news.event(isOf('clients'))).toMatchObject({ clients: 0 })
      expect(await host.overlays()).toHaveLength(1)
      expect(await host.images()).toHaveLength(1)
      expect(await host.agentPing(spec.id, 5_000)).toBe(true)
    })

    it('shows another installation nothing of it', async () => {
      await using stranger = await test.stranger()
      expect(await stranger.machines()).toEqual([])
      expect(await stranger.overlays()).toEqual([])
      await stranger.machineDestroy(spec.id)
      expect(await mine()).toBeDefined()
    })

    it('tells of a guest that shuts down as it was asked to', async () => {
      await host.machineShutdown(spec.id)
      expect(await news.event(isOf('stopped'))).toMatchObject({ because: 'guest' })
      expect(await mine()).toBeUndefined()
    })

    it('says that a machine is not there where one is needed', async () => {
      const asks = [host.machineShutdown, host.machinePause, host.machineResume, host.machineReset, host.machineReboot]
      for (const ask of asks) await expect(ask.call(host, spec.id)).rejects.toEqual(code('not_found'))
      await expect(host.graphicsAdmit(spec.id, 'x', new Date())).rejects.toEqual(code('not_found'))
      expect(await host.agentPing(spec.id, 500)).toBe(false)
    })

    it('keeps the disk of a machine that stands still, and cuts its power when told to', async () => {
      expect(await host.overlays()).toHaveLength(1)
      await host.machineStart(spec)
      await host.machineDestroy(spec.id)
      expect(await news.event(isOf('stopped'))).toMatchObject({ because: 'wished' })
      await host.machineDestroy(spec.id)
    })

    makingCases(() => ({ host, machine: spec }))

    it('says what a machine that stands still would start with', async () => {
      const { xml, live } = await host.machineXml(spec.id, spec)
      expect(live).toBe(false)
      expect(xml).toContain(`<uuid>${spec.id}</uuid>`)
      expect(xml).not.toContain('passwd')
    })

    describeSnapshotsStanding(at)

    it('leaves with its guests’ power cut and their disks kept, also when nothing runs', async () => {
      await host.machineStart(spec)
      expect(await host.leave()).toEqual([spec.name])
      expect(await host.machines()).toEqual([])
      expect(await host.overlays()).toHaveLength(1)
      expect(await host.leave()).toEqual([])
    })

    foreignCases(() => ({
      host,
      test,
      answers: id => news.event(event => event.type === 'agent' && event.machineId === id && event.connected),
    }))

    it('removes disk and image, also when they are gone', async () => {
      for (let time = 0; time < 2; time++) {
        await host.overlayRemove({ machineId: spec.id, incarnation: spec.incarnation })
        await host.imageRemove(test.image.id)
      }
      await host.sweep(new Set([test.image.id]))
      expect(await host.overlays()).toEqual([])
      expect(await host.images()).toEqual([])
    })
  })
}
