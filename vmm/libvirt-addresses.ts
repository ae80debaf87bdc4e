/** What a guest says of its own network, by its agent. */
import { HdcsError } from '../lib/errors.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { isLibvirt } from './libvirt/errors.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'

/** A guest under emulation on a busy host is slow. Longer: a hung one holds a place in the lane. */
const askSeconds = 10

interface GuestInterface {
  'ip-addresses'?: { 'ip-address'?: unknown; 'ip-address-type'?: unknown }[]
}

export function libvirtGuestAddresses(daemon: LibvirtDaemon, domains: LibvirtDomains) {
  return async (id: string): Promise<string[]> => {
    await domains.get(id)
    const command = JSON.stringify({ execute: 'guest-network-get-interfaces' })
    // Beside pings and scripts: a guest that hangs holds no start and no person up.
    const options = { timeoutMs: (askSeconds + 1) * 1_000, lane: `addresses ${id}` }
    const call = { domain: refOf(id), command, timeoutSeconds: askSeconds }
    const answer = await daemon.statistics.domainQemuAgentCommand(call, options).catch(thrown => {
      throw failure(thrown)
    })
    return addressesOf(JSON.parse(answer ?? '{}'))
  }
}

/** IPv4, without the guest's own loopback. Whatever a guest says is only text. */
export function addressesOf(answer: { return?: unknown }): string[] {
  const cards = Array.isArray(answer.return) ? (answer.return as GuestInterface[]) : []
  return cards
    .flatMap(card => (Array.isArray(card['ip-addresses']) ? card['ip-addresses'] : []))
    .filter(address => address['ip-address-type'] === 'ipv4')
    .map(address => String(address['ip-address']))
    .filter(address => /^\d{1,3}(\.\d{1,3}){3}$/.test(address) && !address.startsWith('127.'))
    .slice(0, 16)
}

function failure(thrown: unknown): unknown {
  const message = thrown instanceof Error ? thrown.message : ''
  if (/has been disabled|has not been found|CommandNotFound/i.test(message))
    return new HdcsError('unsupported', `The guest’s agent does not tell its addresses (${message}).`, {
      cause: thrown,
    })
  if (isLibvirt(thrown, 'agentUnresponsive', 'agentUnsynced', 'operationTimeout'))
    return new HdcsError('timeout', 'The guest’s agent does not answer.', { cause: thrown })
  return thrown
}
