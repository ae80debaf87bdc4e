import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeDisplay } from '../../spice/channels/display.ts'
import { dialChannel } from '../../spice/dial.ts'
import { encodeMessage, MessageReader, pack } from '../../spice/wire.ts'
import { type SimScreen, startSimScreen } from '../../vmm/sim-screen.ts'

const password = 'right'
let screen: SimScreen
const counts: number[] = []
beforeEach(async () => {
  counts.length = 0
  screen = await startSimScreen({ name: 'demo-3' })
  screen.setPassword(password, new Date(Date.now() + 60_000))
  screen.onClients(count => counts.push(count))
})
afterEach(() => screen.close())

async function open(channelType: number, connectionId = 0, given = password) {
  const request = { connectionId, channelType, channelId: 0 }
  const { socket } = await dialChannel({ ...screen, password: given }, request, AbortSignal.timeout(1_000))
  const display = makeDisplay({ primary: () => {}, damaged: () => {} })
  const reader = new MessageReader()
  let sessionId = 0
  socket.on('data', (bytes: Buffer) =>
    reader.feed(bytes, (type, body) => {
      if (channelType === 1 && type === 103) sessionId = Buffer.from(body).readUInt32LE(0)
      else if (channelType === 2) display.message(type, body)
    }),
  )
  socket.resume()
  const closed = new Promise<void>(resolve => socket.on('close', () => resolve()))
  const send = (type: number, body: Uint8Array) => socket.write(encodeMessage(type, body))
  return { socket, display, closed, send, session: () => sessionId }
}
async function openMain() {
  const main = await open(1)
  await vi.waitFor(() => expect(main.session()).toBeGreaterThan(0))
  return main
}

describe('a simulated screen', () => {
  it('lets in whoever has the password in time, and nobody else', async () => {
    await openMain()
    await expect(open(1, 0, 'wrong')).rejects.toMatchObject({ code: 'cancelled' })
    screen.setPassword(password, new Date(Date.now() - 1))
    await expect(open(1)).rejects.toMatchObject({ code: 'cancelled' })
    screen.setPassword(null, new Date(Date.now() + 60_000))
    await expect(open(1, 0, '')).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('refuses channels of a session that is not, and throws the first client out for a second', async () => {
    await expect(open(2, 1)).rejects.toMatchObject({ code: 'unreachable' })
    const first = await openMain()
    const display = await open(2, first.session())
    const second = await openMain()
    await first.closed
    await display.closed
    expect(second.socket.destroyed).toBe(false)
    await expect(open(2, first.session())).rejects.toMatchObject({ code: 'unreachable' })
    second.socket.destroy()
    await vi.waitFor(() => expect(counts.at(-1)).toBe(0))
    expect(Math.max(...counts)).toBe(1)
  })

  it('shows its name, and what is typed and pressed changes its picture', async () => {
    const main = await openMain()
    const { display, send } = await open(2, main.session())
    const inputs = await open(3, main.session())
    send(101, new Uint8Array(14))
    const bright = () => display.primary()?.pixels.filter(pixel => pixel === (0xffffffff | 0)).length ?? 0
    await vi.waitFor(() => expect(bright()).toBeGreaterThan(1000))
    const before = display.primary()?.pixels.slice()
    inputs.send(104, Uint8Array.of(0x14, 0x94, 0x31))
    for (const code of [0x12, 0x1f, 0x14]) inputs.send(104, Uint8Array.of(code))
    await vi.waitFor(() => expect(screen.typed()).toBe('TEST'))
    inputs.send(104, Uint8Array.of(0x0e))
    await vi.waitFor(() => expect(screen.typed()).toBe('TES'))
    await vi.waitFor(() => expect(display.primary()?.pixels).not.toEqual(before))
    inputs.send(112, pack(['u32', 700], ['u32', 400], ['u16', 0], ['u8', 0]))
    inputs.send(113, pack(['u8', 1], ['u16', 1]))
    await vi.waitFor(() => expect(display.primary()?.pixels[400 * 800 + 700]).toBe(0xff54b4ff | 0))
    expect(display.stats.skipped).toEqual({})
  })

  it('survives strangers that speak something else', async () => {
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'.padEnd(60)),
      Buffer.from('REDQ'.padEnd(60, '\xff'), 'latin1'),
    ]) {
      const socket = connect(screen.port, screen.host)
      const closed = new Promise<void>(resolve => socket.on('close', () => resolve()))
      socket.resume().write(bytes)
      await closed
    }
    await openMain()
  })
})
