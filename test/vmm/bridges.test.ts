/** Interfaces of a host in a network namespace of its own. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bridgeEnsure, bridgesOffered, bridgesRead, cablesReplug, type Link } from '../../vmm/bridges.ts'
import { type Station, startStation } from '../support/net-world.ts'
import { installationId, nicSpec } from './wishes.ts'

let host: Station
let enter: string[]
const ip = async (...args: string[]) => {
  const [program = '', ...rest] = [...enter, 'ip', ...args]
  return (await promisify(execFile)(program, rest)).stdout
}
beforeAll(async () => {
  host = await startStation()
  enter = ['nsenter', '-t', `${host.pid}`, '-n']
  await ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far0')
  await ip('link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'fareth1')
  await ip('address', 'add', '192.0.2.2/24', 'dev', 'eth0')
  await ip('link', 'add', 'br0', 'type', 'bridge')
  await ip('link', 'add', 'eth2', 'type', 'veth', 'peer', 'name', 'fareth2')
  await ip('link', 'set', 'eth2', 'master', 'br0')
})
afterAll(() => host?.[Symbol.dispose]())

describe('an interface that a pool names', () => {
  it('is taken as it is when it is a bridge, and leads to its bridge when it is in one', async () => {
    expect(await bridgeEnsure(enter, 'br0')).toBe('br0')
    expect(await bridgeEnsure(enter, 'eth2')).toBe('br0')
  })

  it('gets a bridge also when its own name is as long as names may be', async () => {
    await ip('link', 'add', 'enp129s0f1np1.9', 'type', 'veth', 'peer', 'name', 'far4')
    const bridge = await bridgeEnsure(enter, 'enp129s0f1np1.9')
    expect(bridge).toMatch(/^hb[0-9a-f]{10}$/)
    expect(await bridgeEnsure(enter, 'enp129s0f1np1.9')).toBe(bridge)
  })

  it('gets a bridge when it carries no address of the host, once', async () => {
    expect(await bridgeEnsure(enter, 'eth1')).toBe('hbeth1')
    expect(await bridgeEnsure(enter, 'eth1')).toBe('hbeth1')
    expect(await ip('link', 'show', 'eth1')).toContain('master hbeth1')
    expect(await ip('-6', 'address', 'show', 'hbeth1')).toBe('')
  })

  // Needs a kernel with VLANs; a small one may have none, and then says so.
  it('is made when it is a VLAN of one that is there', async ({ skip }) => {
    const none = await ip('link', 'add', 'link', 'eth0', 'name', 'try', 'type', 'vlan', 'id', '7').then(
      () => false,
      () => true,
    )
    skip(none, 'this kernel has no VLANs')
    expect(await bridgeEnsure(enter, 'eth0.100')).toBe('hbeth0.100')
    expect(await ip('-details', 'link', 'show', 'eth0.100')).toContain('vlan protocol 802.1Q id 100')
    expect(await bridgeEnsure(enter, 'eth0.100')).toBe('hbeth0.100')
  })

  it.each(['eth0', 'eth9', 'eth9.5', 'eth0.4095', '-x', 'a name', 'averylonginterface', ''])(
    'is refused as “%s”',
    async name => {
      await expect(bridgeEnsure(enter, name)).rejects.toMatchObject({ code: 'invalid' })
      expect(await ip('address', 'show', 'eth0')).toContain('192.0.2.2/24')
    },
  )

  it('is among those the host offers: bridges, VLANs and network cards, neither the desktops’ own nor what was made for one', () => {
    const link = (ifname: string, kind?: string): Link => ({
      ifname,
      link_type: ifname === 'lo' ? 'loopback' : 'ether',
      ...(kind && { linkinfo: { info_kind: kind } }),
    })
    const bridges = ['br0', 'hdcs-0000000a', 'virbr0', 'hbeth0.100'].map(name => link(name, 'bridge'))
    const others = [link('lo'), link('eth0'), link('eth0.100', 'vlan'), link('hd0a800402', 'tun'), link('v0', 'veth')]
    expect(bridgesOffered([...bridges, ...others])).toEqual(['br0', 'eth0', 'eth0.100'])
  })

  it('is found among those of a host', async () => {
    expect(await bridgesRead(enter)).toContain('br0')
  })
})

describe('the cables of desktops that run', () => {
  it('are plugged in again when their bridge was made anew', async () => {
    await ip('link', 'add', 'hdcs-0000000a', 'type', 'bridge')
    await ip('link', 'add', 'hd0ac80002', 'type', 'veth', 'peer', 'name', 'far3')
    await cablesReplug(enter, installationId, [nicSpec('10.200.0.2'), nicSpec('10.200.0.3')])
    expect(await ip('link', 'show', 'hd0ac80002')).toContain('master hdcs-0000000a')
  })
})
