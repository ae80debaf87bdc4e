import { describe, expect, it } from 'vitest'
import { HdcsError } from '../../../lib/errors.ts'
import { type ConnectionEvent, type ConnectionOptions, connectLibvirt } from '../../../vmm/libvirt/connection.ts'
import type { EventSubscription } from '../../../vmm/libvirt/events.ts'
import { type FakeLibvirt, fakeLibvirt } from '../../support/fake-libvirt.ts'

const domain = { name: 'one', uuid: '11111111-2222-3333-4444-555555555555', id: 7 }
const retry = { firstMs: 1, maxMs: 4 }

/** A machine with sockets by name: a daemon behind it, or nobody (null). */
function machine(daemons: Record<string, FakeLibvirt | null>) {
  const tried: string[] = []
  const options = (wishes: Partial<ConnectionOptions> = {}): ConnectionOptions => ({
    uri: 'test:///default',
    sockets: Object.keys(daemons),
    keepalive: null,
    retry,
    dial: socket => (receiver, signal) => {
      tried.push(socket)
      const daemon = daemons[socket]
      if (!daemon) throw new HdcsError('unreachable', `nobody at ${socket}`)
      return daemon.dial(receiver, signal)
    },
    ...wishes,
  })
  return { daemons, tried, options }
}

async function next(events: EventSubscription<ConnectionEvent>): Promise<ConnectionEvent> {
  for await (const event of events) return event
  throw new Error('The events ended.')
}

const stopped = { domain, change: { what: 'stopped', why: 'failed' } }
const answering = () => fakeLibvirt({ answers: { connectGetHostname: 'here' } })

describe('a libvirt connection', () => {
  it('takes the first socket that answers, monolithic before modular', async () => {
    const both = machine({ 'libvirt-sock': answering(), 'virtqemud-sock': answering() })
    await using whole = await connectLibvirt(both.options())
    expect(whole.socket).toBe('libvirt-sock')
    const modular = machine({ 'libvirt-sock': null, 'virtqemud-sock': answering() })
    await using parts = await connectLibvirt(modular.options())
    expect(parts.socket).toBe('virtqemud-sock')
    await expect(parts.connectGetHostname()).resolves.toBe('here')
  })

  it('fails with what a daemon said rather than with a socket that is not there', async () => {
    const refusing = fakeLibvirt({ answers: { authList: [1] } })
    const { options } = machine({ a: refusing, b: null })
    await expect(connectLibvirt(options())).rejects.toMatchObject({ code: 'forbidden' })
    await expect(connectLibvirt(machine({ a: null, b: null }).options())).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('comes back after it broke, tells its subscribers to reread, and their events go on', async () => {
    const daemon = answering()
    const { options } = machine({ sock: daemon })
    await using libvirt = await connectLibvirt(options())
    await using events = await libvirt.eventsSubscribe(['lifecycle'])
    daemon.cut()
    expect(await next(events)).toMatchObject({ type: 'lost', error: { code: 'unreachable' } })
    expect(await next(events)).toEqual({ type: 'renewed' })
    daemon.event('lifecycle', stopped)
    expect(await next(events)).toMatchObject({ type: 'lifecycle' })
    await expect(libvirt.connectGetHostname()).resolves.toBe('here')
  })

  it('says renewed before any event of the new connection', async () => {
    const daemon = answering()
    await using libvirt = await connectLibvirt(machine({ sock: daemon }).options())
    await using events = await libvirt.eventsSubscribe(['lifecycle'])
    const registrations = () => daemon.made.filter(name => name === 'connectDomainEventCallbackRegisterAny').length
    daemon.cut()
    await daemon.until(() => registrations() === 2)
    daemon.event('lifecycle', stopped)
    const seen = [await next(events), await next(events), await next(events)]
    expect(seen.map(({ type }) => type)).toEqual(['lost', 'renewed', 'lifecycle'])
  })

  it('forgets nobody who subscribes while it is being renewed', async () => {
    const daemon = answering()
    await using libvirt = await connectLibvirt(machine({ sock: daemon }).options())
    await using early = await libvirt.eventsSubscribe(['lifecycle'])
    const registrations = () => daemon.made.filter(name => name === 'connectDomainEventCallbackRegisterAny').length
    daemon.cut()
    await daemon.until(() => registrations() === 2)
    expect(libvirt.socket).toBeNull()
    await using late = await libvirt.eventsSubscribe(['reboot'])
    expect([await next(early), await next(early)]).toMatchObject([{ type: 'lost' }, { type: 'renewed' }])
    expect(await next(late)).toEqual({ type: 'renewed' })
    daemon.event('reboot', { domain })
    expect(await next(late)).toMatchObject({ type: 'reboot' })
  })

  it('refuses calls at once while it is down, and knocks until somebody answers', async () => {
    const place = machine({ sock: answering() })
    await using libvirt = await connectLibvirt(place.options())
    await using events = await libvirt.eventsSubscribe([])
    const daemon = place.daemons.sock
    place.daemons.sock = null
    daemon?.cut()
    expect(await next(events)).toMatchObject({ type: 'lost' })
    await expect(libvirt.connectGetHostname()).rejects.toMatchObject({ code: 'unreachable' })
    expect(libvirt.socket).toBeNull()
    place.daemons.sock = answering()
    expect(await next(events)).toEqual({ type: 'renewed' })
    expect(libvirt.socket).toBe('sock')
  })

  it('may start while nobody answers, if its owner is patient', async () => {
    const place = machine({ sock: null })
    await using libvirt = await connectLibvirt(place.options({ patient: true }))
    await using events = await libvirt.eventsSubscribe(['lifecycle'])
    await expect(libvirt.connectGetHostname()).rejects.toMatchObject({ code: 'unreachable' })
    place.daemons.sock = answering()
    expect(await next(events)).toEqual({ type: 'renewed' })
    await expect(libvirt.connectGetHostname()).resolves.toBe('here')
  })

  it('stays away once it is closed, and ends its subscriptions', async () => {
    const daemon = answering()
    const place = machine({ sock: daemon })
    const libvirt = await connectLibvirt(place.options())
    const events = await libvirt.eventsSubscribe(['lifecycle'])
    await libvirt[Symbol.asyncDispose]()
    await expect(next(events)).rejects.toThrow('The events ended.')
    await expect(libvirt.connectGetHostname()).rejects.toMatchObject({ code: 'unreachable' })
    await expect(libvirt.eventsSubscribe(['lifecycle'])).rejects.toMatchObject({ code: 'unreachable' })
    expect([place.tried.length, daemon.connections()]).toEqual([1, 0])
  })

  it('can be closed while it is knocking', async () => {
    const place = machine({ sock: answering() })
    const libvirt = await connectLibvirt(place.options({ retry: { firstMs: 3_600_000, maxMs: 3_600_000 } }))
    await using events = await libvirt.eventsSubscribe([])
    const daemon = place.daemons.sock
    place.daemons.sock = null
    daemon?.cut()
    expect(await next(events)).toMatchObject({ type: 'lost' })
    await libvirt[Symbol.asyncDispose]()
  })
})
