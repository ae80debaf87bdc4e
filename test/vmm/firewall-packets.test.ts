/** The rules proven by packets: a host, desktops and the world outside as network namespaces, everything else as it is. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bridgeOf } from '../../lib/routes.ts'
import { firewallRemove, makeFirewall } from '../../vmm/firewall-force.ts'
import { macOf } from '../../vmm/networks.ts'
import type { NicSpec } from '../../vmm/spec.ts'
import { type NetWorld, type Station, startNetWorld } from '../support/net-world.ts'
import { installationId, nicSpec } from './wishes.ts'

const network = { supernet: '10.128.0.0/14', subnet: '10.128.4.0/22', closed: ['198.51.100.10'] }
const gateway = '10.128.0.1'
const outsideOf = { server: '198.51.100.1', second: '198.51.100.9', otherHost: '198.51.100.10' }
const hostAddress = '198.51.100.2'
const addresses = {
  ann: '10.128.4.2',
  ben: '10.128.4.3',
  pal: '10.128.4.4',
  /** Came from another host: not of this host's own subnet. */
  guest: '10.128.9.9',
}
type Name = keyof typeof addresses
const names = Object.keys(addresses) as Name[]

let world: NetWorld
let desktops: Record<Name, Station>

beforeAll(async () => {
  world = await startNetWorld(installationId, network)
  const made = await Promise.all(names.map(async name => [name, await world.desktop(addresses[name])] as const))
  desktops = Object.fromEntries(made) as Record<Name, Station>
  for (const station of [world.outside, world.host, ...Object.values(desktops)])
    for (const port of [53, 80, 443]) await station.serve(port)
})
afterAll(() => world?.[Symbol.asyncDispose]())

const firewall = () => makeFirewall({ installationId, enter: world.enter })
/** In force for all four desktops; what is not said of one is plain NAT. */
const rule = (wishes: Partial<Record<Name, Partial<NicSpec>>> = {}) =>
  firewall().ensure({ network, nics: names.map(name => nicSpec(addresses[name], wishes[name])) })

const bytes = (mac: string) => mac.replaceAll(':', '')
const hex = (address: string) =>
  address
    .split('.')
    .map(part => Number(part).toString(16).padStart(2, '0'))
    .join('')
const everybody = 'ffffffffffff'

/** An ARP message that says “`address` is at `mac`”, or asks for `target`. */
const arp = (ether: string, mac: string, address: string, target: string, operation: 1 | 2 = 1) =>
  `${everybody}${bytes(ether)}0806000108000604000${operation}${bytes(mac)}${hex(address)}000000000000${hex(target)}`

/** A UDP packet to port 80 of the gateway's world; no checksum, which IPv4 allows. */
function udp(ether: string, source: string, target: string, to = macOf(gateway), tag = ''): string {
  const header = `450000200000000040110000${hex(source)}${hex(target)}`
  const words = (header.match(/.{4}/g) ?? []).reduce((sum, word) => sum + Number.parseInt(word, 16), 0)
  const sum = (~((words & 0xffff) + (words >>> 16)) & 0xffff).toString(16).padStart(4, '0')
  return `${bytes(to)}${bytes(ether)}${tag}0800${header.slice(0, 20)}${sum}${header.slice(24)}3039005000${'0c0000'}cafebabe`
}
const marked = (frames: string[]) => frames.filter(frame => frame.includes('cafebabe'))

