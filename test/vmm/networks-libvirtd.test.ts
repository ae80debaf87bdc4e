/** A real network driver in a world of its own: which of the names is taken, and how what went wrong before is mended. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { connectDaemon, type LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { bridgeOf, networkEnsure, networkRemove, networkXml } from '../../vmm/networks.ts'
import { type PrivateLibvirtd, privateLibvirtd } from '../support/libvirtd.ts'
import { installationId } from './wishes.ts'

const foreignId = '018f0000-0000-7000-8000-0000000000ff'
const second = `hdcs-${installationId.slice(-8)}`
const subnet = '10.86.0.0/28'

let libvirtd: PrivateLibvirtd
let daemon: LibvirtDaemon

beforeAll(async () => {
  libvirtd = await privateLibvirtd()
  daemon = await connectDaemon({ folder: libvirtd.folder })
})
afterEach(async () => {
  for (const network of await daemon.networks.connectListAllNetworks()) {
    if (await daemon.networks.networkIsActive({ network })) await daemon.networks.networkDestroy({ network })
    await daemon.networks.networkUndefine({ network })
  }
})
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await libvirtd?.[Symbol.asyncDispose]()
})

const place = () => ({ visitors: libvirtd.scratch, forward: 'route' as const })
const specOf = (cidr: string) => ({ supernet: cidr, subnet: cidr })
const ensure = (cidr = subnet) => networkEnsure(daemon.networks, installationId, specOf(cidr), place())
/** As an agent of before the bridge had its name made it: two of one installation could be there then. */
const define = (name: string, owner: string, cidr: string) =>
  daemon.networks.networkDefineXml({
    xml: networkXml(name, owner, specOf(cidr), place()).replace(
      `bridge name='${bridgeOf(owner)}'`,
      `bridge name='br-${name.slice(-11)}'`,
    ),
  })
const start = async (name: string, owner: string, cidr: string) => {
  const network = await define(name, owner, cidr)
  await daemon.networks.networkCreate({ network })
  return network
}
async function seen(): Promise<Record<string, 'active' | 'inactive'>> {
  const all = await daemon.networks.connectListAllNetworks()
  const states = all.map(async network => {
    const active = await daemon.networks.networkIsActive({ network })
    return [network.name, active ? 'active' : 'inactive'] as const
  })
  return Object.fromEntries(await Promise.all(states))
}

describe('the desktops’ network on a host', () => {
  it('is made once, and the same one is found again', async () => {
    expect(await ensure()).toBe('hdcs')
    const [made] = await daemon.networks.connectListAllNetworks()
    expect(await ensure()).toBe('hdcs')
    expect(await daemon.networks.connectListAllNetworks()).toEqual([made])
    expect(await seen()).toEqual({ hdcs: 'active' })
  })

  it('is started where it stands still', async () => {
    await define('hdcs', installationId, subnet)
    expect(await ensure()).toBe('hdcs')
    expect(await seen()).toEqual({ hdcs: 'active' })
  })

  it('takes its second name beside somebody else’s, and keeps it when the first becomes free', async () => {
    const network = await start('hdcs', foreignId, '10.87.0.0/28')
    expect(await ensure()).toBe(second)
    expect(await seen()).toEqual({ hdcs: 'active', [second]: 'active' })
    await daemon.networks.networkDestroy({ network })
    await daemon.networks.networkUndefine({ network })
    expect(await ensure()).toBe(second)
    expect(await seen()).toEqual({ [second]: 'active' })
  })

  it('clears away a second one of ours that stands still, and keeps the one desktops run on', async () => {
    await start(second, installationId, subnet)
    await define('hdcs', installationId, subnet)
    expect(await ensure()).toBe(second)
    expect(await seen()).toEqual({ [second]: 'active' })
  })

  it('ends a second one of ours on another subnet', async () => {
    await start('hdcs', installationId, '10.87.0.0/28')
    await start(second, installationId, subnet)
    expect(await ensure()).toBe(second)
    expect(await seen()).toEqual({ [second]: 'active' })
  })

  it('is defined anew for another subnet, under its name', async () => {
    await start('hdcs', foreignId, '10.87.0.0/28')
    await start(second, installationId, '10.88.0.0/28')
    expect(await ensure()).toBe(second)
    const network = await daemon.networks.networkLookupByName({ name: second })
    expect(await daemon.networks.networkGetXmlDesc({ network })).toContain(`subnet="${subnet}"`)
    expect(await seen()).toEqual({ hdcs: 'active', [second]: 'active' })
  })

  it('is found while it runs although its definition was taken away', async () => {
    const network = await start('hdcs', installationId, '10.88.0.0/28')
    await daemon.networks.networkUndefine({ network })
    expect(await ensure()).toBe('hdcs')
    expect(await seen()).toEqual({ hdcs: 'active' })
  })

  it('touches nobody else’s, and says so when both names are taken', async () => {
    await define('hdcs', foreignId, subnet)
    await define(second, foreignId, subnet)
    await expect(ensure()).rejects.toMatchObject({ code: 'conflict' })
    expect(await seen()).toEqual({ hdcs: 'inactive', [second]: 'inactive' })
  })

  it('goes with its installation, under whichever name, and leaves the others', async () => {
    await start('hdcs', foreignId, '10.87.0.0/28')
    await ensure()
    await networkRemove(daemon.networks, installationId)
    expect(await seen()).toEqual({ hdcs: 'active' })
  })
})
