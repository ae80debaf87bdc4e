/** The desktops' network as libvirt and dnsmasq really make it, with stations of raw packets for desktops. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bridgeOf } from '../../lib/routes.ts'
import { type DesktopNetwork, desktopNetworkRemove, makeDesktopNetwork } from '../../vmm/desktop-network.ts'
import { connectDaemon, type LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { macOf } from '../../vmm/networks.ts'
import { type PrivateLibvirtd, privateLibvirtd } from '../support/libvirtd.ts'
import { type Station, startStation, stationPlug } from '../support/net-world.ts'
import { installationId, nicSpec } from './wishes.ts'

const network = { supernet: '10.84.0.0/14', subnet: '10.84.4.0/22' }
const gateway = '10.84.0.1'
const own = '10.84.4.2'
/** Of another host's subnet. */
const moved = '10.87.255.254'
const forever = 2 ** 32 - 1
/** What a desktop is told: the same on every host of the cluster. */
const told = (address: string) => `${address} 255.252.0.0 ${gateway} ${forever} ${macOf(gateway)}`

let libvirtd: PrivateLibvirtd
let daemon: LibvirtDaemon
let place: { installationId: string; enter: string[]; runFolder: string }
let desktops: DesktopNetwork
let native: Station
let arrived: Station

beforeAll(async () => {
  libvirtd = await privateLibvirtd()
  daemon = await connectDaemon({ folder: libvirtd.folder })
  place = { installationId, enter: libvirtd.enter, runFolder: libvirtd.scratch }
  desktops = makeDesktopNetwork(daemon.networks, place)
  await desktops.ensure(network)
  native = await startStation()
  arrived = await startStation()
  const bridge = bridgeOf(installationId)
  await stationPlug(native, libvirtd.enter, { address: own, bridge })
  await stationPlug(arrived, libvirtd.enter, { address: moved, bridge })
})
afterAll(async () => {
  native?.[Symbol.dispose]()
  arrived?.[Symbol.dispose]()
  desktops?.[Symbol.dispose]()
  await daemon?.[Symbol.asyncDispose]()
  await libvirtd?.[Symbol.asyncDispose]()
})

const run = (program: string, ...args: string[]) => {
  const [enter = '', ...rest] = [...libvirtd.enter, program, ...args]
  return promisify(execFile)(enter, rest)
}

describe('a desktop on a real network', () => {
  it('has no address before its rules are in force', async () => {
    await desktops.guestsEnsure([])
    expect(await native.dhcp()).toBeNull()
  })

  it('gets its own address for good, with the cluster’s gateway and mask', async () => {
    await desktops.guestsEnsure([nicSpec(own)])
    expect(await native.dhcp()).toBe(told(own))
  })

  it('that moved here and starts anew gets the address it had, as soon as it is named', async () => {
    expect(await arrived.dhcp()).toBeNull()
    await desktops.guestsEnsure([nicSpec(own), nicSpec(moved)])
    expect(await arrived.dhcp()).toBe(told(moved))
    expect(await native.dhcp()).toBe(told(own))
  })

  it('that moved here gets it after the network was made anew, too', async () => {
    const [made] = await daemon.networks.connectListAllNetworks()
    if (!made) throw new Error('no network')
    await daemon.networks.networkDestroy({ network: made })
    await desktops.ensure(network)
    // Running desktops are plugged in again.
    await desktops.guestsEnsure([nicSpec(own), nicSpec(moved)])
    expect(await arrived.dhcp()).toBe(told(moved))
    expect(await native.dhcp()).toBe(told(own))
  })

  it('that nobody knows gets nothing, rules or not', async () => {
    using open = makeDesktopNetwork(daemon.networks, { ...place, firewall: false })
    await open.ensure(network)
    await open.guestsEnsure([nicSpec(own)])
    expect((await run('nft', 'list', 'tables')).stdout).not.toContain(bridgeOf(installationId))
    using stranger = new DisposableStack()
    const station = stranger.use(await startStation())
    await stationPlug(station, libvirtd.enter, {
      address: '10.84.4.9',
      mac: '52:54:00:12:34:56',
      bridge: bridgeOf(installationId),
    })
    expect(await station.dhcp()).toBeNull()
    expect(await native.dhcp()).toBe(told(own))
  })

  it('leaves nothing behind when its installation goes', async () => {
    await desktops.ensure(network)
    await desktops.guestsEnsure([nicSpec(own)])
    await desktopNetworkRemove(daemon.networks, place)
    expect(await daemon.networks.connectListAllNetworks()).toEqual([])
    expect((await run('nft', 'list', 'tables')).stdout).not.toContain(bridgeOf(installationId))
  })
})