describe('a desktop behind the rules', () => {
  beforeEach(() => rule())

  it('reaches the world as its host, and the gateway’s name server', async () => {
    expect(await desktops.ann.tcp(outsideOf.server, 80)).toBe(hostAddress)
    expect(await desktops.ann.udp(outsideOf.server, 80)).toBe(hostAddress)
    expect(await desktops.ann.ping(outsideOf.server)).toBe(true)
    expect(await desktops.ann.udp(gateway, 53)).toBe(addresses.ann)
    expect(await desktops.ann.tcp(gateway, 53)).toBe(addresses.ann)
  })

  it('that came from another host has all of that too', async () => {
    expect(await desktops.guest.tcp(outsideOf.server, 80)).toBe(hostAddress)
    expect(await desktops.guest.udp(gateway, 53)).toBe(addresses.guest)
    expect(await desktops.guest.tcp(addresses.ann, 80)).toBeNull()
  })

  it('reaches neither the host, under whichever address, nor another host', async () => {
    expect(await desktops.ann.tcp(gateway, 80)).toBeNull()
    expect(await desktops.ann.udp(gateway, 443)).toBeNull()
    expect(await desktops.ann.tcp(hostAddress, 80)).toBeNull()
    expect(await desktops.ann.udp(hostAddress, 53)).toBeNull()
    expect(await desktops.ann.ping(hostAddress)).toBe(false)
    expect(await desktops.ann.tcp(outsideOf.otherHost, 443)).toBeNull()
  })

  it('reaches no other desktop, neither straight nor by way of the gateway', async () => {
    await desktops.ben.heard()
    expect(await desktops.ann.tcp(addresses.ben, 80)).toBeNull()
    expect(await desktops.ann.ping(addresses.ben)).toBe(false)
    await desktops.ann.send(udp(macOf(addresses.ann), addresses.ann, addresses.ben, macOf(addresses.ben)))
    await desktops.ann.send(udp(macOf(addresses.ann), addresses.ann, addresses.ben, macOf(gateway)))
    await desktops.ann.send(udp(macOf(addresses.ann), addresses.ann, '255.255.255.255', 'ff:ff:ff:ff:ff:ff'))
    await settled()
    const fromAnn = (await desktops.ben.heard()).filter(frame => frame.slice(12, 24) === bytes(macOf(addresses.ann)))
    expect(fromAnn).toEqual([])
  })

  it('is reached by nobody from outside, and by its host', async () => {
    await world.ip('route', 'replace', '203.0.113.0/24', 'via', outsideOf.server)
    expect(await world.host.tcp(addresses.ann, 80)).toBe(gateway)
    await routeOutside(async () => expect(await world.outside.tcp(addresses.ann, 80)).toBeNull())
  })

  it('sends nothing under another address, MAC or tag', async () => {
    await world.outside.heard()
    const own = macOf(addresses.ann)
    await desktops.ann.send(udp(own, addresses.ben, outsideOf.server))
    await desktops.ann.send(udp(own, '192.0.2.77', outsideOf.server))
    await desktops.ann.send(udp(macOf(addresses.ben), addresses.ann, outsideOf.server))
    await desktops.ann.send(udp(macOf(addresses.ben), addresses.ben, outsideOf.server))
    await desktops.ann.send(udp(own, addresses.ann, outsideOf.server, macOf(gateway), '81000064'))
    await settled()
    expect(marked(await world.outside.heard())).toEqual([])
    // What is right in all of it arrives: the frames above were well made.
    await desktops.ann.send(udp(own, addresses.ann, outsideOf.server))
    await settled()
    expect(marked(await world.outside.heard())).toHaveLength(1)
  })

  it('says in no ARP message that it is somebody else', async () => {
    const own = macOf(addresses.ann)
    for (const operation of [1, 2] as const) {
      await desktops.ann.send(arp(own, own, gateway, addresses.ben, operation))
      await desktops.ann.send(arp(own, own, addresses.ben, gateway, operation))
      await desktops.ann.send(arp(own, macOf(addresses.ben), addresses.ann, gateway, operation))
    }
    await settled()
    const { stdout } = await hostRun('ip', '-4', 'neighbour', 'show', addresses.ben)
    expect(stdout).not.toContain(own)
    expect((await desktops.ben.heard()).filter(frame => frame.slice(12, 24) === bytes(own))).toEqual([])
  })

  it('speaks no IPv6, which nobody filters by address', async () => {
    const own = macOf(addresses.ann)
    await world.host.heard()
    await desktops.ben.heard()
    await desktops.ann.send(
      `333300000001${bytes(own)}86dd6000000000043afffe80${'0'.repeat(20)}fe80${'0'.repeat(20)}cafebabe`,
    )
    await settled()
    expect(marked(await desktops.ben.heard())).toEqual([])
  })

  it('hears nothing that is for others', async () => {
    await desktops.ben.heard()
    // The bridge has forgotten where this desktop is, and would ask everybody.
    await hostRun('ip', 'link', 'set', 'hd0a800402', 'type', 'bridge_slave', 'fdb_flush')
    await world.host.udp(addresses.ann, 9)
    await settled()
    const heard = (await desktops.ben.heard()).filter(frame => frame.startsWith(bytes(macOf(addresses.ann))))
    expect(heard).toEqual([])
  })
})

