import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { sealTicket, ticketSeconds } from '../../auth/tickets.ts'
import { closeCodes } from '../../spice/close-codes.ts'
import { pingEveryMs, stalledMs } from '../../spice/pipe.ts'
import { linkedChannel, linkedMain, openTestChannel } from './client.ts'
import { startFlood } from './flood.ts'
import { password, type Rig, startRig, ticketKey } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig[Symbol.asyncDispose]())

const newUrl = async (changes?: Parameters<Rig['ticket']>[0]) => rig.url(await rig.ticket(changes))

describe('the gateway', () => {
  it('links a channel itself, tells the capabilities first, and then passes messages both ways', async () => {
    const url = await newUrl()
    const main = await linkedMain(url)
    expect(main.reply).toEqual({ type: 1, id: 0, common: [0b1011], channel: [0] })
    expect(main.socket.protocol).toBe('binary')
    main.send(104)
    expect([...(await main.message(104))]).toEqual([3, 0, 0, 0, 4, 0, 3, 0, 2, 0])
    const inputs = await linkedChannel(url, '3.0')
    for (const code of [0x23, 0xa3, 0x17, 0x97]) inputs.send(104, Uint8Array.of(code))
    await vi.waitFor(() => expect(rig.screen.typed()).toBe('HI'))
    expect(rig.gateway.stats()).toMatchObject({ sessions: 1, channels: 2, admitted: 1, linked: 2, linkFailures: 0 })
  })

  it('asks for the picture itself, so that a silent display never makes QEMU wait', async () => {
    const url = await newUrl()
    await linkedMain(url)
    const display = await linkedChannel(url, '2.0')
    expect((await display.message(314)).length).toBe(20)
    expect((await display.message(304)).length).toBeGreaterThan(100)
  })

  it('never tells the browser the password', async () => {
    const url = await newUrl()
    const main = await linkedMain(url)
    expect(
      JSON.stringify([main.reply, main.messages.map(({ body }) => Buffer.from(body).toString('latin1'))]),
    ).not.toContain(password)
    expect(Buffer.from(new URL(url).searchParams.get('ticket') ?? '', 'base64url').toString('latin1')).not.toContain(
      password,
    )
  })

  it('waits for a password that is not in force yet', async () => {
    rig.screen.setPassword(null, new Date())
    const opening = linkedMain(await newUrl())
    await vi.waitFor(() => expect(rig.gateway.stats().linkRetries).toBeGreaterThan(1))
    rig.screen.setPassword(password, new Date(Date.now() + 60_000))
    expect((await opening).reply.type).toBe(1)
  })

  it('closes with a code of its own when the desktop cannot be reached', async () => {
    await rig.screen.close()
    expect(await openTestChannel(await newUrl(), '1.0')).toBe(closeCodes.linkFailed)
    expect(rig.gateway.stats()).toMatchObject({ sessions: 0, channels: 0, linkFailures: 1 })
  })
})

