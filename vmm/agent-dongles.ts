/** The agent's eye on the host's USB devices, and how dongles are plugged into machines and out of them. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { KnownMachine, World } from './agent-world.ts'
import { dongleRetryMs, type UsbPlace } from './dongles.ts'
import type { Host } from './host.ts'
import type { HostFacts } from './report.ts'

/** Failures that say nothing of the dongle: the machine's own, or libvirt is away. */
const notOfDongle: readonly string[] = ['unreachable', 'not_found', 'cancelled']

interface DongleWish {
  dongleId: string
  at: UsbPlace
}

/** A refusal is the dongle's, not its machine's: a desktop without its dongle is no broken one. */
async function tried(known: KnownMachine, { dongleId }: DongleWish, now: () => number, work: () => Promise<void>) {
  const { [dongleId]: _before, ...others } = known.memory.dongles
  try {
    await work()
    known.memory = { ...known.memory, dongles: others }
  } catch (thrown) {
    const { code, message: text } = asHdcsError(thrown)
    if (notOfDongle.includes(code)) throw thrown
    const refused = { inUse: code === 'conflict', text, retryAtMs: now() + dongleRetryMs }
    known.memory = { ...known.memory, dongles: { ...others, [dongleId]: refused } }
  }
}

export const dongleSteps = {
  'attach dongle': (host: Host, known: KnownMachine, wish: DongleWish, now: () => number) =>
    tried(known, wish, now, async () => {
      const dongle = known.spec?.dongles?.find(({ id }) => id === wish.dongleId)
      if (!dongle) return
      await host.dongleAttach(known.id, dongle, wish.at)
      const others = known.found?.dongles ?? []
      if (known.found) known.found = { ...known.found, dongles: [...others, { id: dongle.id, ...wish.at }] }
    }),
  'detach dongle': (host: Host, known: KnownMachine, wish: DongleWish, now: () => number) =>
    tried(known, wish, now, async () => {
      await host.dongleDetach(known.id, wish.dongleId, wish.at)
      const left = known.found?.dongles?.filter(({ id }) => id !== wish.dongleId) ?? []
      if (known.found) known.found = { ...known.found, dongles: left }
    }),
}

/** Looks with every beat: whoever plugs a dongle in sees it within seconds. */
export function startUsbLook(parts: { host: Host; world: World; log: Log; touch: (ids: Iterable<string>) => void }) {
  const { host, world, log, touch } = parts
  let looking = false
  let trouble = ''

  return {
    /** Never fails. */
    async look(): Promise<void> {
      if (looking) return
      looking = true
      try {
        const devices = await host.usbDevices()
        trouble = ''
        if (JSON.stringify(devices) === JSON.stringify(world.usb.devices)) return
        world.usb.devices = devices
        touch([...world.machines.values()].filter(({ spec }) => spec?.dongles).map(({ id }) => id))
      } catch (thrown) {
        const error = asHdcsError(thrown, 'The host’s USB devices cannot be listed.')
        // What was seen last stays: a libvirt that restarts unplugs nothing.
        if (error.message !== trouble) log.warn({ code: error.code, err: error }, error.message)
        trouble = error.message
      } finally {
        looking = false
      }
    },
    facts: (facts: HostFacts): HostFacts =>
      world.usb.devices === null ? facts : { ...facts, usbDevices: [...world.usb.devices] },
  }
}