describe('a pool’s network', () => {
  it('isolated: nothing but its address', async () => {
    await rule({ ann: { mode: 'isolated', neighbourGroup: 'exam' }, ben: { mode: 'isolated', neighbourGroup: 'exam' } })
    expect(await desktops.ann.tcp(outsideOf.server, 80)).toBeNull()
    expect(await desktops.ann.ping(outsideOf.server)).toBe(false)
    expect(await desktops.ann.udp(gateway, 53)).toBeNull()
    expect(await desktops.ann.ping(gateway)).toBe(false)
    expect(await desktops.ann.tcp(addresses.ben, 80)).toBeNull()
    expect(await desktops.pal.tcp(outsideOf.server, 80)).toBe(hostAddress)
  })

  it('with a list: exactly what stands in it', async () => {
    const allow = [{ cidr: '198.51.100.9/32', protocol: 'tcp' as const, ports: '80, 8000-8100' }]
    await rule({ ann: { allow }, ben: { mode: 'isolated', allow } })
    for (const name of ['ann', 'ben'] as const) {
      expect(await desktops[name].tcp(outsideOf.second, 80)).toBe(hostAddress)
      expect(await desktops[name].tcp(outsideOf.second, 443)).toBeNull()
      expect(await desktops[name].udp(outsideOf.second, 80)).toBeNull()
      expect(await desktops[name].ping(outsideOf.second)).toBe(false)
      expect(await desktops[name].tcp(outsideOf.server, 80)).toBeNull()
    }
    expect(await desktops.ann.udp(gateway, 53)).toBe(addresses.ann)
    expect(await desktops.ben.udp(gateway, 53)).toBeNull()
  })

  it('with a list: a host only where the list names it by itself', async () => {
    await rule({
      ann: { allow: [{ cidr: '0.0.0.0/0' }] },
      ben: { allow: [{ cidr: hostAddress, protocol: 'tcp', ports: '80' }, { cidr: `${outsideOf.otherHost}/32` }] },
    })
    expect(await desktops.ann.tcp(outsideOf.server, 80)).toBe(hostAddress)
    expect(await desktops.ann.tcp(hostAddress, 80)).toBeNull()
    expect(await desktops.ann.tcp(outsideOf.otherHost, 80)).toBeNull()
    expect(await desktops.ann.tcp(addresses.ben, 80)).toBeNull()
    expect(await desktops.ben.tcp(hostAddress, 80)).toBe(addresses.ben)
    expect(await desktops.ben.tcp(hostAddress, 443)).toBeNull()
    expect(await desktops.ben.tcp(outsideOf.otherHost, 80)).toBe(hostAddress)
  })

  it('with neighbours: its own desktops, and no others', async () => {
    await rule({ ann: { neighbourGroup: 'class' }, ben: { neighbourGroup: 'class' }, pal: { neighbourGroup: 'other' } })
    expect(await desktops.ann.tcp(addresses.ben, 80)).toBe(addresses.ann)
    expect(await desktops.ben.ping(addresses.ann)).toBe(true)
    expect(await desktops.ann.tcp(addresses.pal, 80)).toBeNull()
    expect(await desktops.pal.tcp(addresses.ann, 80)).toBeNull()
    await rule()
    expect(await desktops.ann.tcp(addresses.ben, 80)).toBeNull()
  })

  it('routed: under its own address, and reached from outside', async () => {
    await rule({ ann: { mode: 'routed' } })
    await routeOutside(async () => {
      expect(await desktops.ann.tcp(outsideOf.server, 80)).toBe(addresses.ann)
      expect(await world.outside.tcp(addresses.ann, 80)).toBe(outsideOf.server)
      expect(await world.outside.tcp(addresses.ben, 80)).toBeNull()
      expect(await desktops.ben.tcp(outsideOf.server, 80)).toBe(hostAddress)
      expect(await desktops.ben.tcp(addresses.ann, 80)).toBeNull()
    })
  })

  it('that becomes an exam’s is felt by what runs already', async () => {
    await rule()
    expect(await desktops.ann.udp(outsideOf.server, 80)).toBe(hostAddress)
    await rule({ ann: { mode: 'isolated' } })
    expect(await desktops.ann.udp(outsideOf.server, 80)).toBeNull()
    expect(await desktops.ann.tcp(outsideOf.server, 80)).toBeNull()
  })
})

