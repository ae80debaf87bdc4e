import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type ClientOptions, openClient } from '../../../vmm/libvirt/client.ts'
import { isLibvirt, LibvirtError } from '../../../vmm/libvirt/errors.ts'
import { packetTypes } from '../../../vmm/libvirt/packet.ts'
import { type FakeOptions, fakeLibvirt } from '../../support/fake-libvirt.ts'

const uri = 'test:///default'
const domain = { name: 'one', uuid: '11111111-2222-3333-4444-555555555555', id: 7 }

async function opened(options: Partial<ClientOptions> = {}, fakeOptions: FakeOptions = {}) {
  const daemon = fakeLibvirt(fakeOptions)
  const client = await openClient(daemon.dial, { uri, keepalive: null, ...options })
  return { daemon, client }
}

describe('opening', () => {
  it('asks how to log in, asks for pings, and only then opens the driver', async () => {
    const daemon = fakeLibvirt()
    await using _client = await openClient(daemon.dial, { uri })
    expect(daemon.made).toEqual(['authList', 'connectSupportsFeature', 'connectOpen'])
  })

  it('proves itself by polkit when nothing less is offered', async () => {
    const daemon = fakeLibvirt({ answers: { authList: [2], authPolkit: 1 } })
    await using _client = await openClient(daemon.dial, { uri, keepalive: null })
    expect(daemon.made).toEqual(['authList', 'authPolkit', 'connectOpen'])
  })

  it('is refused as forbidden where only a password login is offered, and hangs up', async () => {
    const daemon = fakeLibvirt({ answers: { authList: [1] } })
    await expect(openClient(daemon.dial, { uri, keepalive: null })).rejects.toMatchObject({ code: 'forbidden' })
    expect(daemon.connections()).toBe(0)
  })

  it('ends in time with a daemon that accepts and says nothing', async () => {
    const daemon = fakeLibvirt()
    daemon.state.silent = true
    await expect(openClient(daemon.dial, { uri, openTimeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' })
    expect(daemon.connections()).toBe(0)
  })
})

describe('calls', () => {
  it('get their own answers whatever order these come in, one byte at a time', async () => {
    const { daemon, client } = await opened({}, { trickle: true })
    const asked = ['one', 'two', 'three'].map(name => client.domainLookupByName({ name }))
    await daemon.until(() => daemon.calls.length === 3)
    for (const call of daemon.calls.toReversed()) call.answer({ ...domain, name: call.given.name })
    expect((await Promise.all(asked)).map(({ name }) => name)).toEqual(['one', 'two', 'three'])
  })

  it('carry the defaults of what their caller left out', async () => {
    const { daemon, client } = await opened()
    const asked = client.domainCreateXml({ xml: `<domain>${'x'.repeat(5_000)}</domain>` })
    const call = await daemon.next()
    expect(call).toMatchObject({ name: 'domainCreateXml', given: { flags: 0 } })
    call.answer(domain)
    await expect(asked).resolves.toEqual(domain)
  })

  it('that libvirt refuses fail with a house code, and keep libvirt’s own numbers as the cause', async () => {
    const { daemon, client } = await opened()
    const asked = client.domainLookupByName({ name: 'gone' })
    ;(await daemon.next()).refuse(42, 'Domain not found: gone')
    const error = await asked.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'not_found', message: 'libvirt: Domain not found: gone' })
    expect((error as Error).cause).toBeInstanceOf(LibvirtError)
    expect((error as Error).cause).toMatchObject({ code: 42, domain: 10, level: 2 })
    expect([isLibvirt(error, 'noDomain'), isLibvirt(error, 'noNetwork', 'operationInvalid')]).toEqual([true, false])
  })

  it.each([
    [43, 'not_found'],
    [50, 'not_found'],
    [55, 'conflict'],
    [68, 'timeout'],
    [78, 'cancelled'],
    [87, 'conflict'],
    [27, 'invalid'],
    [1, 'internal'],
    [9999, 'internal'],
  ])('refused with code %i fail as %s', async (code, meaning) => {
    const { daemon, client } = await opened()
    const asked = client.connectGetHostname()
    ;(await daemon.next()).refuse(code, 'no')
    await expect(asked).rejects.toMatchObject({ code: meaning })
  })

  it('past their deadline fail with timeout, and their late answer disturbs nobody', async () => {
    const { daemon, client } = await opened()
    const late = client.connectGetHostname({}, { timeoutMs: 10 })
    await expect(late).rejects.toMatchObject({ code: 'timeout', message: expect.stringContaining('did not answer') })
    const call = await daemon.next()
    const asked = client.connectGetUri()
    call.answer('too late')
    ;(await daemon.next()).answer('in time')
    await expect(asked).resolves.toBe('in time')
  })

  it('with a malformed answer fail alone', async () => {
    const { daemon, client } = await opened()
    const [bad, good] = [client.domainLookupByName({ name: 'x' }), client.connectGetHostname()]
    const call = await daemon.next('domainLookupByName')
    daemon.packet({ procedure: 23, type: packetTypes.reply, serial: call.serial, payload: new Uint8Array(4).fill(255) })
    ;(await daemon.next('connectGetHostname')).answer('host')
    await expect(bad).rejects.toMatchObject({ code: 'protocol' })
    await expect(good).resolves.toBe('host')
  })

  it('with an argument that cannot be written are never sent', async () => {
    const { daemon, client } = await opened()
    await expect(client.domainLookupByUuid({ uuid: 'nonsense' })).rejects.toMatchObject({ code: 'invalid' })
    expect(daemon.calls).toEqual([])
  })
})

describe('calls in flight', () => {
  it('are never more than libvirt reads while it answers pings', async () => {
    const { daemon, client } = await opened()
    const asked = Array.from({ length: 10 }, (_, index) => client.domainLookupByName({ name: `${index}` }))
    await daemon.until(() => daemon.calls.length === 4)
    for (let served = 0; served < 10; served++) {
      expect(daemon.calls.length).toBe(Math.min(4, 10 - served))
      const call = await daemon.next()
      call.answer({ ...domain, name: call.given.name })
    }
    expect((await Promise.all(asked)).map(({ name }) => name)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`))
  })

  it('take turns by lane: one call is not held up by a hundred of another', async () => {
    const { daemon, client } = await opened({ maxInFlight: 1 })
    const crowd = Array.from({ length: 100 }, () => client.connectGetHostname({}, { lane: 'crowd' }))
    const lone = client.connectGetUri({}, { lane: 'lone' })
    const order: string[] = []
    for (let served = 0; served < 101; served++) {
      const call = await daemon.next()
      order.push(call.name)
      call.answer('')
    }
    await Promise.all([...crowd, lone])
    expect(order.indexOf('connectGetUri')).toBeLessThanOrEqual(2)
  })

  it('keep their place after their deadline until libvirt answers, because libvirt counts them too', async () => {
    const { daemon, client } = await opened({ maxInFlight: 1 })
    await expect(client.connectGetHostname({}, { timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' })
    await expect(client.connectGetUri({}, { timeoutMs: 10 })).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('not even asked'),
    })
    expect(daemon.calls.map(({ name }) => name)).toEqual(['connectGetHostname'])
    const third = client.connectGetType()
    ;(await daemon.next()).answer('late')
    ;(await daemon.next('connectGetType')).answer('QEMU')
    await expect(third).resolves.toBe('QEMU')
  })
})

describe('a connection', () => {
  it('that breaks fails every call at once, sent or waiting, and every later one', async () => {
    const { daemon, client } = await opened({ maxInFlight: 1 })
    const asked = [client.connectGetHostname(), client.connectGetUri()]
    await daemon.until(() => daemon.calls.length === 1)
    daemon.cut()
    for (const call of [...asked, client.connectGetType()])
      await expect(call).rejects.toMatchObject({ code: 'unreachable' })
    await expect(client.closed).resolves.toMatchObject({ code: 'unreachable', cause: { message: 'killed' } })
  })

  it.each([
    ['nonsense', (daemon: ReturnType<typeof fakeLibvirt>) => daemon.bytes(new Uint8Array(8).fill(255))],
    [
      'an answer to a call that nobody made',
      (daemon: ReturnType<typeof fakeLibvirt>) => daemon.packet({ serial: 999 }),
    ],
    ['a packet of an unknown type', (daemon: ReturnType<typeof fakeLibvirt>) => daemon.packet({ type: 77 })],
  ])('that brings %s is hung up on', async (_, act) => {
    const { daemon, client } = await opened()
    act(daemon)
    await expect(client.closed).resolves.toMatchObject({ code: 'protocol' })
    expect(daemon.connections()).toBe(0)
  })

  it('says goodbye when it is closed, and does not wait for a daemon that hangs', async () => {
    const { daemon, client } = await opened()
    daemon.state.silent = true
    await client[Symbol.asyncDispose]()
    expect(daemon.made.at(-1)).toBe('connectClose')
    expect(daemon.connections()).toBe(0)
  })
})

describe('keepalive', () => {
  const keepalive = { intervalMs: 5, count: 2 }

  it('does not judge a daemon that is slow to open, only one that is open', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const daemon = fakeLibvirt({ held: ['connectOpen'] })
    const opening = openClient(daemon.dial, { uri, keepalive: { intervalMs: 1_000, count: 1 } })
    const call = await daemon.next('connectOpen')
    vi.advanceTimersByTime(20_000)
    expect(daemon.state.pings).toBe(0)
    call.answer()
    await using _client = await opening
    vi.advanceTimersByTime(1_000)
    expect(daemon.state.pings).toBe(1)
  })

  it('answers the daemon’s pings', async () => {
    const { daemon } = await opened()
    daemon.ping()
    expect(daemon.state.pongs).toBe(1)
  })

  it('keeps a connection that is quiet but answers', async () => {
    const { daemon, client } = await opened({ keepalive })
    await daemon.until(() => daemon.state.pings > 10)
    const asked = client.connectGetHostname()
    ;(await daemon.next()).answer('alive')
    await expect(asked).resolves.toBe('alive')
    await client[Symbol.asyncDispose]()
  })

  it('gives up a daemon that stopped answering, calls in flight included', async () => {
    const { daemon, client } = await opened({ keepalive })
    daemon.state.silent = true
    await expect(client.connectGetHostname()).rejects.toMatchObject({ code: 'unreachable' })
    expect(daemon.state.pings).toBe(keepalive.count)
    expect(daemon.connections()).toBe(0)
  })
})