describe('a ticket', () => {
  it('opens one main channel, once, also when the first one has ended', async () => {
    const url = await newUrl()
    const main = await linkedMain(url)
    expect(await openTestChannel(url, '1.0')).toBe(403)
    main.socket.close()
    await vi.waitFor(() => expect(rig.gateway.stats().sessions).toBe(0))
    expect(await openTestChannel(url, '1.0')).toBe(403)
    expect(rig.gateway.stats().refused).toEqual({ used: 2 })
  })

  it('that races with itself opens one main channel', async () => {
    const url = await newUrl()
    const opened = await Promise.all(Array.from({ length: 8 }, () => openTestChannel(url, '1.0')))
    expect(opened.filter(result => typeof result !== 'number')).toHaveLength(1)
    expect(opened.filter(result => result === 403)).toHaveLength(7)
  })

  it('is too old after its time, while its open session goes on', async () => {
    const now = new Date()
    rig.clock.set(now)
    const [open, unused] = [await newUrl(), await newUrl()]
    await linkedMain(open)
    rig.clock.set(new Date(now.getTime() + (ticketSeconds + 1) * 1000))
    expect(await openTestChannel(unused, '1.0')).toBe(403)
    expect((await linkedChannel(open, '3.0')).reply.type).toBe(3)
  })

  it.each([
    ['sealed with another key', async () => sealTicket({} as never, new Uint8Array(32).fill(8), new Date())],
    ['of another shape', async () => sealTicket({ id: 'x' } as never, ticketKey, new Date())],
    [
      'changed by one letter',
      async () => (await rig.ticket()).replace(/\.(.)(?=[^.]*$)/, (_, letter) => (letter === 'A' ? '.B' : '.A')),
    ],
    ['made up', async () => 'x.y.z'],
  ])('%s lets nobody in', async (_, make) => {
    expect(await openTestChannel(rig.url(await make()), '1.0')).toBe(403)
    expect(rig.gateway.stats().refused).toEqual({ 'not valid': 1 })
  })

  it('opens the channel types it names and no others', async () => {
    const url = await newUrl({ channels: [1, 2] })
    await linkedMain(url)
    expect((await linkedChannel(url, '2.0')).reply.type).toBe(2)
    expect(await openTestChannel(url, '3.0')).toBe(403)
    expect(await openTestChannel(url, '9.0')).toBe(403)
    expect(await openTestChannel(await newUrl({ channels: [2] }), '1.0')).toBe(403)
  })

  it('opens nothing before its main channel', async () => {
    expect(await openTestChannel(await newUrl(), '2.0')).toBe(409)
  })

  it.each(['', '1', '1.999', 'a.b', '1.0.0'])('with the channel "%s" is no request for one', async channel => {
    expect(await openTestChannel(await newUrl(), channel)).toBe(404)
  })

  it('is of no use to the page of another site', async () => {
    const url = await newUrl()
    expect(await openTestChannel(url, '1.0', { origin: 'https://evil.example' })).toBe(403)
    expect(await openTestChannel(url, '1.0', { origin: 'null' })).toBe(403)
    expect(typeof (await openTestChannel(url, '1.0', { origin: `http://${rig.address}` }))).toBe('object')
  })

  it('is of use to pages of the origins that the gateway was told', async () => {
    await using apart = await startRig({ pageOrigins: ['https://desk.example'] })
    const open = async (origin: string) => openTestChannel(apart.url(await apart.ticket()), '1.0', { origin })
    expect(typeof (await open('https://desk.example'))).toBe('object')
    expect(await open('http://desk.example')).toBe(403)
    expect(await open('https://desk.example.evil.example')).toBe(403)
  })

  it('opens so many channels and no more', async () => {
    const url = await newUrl()
    await linkedMain(url)
    const opened = await Promise.all(Array.from({ length: 30 }, (_, id) => openTestChannel(url, `4.${id}`)))
    expect(opened.filter(result => result === 429)).toHaveLength(7)
  })
})

