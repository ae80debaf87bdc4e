import { describe, expect, it } from 'vitest'
import { openClient } from '../../../vmm/libvirt/client.ts'
import { domainEvents, type EventSubscription } from '../../../vmm/libvirt/events.ts'
import { packetTypes } from '../../../vmm/libvirt/packet.ts'
import { fakeLibvirt } from '../../support/fake-libvirt.ts'

const domain = { name: 'one', uuid: '11111111-2222-3333-4444-555555555555', id: 7 }
const stopped = { domain, change: { what: 'stopped', why: 'failed' } }
const address = { family: 'ipv4', node: '127.0.0.1', service: '5900' }

async function opened() {
  const daemon = fakeLibvirt()
  const client = await openClient(daemon.dial, { uri: 'test:///default', keepalive: null })
  return { daemon, client }
}

async function first<E>(count: number, events: AsyncIterable<E>): Promise<E[]> {
  const seen: E[] = []
  for await (const event of events) if (seen.push(event) === count) break
  return seen
}

describe('events', () => {
  it.each([
    ['lifecycle', stopped],
    ['lifecycle', { domain, change: { what: 'started', why: 'booted' } }],
    ['reboot', { domain }],
    ['graphics', { domain, phase: 'disconnect', local: address, remote: address, authScheme: 'spice', subject: [] }],
    ['ioError', { domain, path: '/disk', alias: 'virtio-disk0', action: 'pause', reason: 'enospc' }],
    ['deviceRemoved', { domain, alias: 'redir0' }],
    ['deviceAdded', { domain, alias: 'redir0' }],
    ['blockJob', { domain, disk: 'vda', job: 'backup', status: 'completed' }],
    ['agentLifecycle', { domain, state: 'connected', reason: 'channel' }],
    ['migrationIteration', { domain, iteration: 3 }],
    ['jobCompleted', { domain, params: { downtime: 17n, operation: 5 } }],
  ] as const)('of kind %s reach their subscriber as they were sent', async (kind, fields) => {
    const { daemon, client } = await opened()
    await using events = await client.eventsSubscribe([kind])
    daemon.event(kind, fields)
    await expect(first(1, events)).resolves.toEqual([{ type: kind, ...fields }])
  })

  it('that a newer libvirt names differently are unknown, not wrong', async () => {
    const { daemon, client } = await opened()
    await using events = await client.eventsSubscribe(['lifecycle'])
    daemon.event('lifecycle', { domain, change: { what: 'unknown', why: 'unknown' } })
    await expect(first(1, events)).resolves.toMatchObject([{ change: { what: 'unknown', why: 'unknown' } }])
  })

  it('are registered once per kind, and every subscriber gets all of the kinds it asked for', async () => {
    const { daemon, client } = await opened()
    await using both = await client.eventsSubscribe(['lifecycle', 'reboot'])
    await using one = await client.eventsSubscribe(['lifecycle'])
    expect(daemon.made.filter(name => name === 'connectDomainEventCallbackRegisterAny')).toHaveLength(2)
    daemon.event('reboot', { domain })
    daemon.event('lifecycle', stopped)
    await expect(first(2, both)).resolves.toMatchObject([{ type: 'reboot' }, { type: 'lifecycle' }])
    await expect(first(1, one)).resolves.toMatchObject([{ type: 'lifecycle' }])
  })

  it('that come faster than they are read are never dropped silently: overflow stands for what is gone', async () => {
    const { daemon, client } = await opened()
    await using events = await client.eventsSubscribe(['migrationIteration'], { capacity: 3 })
    for (const iteration of [1, 2, 3, 4, 5]) daemon.event('migrationIteration', { domain, iteration })
    await expect(first(3, events)).resolves.toMatchObject([{ type: 'overflow' }, { iteration: 4 }, { iteration: 5 }])
  })

  it('that are malformed make their subscribers reread', async () => {
    const { daemon, client } = await opened()
    await using events = await client.eventsSubscribe(['lifecycle'])
    const procedure = domainEvents.lifecycle.number
    daemon.packet({ procedure, type: packetTypes.message, payload: new Uint8Array(6) })
    daemon.event('lifecycle', stopped)
    await expect(first(2, events)).resolves.toMatchObject([{ type: 'overflow' }, { type: 'lifecycle' }])
  })

  it('go on after a loop that was left early, with the next one', async () => {
    const { daemon, client } = await opened()
    await using events = await client.eventsSubscribe(['migrationIteration'])
    for (const iteration of [1, 2, 3]) daemon.event('migrationIteration', { domain, iteration })
    await expect(first(1, events)).resolves.toMatchObject([{ iteration: 1 }])
    await expect(first(2, events)).resolves.toMatchObject([{ iteration: 2 }, { iteration: 3 }])
  })

  it('end quietly when their subscription does, and with unreachable when the connection does', async () => {
    const { daemon, client } = await opened()
    const left = await client.eventsSubscribe(['lifecycle'])
    const kept = await client.eventsSubscribe(['lifecycle'])
    await left[Symbol.asyncDispose]()
    await expect(first(1, left)).resolves.toEqual([])
    daemon.event('lifecycle', stopped)
    daemon.cut()
    const seen: unknown[] = []
    const read = async (events: EventSubscription) => {
      for await (const event of events) seen.push(event)
    }
    await expect(read(kept)).rejects.toMatchObject({ code: 'unreachable' })
    expect(seen).toMatchObject([{ type: 'lifecycle' }])
  })

  it('that libvirt does not offer are refused to their subscriber, and may be asked for again', async () => {
    const daemon = fakeLibvirt({ held: ['connectDomainEventCallbackRegisterAny'] })
    const client = await openClient(daemon.dial, { uri: 'test:///default', keepalive: null })
    const refused = client.eventsSubscribe(['lifecycle'])
    ;(await daemon.next()).refuse(3, 'this function is not supported by the connection driver')
    await expect(refused).rejects.toMatchObject({ code: 'unsupported' })
    const granted = client.eventsSubscribe(['lifecycle'])
    ;(await daemon.next()).answer(1)
    await using events = await granted
    daemon.event('lifecycle', stopped)
    await expect(first(1, events)).resolves.toHaveLength(1)
  })
})
