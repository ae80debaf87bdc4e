import { describe, expect, it, vi } from 'vitest'
import { openChannel } from '../../spice/channel.ts'
import { makeDisplay } from '../../spice/channels/display.ts'
import { decodeSlowly } from '../../spice/fallback.ts'
import { scanCode } from '../../spice/keys.ts'
import type { Surface } from '../../spice/surface.ts'
import { linkedChannel, linkedMain } from './client.ts'
import { type Qemu, startQemu } from './qemu.ts'
import { password, startRig } from './rig.ts'

const forget = (surface: Surface) => {
  surface.dirty = []
}

/** The display channel of the browser, without a browser. */
function watchDisplay(url: string) {
  const display = makeDisplay({ primary: () => {}, damaged: forget }, decodeSlowly)
  const channel = openChannel({ url, type: 2, message: display.message, closed: () => {} })
  return { display, channel }
}

/** How many pixels of ours are not QEMU's own. */
async function differences(qemu: Qemu, display: ReturnType<typeof makeDisplay>) {
  const wanted = await qemu.screendump()
  const surface = display.primary()
  if (!surface || surface.width !== wanted.width || surface.height !== wanted.height)
    return { different: -1, wanted, size: surface && [surface.width, surface.height] }
  let different = 0
  for (const [at, pixel] of wanted.pixels.entries()) {
    const ours = surface.pixels[at] ?? 0
    const rgb = ((ours & 0xff) << 16) | (ours & 0xff00) | ((ours >> 16) & 0xff)
    if (rgb !== pixel) different++
  }
  return { different, wanted, size: [surface.width, surface.height] }
}

describe.each([
  ['std', 'lz', ['-vga', 'std']],
  ['virtio', 'lz', ['-vga', 'none', '-device', 'virtio-vga']],
  ['qxl', 'lz', ['-vga', 'qxl']],
  ['std', 'off', ['-vga', 'std']],
  ['std', 'quic', ['-vga', 'std']],
  ['virtio', 'auto_glz', ['-vga', 'none', '-device', 'virtio-vga']],
] as const)('a real screen (%s, compression %s)', (_, compression, vga) => {
  it('is drawn pixel for pixel, through text that scrolls, palettes and 32 bits, and reacts to keys', async () => {
    await using qemu = await startQemu({ vga, compression })
    await qemu.setPassword(password)
    await using rig = await startRig()
    const url = rig.url(await rig.ticket({ spice: { host: '127.0.0.1', port: qemu.port, password } }))
    await linkedMain(url)
    const { display, channel } = watchDisplay(url)
    const inputs = await linkedChannel(url, '3.0')
    const press = (name: string) => {
      for (const down of [true, false]) inputs.send(104, Uint8Array.from(scanCode(name, down) ?? []))
    }
    const same = (width: number, colours: number, timeout = 30_000) =>
      vi.waitFor(
        async () => {
          const { different, wanted, size } = await differences(qemu, display)
          const enough = new Set(wanted.pixels).size >= colours
          expect({ different, width: size?.[0], enough }).toEqual({ different: 0, width, enough: true })
        },
        { timeout, interval: 200 },
      )
    /** A BIOS that is still starting may lose a key. */
    const pressUntilSame = async (name: string, width: number, colours: number) => {
      for (let tries = 1; ; tries++) {
        press(name)
        const error = await same(width, colours, 4_000).then(
          () => null,
          reason => reason,
        )
        if (!error) return
        if (tries === 6) throw error
      }
    }
    await same(720, 1)
    await pressUntilSame('Digit1', 720, 12)
    for (const letter of 'hello') press(`Key${letter.toUpperCase()}`)
    await same(720, 12)
    await pressUntilSame('Digit2', 640, 100)
    await pressUntilSame('Digit3', 800, 1000)
    expect(display.stats.skipped).toEqual({})
    expect(channel.stats.unknown).toEqual({})
    channel.close()
  })
})