describe('a session', () => {
  it('ends with its main channel, in both directions', async () => {
    const first = await newUrl()
    const [main, display] = [await linkedMain(first), await linkedChannel(first, '2.0')]
    main.socket.close()
    expect((await display.closed).code).toBe(closeCodes.mainClosed)

    const second = await newUrl()
    const [taken, inputs] = [await linkedMain(second), await linkedChannel(second, '3.0')]
    await linkedMain(await newUrl())
    expect((await taken.closed).code).toBe(closeCodes.desktopClosed)
    expect((await inputs.closed).code).toBe(closeCodes.desktopClosed)
  })

  it('is ended from outside by its id, and no other with it', async () => {
    const other = await startRig()
    const url = await newUrl({ sessionId: 'the-one' })
    const [main, display] = [await linkedMain(url), await linkedChannel(url, '2.0')]
    const stays = await linkedMain(
      rig.url(await rig.ticket({ spice: { host: other.screen.host, port: other.screen.port, password } })),
    )
    const unused = await newUrl({ sessionId: 'the-one' })
    expect(rig.gateway.kick('nobody')).toBe(false)
    expect(rig.gateway.kick('the-one')).toBe(true)
    expect(await openTestChannel(unused, '1.0')).toBe(403)
    expect((await main.closed).code).toBe(closeCodes.kicked)
    expect((await display.closed).code).toBe(closeCodes.kicked)
    expect(stays.socket.readyState).toBe(WebSocket.OPEN)
    stays.socket.close()
    await other[Symbol.asyncDispose]()
  })

  it('of a desktop that moves is told so at once', async () => {
    const flood = await startFlood({ mainMessages: [{ type: 111, body: new Uint8Array(20) }] })
    const main = await linkedChannel(await newUrl({ spice: { host: flood.host, port: flood.port, password } }), '1.0')
    expect((await main.closed).code).toBe(closeCodes.moved)
    await flood.close()
  })

  it('ends when the gateway closes, which then lets nobody in', async () => {
    const main = await linkedMain(await newUrl())
    rig.gateway.close()
    expect((await main.closed).code).toBe(closeCodes.gatewayClosing)
    expect(await openTestChannel(await newUrl(), '1.0')).toBe(503)
  })

  it('of a browser that stops reading holds a few MiB, and gets everything when it reads again', async () => {
    const totalBytes = 64 << 20
    const flood = await startFlood({ displayBytes: totalBytes })
    const url = await newUrl({ spice: { host: flood.host, port: flood.port, password } })
    await linkedMain(url)
    const display = await linkedChannel(url, '2.0')
    let received = 0
    display.socket.on('message', (data: Buffer) => {
      received += data.length
    })
    display.socket.pause()
    await vi.waitFor(() => expect(rig.gateway.stats().pausesDown).toBeGreaterThan(0))
    // Nothing more moves: what was taken from the desktop is in the sockets' own buffers and ours.
    let taken = -1
    await vi.waitFor(
      () => {
        const now = rig.gateway.stats().bytesDown
        const still = now === taken
        taken = now
        expect(still).toBe(true)
      },
      { interval: 300, timeout: 10_000 },
    )
    // One MiB of ours, the rest in the buffers of two sockets.
    expect(taken).toBeLessThan(8 << 20)
    display.socket.resume()
    await vi.waitFor(() => expect(rig.gateway.stats().bytesDown).toBeGreaterThan(totalBytes), { timeout: 20_000 })
    await vi.waitFor(() => expect(received).toBeGreaterThan(totalBytes - (1 << 20)), { timeout: 20_000 })
    await flood.close()
  })

  describe('whose browser is gone without a word', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
    afterEach(() => void vi.useRealTimers())

    it('ends when a ping was not answered', async () => {
      const url = await newUrl()
      const main = await linkedChannel(url, '1.0', { autoPong: false })
      await main.message(103)
      const alive = await linkedChannel(url, '3.0')
      vi.advanceTimersByTime(pingEveryMs)
      expect(rig.gateway.stats().channels).toBe(2)
      await new Promise(resolve => main.socket.once('ping', resolve))
      vi.advanceTimersByTime(pingEveryMs)
      expect((await main.closed).code).toBe(closeCodes.stalled)
      expect((await alive.closed).code).toBe(closeCodes.stalled)
    })

    it('ends when it took nothing for too long', async () => {
      const flood = await startFlood({ displayBytes: 64 << 20 })
      const url = await newUrl({ spice: { host: flood.host, port: flood.port, password } })
      const main = await linkedMain(url)
      const display = await linkedChannel(url, '2.0')
      display.socket.pause()
      await vi.waitFor(() => expect(rig.gateway.stats().pausesDown).toBeGreaterThan(0))
      for (let passed = 0; passed < stalledMs; passed += pingEveryMs) {
        vi.advanceTimersByTime(pingEveryMs)
        // Its answer to our own ping comes after it took main's pong.
        main.socket.ping()
        await new Promise(resolve => main.socket.once('pong', resolve))
      }
      expect(rig.gateway.stats().channels).toBe(2)
      vi.advanceTimersByTime(pingEveryMs)
      await vi.waitFor(() => expect(rig.gateway.stats().channels).toBe(1))
      display.socket.terminate()
      await flood.close()
    })
  })

  it('refuses a message larger than any of ours', async () => {
    const url = await newUrl()
    const main = await linkedMain(url)
    main.socket.send(Buffer.alloc((4 << 20) + 1))
    expect((await main.closed).code).toBe(1009)
    await vi.waitFor(() => expect(rig.gateway.stats().sessions).toBe(0))
  })
})
