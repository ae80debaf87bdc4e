import { request } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeLinkMessage, LinkReader } from '../../spice/link.ts'
import { MessageReader } from '../../spice/wire.ts'
import { openTestChannel } from './client.ts'
import { password, type Rig, startRig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig[Symbol.asyncDispose]())

/** @returns the tunnel, or HTTP's status. */
function tunnel(credentials: string | null): Promise<Socket | number> {
  const [host, port] = rig.address.split(':')
  const headers =
    credentials === null ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }
  return new Promise((resolve, reject) => {
    request({ host, port, method: 'CONNECT', path: 'demo-1:5900', headers })
      .on('connect', (response, socket) =>
        resolve(response.statusCode === 200 ? socket.on('error', () => {}) : (response.statusCode ?? 0)),
      )
      .on('error', reject)
      .end()
  })
}

interface NativeChannel {
  socket: Socket
  sessionId: number
}

/** What a native client does: links itself through the tunnel. @returns null when the tunnel is closed on it. */
async function nativeChannel(sealed: string, channelType: number, connectionId = 0): Promise<NativeChannel | null> {
  const socket = await tunnel(`ticket:${sealed}`)
  if (typeof socket === 'number') return null
  const link = new LinkReader(password)
  const messages = new MessageReader()
  let linked = false
  return new Promise(resolve => {
    socket.on('close', () => resolve(null))
    socket.write(encodeLinkMessage({ connectionId, channelType, channelId: 0 }))
    const read = (bytes: Uint8Array) =>
      messages.feed(bytes, (type, body) => {
        if (type === 103) resolve({ socket, sessionId: Buffer.from(body).readUInt32LE(0) })
        else if (channelType !== 1) resolve({ socket, sessionId: connectionId })
      })
    socket.on('data', (bytes: Buffer) => {
      if (linked) return read(bytes)
      for (const event of link.feed(bytes)) {
        if (event.type === 'send') socket.write(event.bytes)
        if (event.type !== 'linked') continue
        linked = true
        read(event.rest)
      }
    })
  })
}

describe('the CONNECT proxy', () => {
  it('asks a client without a ticket for one', async () => {
    expect(await tunnel(null)).toBe(407)
    expect(await tunnel('somebody:else')).toBe(407)
  })

  it('lets a native client open the channels of its ticket through one port', async () => {
    const sealed = await rig.ticket()
    const main = await nativeChannel(sealed, 1)
    expect(main?.sessionId).toBeGreaterThan(0)
    for (const type of [2, 3, 4]) expect(await nativeChannel(sealed, type, main?.sessionId)).not.toBeNull()
    expect(rig.gateway.stats()).toMatchObject({ sessions: 1, channels: 4, linked: 4, admitted: 1 })
  })

  it('answers only when the desktop takes the password, so that no viewer asks its user for one', async () => {
    rig.screen.setPassword(null, new Date())
    const opening = nativeChannel(await rig.ticket(), 1)
    await vi.waitFor(() => expect(rig.gateway.stats().linkRetries).toBeGreaterThan(1))
    rig.screen.setPassword(password, new Date(Date.now() + 60_000))
    expect(await opening).not.toBeNull()
  })

  it('hangs up on channels the ticket does not name, on a second main channel, and on what is not SPICE', async () => {
    const sealed = await rig.ticket({ channels: [1, 2] })
    const main = await nativeChannel(sealed, 1)
    expect(await nativeChannel(sealed, 3, main?.sessionId)).toBeNull()
    expect(await nativeChannel(sealed, 1)).toBeNull()
    const stranger = await tunnel(`ticket:${sealed}`)
    if (typeof stranger === 'number') throw new Error('no tunnel')
    const closed = new Promise(resolve => stranger.on('close', resolve))
    stranger.resume().write('GET / HTTP/1.1\r\nHost: inside.example\r\n\r\n')
    await closed
    expect(rig.gateway.stats()).toMatchObject({ channels: 1, refused: { 'channel not allowed': 1, used: 1 } })
  })

  it('refuses tickets that are forged, too old, used by a browser, or without main', async () => {
    const used = await rig.ticket()
    await openTestChannel(rig.url(used), '1.0')
    expect(await tunnel(`ticket:${used}`)).toBe(403)
    expect(await tunnel('ticket:x.y.z')).toBe(403)
    expect(await tunnel(`ticket:${await rig.ticket({ channels: [2] })}`)).toBe(403)
    const old = await rig.ticket()
    rig.clock.set(new Date(Date.now() + 120_000))
    expect(await tunnel(`ticket:${old}`)).toBe(403)
  })

  it('ends all channels with the main one, and lets the ticket in no more', async () => {
    const sealed = await rig.ticket()
    const main = await nativeChannel(sealed, 1)
    const inputs = await nativeChannel(sealed, 3, main?.sessionId)
    const closed = new Promise(resolve => inputs?.socket.on('close', resolve))
    main?.socket.destroy()
    await closed
    await vi.waitFor(() => expect(rig.gateway.stats().sessions).toBe(0))
    expect(await tunnel(`ticket:${sealed}`)).toBe(403)
  })

  it('ends a session from outside by its id', async () => {
    const main = await nativeChannel(await rig.ticket({ sessionId: 'native' }), 1)
    const closed = new Promise(resolve => main?.socket.on('close', resolve))
    expect(rig.gateway.kick('native')).toBe(true)
    await closed
  })
})