describe('a desktop on a bridge of the site', () => {
  const lan = { address: '10.128.4.20', ip: '192.0.2.20' }
  const other = { address: '10.128.4.21', ip: '192.0.2.21' }
  const onLan = { mode: 'bridge', interface: 'lan' } as const
  let one: Station
  let two: Station
  let neighbour: Station
  beforeAll(async () => {
    await world.ip('link', 'add', 'lan', 'type', 'bridge', 'forward_delay', '0')
    await world.ip('address', 'add', '192.0.2.1/24', 'dev', 'lan')
    await world.ip('link', 'set', 'lan', 'up')
    one = await world.desktop(lan.address, { bridge: 'lan', ip: lan.ip })
    two = await world.desktop(other.address, { bridge: 'lan', ip: other.ip })
    // No desktop of ours: a machine of the site.
    neighbour = await world.desktop('10.200.0.1', { bridge: 'lan', ip: '192.0.2.30' })
    for (const station of [one, two, neighbour]) await station.serve(80)
  })
  const lanRule = (allow: NicSpec['allow'] = null, neighbourGroup: string | null = null) =>
    firewall().ensure({
      network,
      nics: [lan, other].map(({ address }) => nicSpec(address, { ...onLan, allow, neighbourGroup })),
    })

  it('has no network before its rules', async () => {
    await firewall().ensure({ network, nics: [] })
    expect(await one.tcp('192.0.2.30', 80)).toBeNull()
  })

  it('reaches the site under its own MAC alone, and neither the host nor other desktops', async () => {
    await lanRule()
    expect(await one.tcp('192.0.2.30', 80)).toBe(lan.ip)
    expect(await neighbour.tcp(lan.ip, 80)).toBe('192.0.2.30')
    expect(await one.tcp('192.0.2.1', 80)).toBeNull()
    expect(await one.tcp(other.ip, 80)).toBeNull()
    await neighbour.heard()
    await one.send(udp('52:54:00:00:00:01', lan.ip, '192.0.2.30', macOf('10.200.0.1')))
    await one.send(udp(macOf(lan.address), lan.ip, '192.0.2.30', macOf('10.200.0.1'), '81000064'))
    await one.send(arp(macOf(lan.address), '52:54:00:00:00:01', lan.ip, '192.0.2.30'))
    await settled()
    expect(marked(await neighbour.heard())).toEqual([])
    await one.send(udp(macOf(lan.address), lan.ip, '192.0.2.30', macOf('10.200.0.1')))
    await settled()
    expect(marked(await neighbour.heard())).toHaveLength(1)
  })

  it('keeps to its list there, and sees its neighbours when it shall', async () => {
    await lanRule([{ cidr: '192.0.2.30/32', protocol: 'tcp', ports: '80' }])
    expect(await one.tcp('192.0.2.30', 80)).toBe(lan.ip)
    expect(await one.udp('192.0.2.30', 80)).toBeNull()
    expect(await one.ping('192.0.2.30')).toBe(false)
    await lanRule(null, 'class')
    expect(await one.tcp(other.ip, 80)).toBe(lan.ip)
  })
})

describe('the rules', () => {
  it('of two installations on one host keep to their own desktops, and keep these apart', async () => {
    const second = {
      installationId: '018f0000-0000-7000-8000-0000000000bb',
      network: { supernet: '10.132.0.0/14', subnet: '10.132.0.0/22' },
    }
    const bridge = bridgeOf(second.installationId)
    await world.ip('link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0')
    await world.ip('address', 'add', '10.132.0.1/14', 'dev', bridge)
    await world.ip('link', 'set', bridge, 'up')
    const other = await world.desktop('10.132.0.2', { bridge, gateway: '10.132.0.1' })
    await other.serve(80)
    await rule({ ann: { mode: 'routed' } })
    await makeFirewall({ ...second, enter: world.enter }).ensure({ ...second, nics: [nicSpec('10.132.0.2')] })
    expect(await other.tcp(outsideOf.server, 80)).toBe(hostAddress)
    expect(await desktops.ben.tcp(outsideOf.server, 80)).toBe(hostAddress)
    expect(await desktops.ben.tcp('10.132.0.2', 80)).toBeNull()
    expect(await other.tcp(addresses.ben, 80)).toBeNull()
    expect(await other.tcp(gateway, 80)).toBeNull()
    await firewallRemove({ ...second, enter: world.enter })
    expect(await desktops.ben.tcp(addresses.ann, 80)).toBeNull()
  })

  it('cut nobody off when they are put in force again and again', async () => {
    await rule()
    using forced = firewall()
    const [few, all] = [['ann'], names] as const
    for (let round = 0; round < 6; round++) {
      const nics = (round % 2 ? few : all).map(name => nicSpec(addresses[name as Name]))
      const [answer] = await Promise.all([desktops.ann.tcp(outsideOf.server, 80), forced.ensure({ network, nics })])
      expect(answer).toBe(hostAddress)
    }
  })

  it('come back when somebody flushed or changed them, and are left alone while they stand', async () => {
    using forced = firewall()
    const wish = { network, nics: [nicSpec(addresses.ann)] }
    await forced.ensure(wish)
    const handles = async () => (await hostRun('nft', '-a', 'list', 'table', 'inet', 'hdcs-0000000a')).stdout
    const before = await handles()
    await forced.ensure(wish)
    expect(await handles()).toBe(before)
    await hostRun('nft', 'flush', 'ruleset')
    expect(await desktops.ben.tcp(addresses.ann, 80)).toBe(addresses.ben)
    await forced.ensure(wish)
    expect(await desktops.ben.tcp(addresses.ann, 80)).toBeNull()
    await hostRun('nft', 'flush', 'chain', 'bridge', 'hdcs-0000000a', 'prerouting')
    await forced.ensure(wish)
    expect((await hostRun('nft', 'list', 'chain', 'bridge', 'hdcs-0000000a', 'prerouting')).stdout).toContain(
      'goto guest',
    )
  })

  it('go with their installation, and leave those of others', async () => {
    await hostRun('nft', 'add', 'table', 'inet', 'somebody')
    await rule()
    await firewallRemove({ installationId, enter: world.enter })
    await firewallRemove({ installationId, enter: world.enter })
    expect((await hostRun('nft', 'list', 'tables')).stdout.trim()).toBe('table inet somebody')
  })

  it('say what is wrong with a list, and keep closed what it would have opened', async () => {
    const allow = [{ cidr: '198.51.100.1; flush ruleset' }, { cidr: '198.51.100.9', ports: '80' }]
    expect(await rule({ ann: { allow } })).toEqual(['“198.51.100.1; flush ruleset” is no rule of a list'])
    expect(await desktops.ann.tcp(outsideOf.server, 80)).toBeNull()
    expect(await desktops.ann.tcp(outsideOf.second, 80)).toBe(hostAddress)
  })

  it('say what to do where there is no nft', async () => {
    using forced = makeFirewall({ installationId, enter: ['env', '-i', '/nonexistent/enter'] })
    await expect(forced.ensure({ network, nics: [] })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('Install nftables'),
    })
  })
})

const hostRun = (program: string, ...args: string[]) => {
  const [enter = '', ...rest] = [...world.enter, program, ...args]
  return promisify(execFile)(enter, rest)
}

/** Frames that got through are there: they cross no real cable, and a question after them has been answered. */
const settled = () =>
  Promise.all([world.host.ping('127.0.0.1'), desktops.ann.ping(gateway), desktops.ben.ping(gateway)])

/** While the world outside knows the way to the desktops. */
async function routeOutside(work: () => Promise<void>): Promise<void> {
  const route = (action: string) =>
    promisify(execFile)('nsenter', [
      '-t',
      `${world.outside.pid}`,
      '-n',
      'ip',
      'route',
      action,
      network.supernet,
      'via',
      hostAddress,
    ])
  await route('add')
  try {
    await work()
  } finally {
    await route('del')
  }
}
