/** A real network driver in a world of its own: what is whose, and how what went wrong before is mended. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { bridgeOf } from '../../lib/routes.ts'
import { connectDaemon, type LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { isLibvirt } from '../../vmm/libvirt/errors.ts'
import { networkEnsure, networkRemove, networkXml } from '../../vmm/networks.ts'
import { type PrivateLibvirtd, privateLibvirtd } from '../support/libvirtd.ts'
import { installationId } from './wishes.ts'

const foreignId = '018f0000-0000-7000-8000-0000000000ff'
const name = bridgeOf(installationId)
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
    await daemon.networks.networkUndefine({ network }).catch(error => {
      // One whose definition was taken away is gone when it ends.
      if (!isLibvirt(error, 'noNetwork')) throw error
    })
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
const define = (called: string, owner: string, cidr: string) =>
  daemon.networks.networkDefineXml({
    xml: networkXml(called, owner, specOf(cidr), place()).replace(
      `bridge name='${bridgeOf(owner)}'`,
      `bridge name='br-${called.slice(-11)}'`,
    ),
  })
const start = async (called: string, owner: string, cidr: string) => {
  const network = await define(called, owner, cidr)
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
  it('is made once, under the name it has on every host, and the same one is found again', async () => {
    expect(await ensure()).toBe(name)
    const [made] = await daemon.networks.connectListAllNetworks()
    expect(await ensure()).toBe(name)
    expect(await daemon.networks.connectListAllNetworks()).toEqual([made])
    expect(await seen()).toEqual({ [name]: 'active' })
  })

  it('is started where it stands still', async () => {
    await define(name, installationId, subnet)
    expect(await ensure()).toBe(name)
    expect(await seen()).toEqual({ [name]: 'active' })
  })

  it('leaves somebody else’s alone', async () => {
    await start('hdcs', foreignId, '10.87.0.0/28')
    await start('default', foreignId, '10.89.0.0/28')
    expect(await ensure()).toBe(name)
    expect(await seen()).toEqual({ default: 'active', hdcs: 'active', [name]: 'active' })
  })

  it('takes the place of ours of a former name, which holds the same subnet', async () => {
    await start('hdcs', installationId, subnet)
    expect(await ensure()).toBe(name)
    expect(await seen()).toEqual({ [name]: 'active' })
  })

  it('is defined anew for another subnet', async () => {
    await start(name, installationId, '10.88.0.0/28')
    expect(await ensure()).toBe(name)
    const network = await daemon.networks.networkLookupByName({ name })
    expect(await daemon.networks.networkGetXmlDesc({ network })).toContain(`subnet="${subnet}"`)
    expect(await seen()).toEqual({ [name]: 'active' })
  })

  it('is kept while it runs although its definition was taken away', async () => {
    await ensure()
    await daemon.networks.networkUndefine({ network: await daemon.networks.networkLookupByName({ name }) })
    expect(await ensure()).toBe(name)
    expect(await seen()).toEqual({ [name]: 'active' })
  })

  it('touches nobody else’s, and says so when its name is taken', async () => {
    await define(name, foreignId, subnet)
    await expect(ensure()).rejects.toMatchObject({ code: 'conflict' })
    expect(await seen()).toEqual({ [name]: 'inactive' })
  })

  it('goes with its installation, under whichever name, and leaves the others', async () => {
    await start('default', foreignId, '10.87.0.0/28')
    await start('hdcs', installationId, '10.88.0.0/28')
    await ensure()
    await networkRemove(daemon.networks, installationId)
    expect(await seen()).toEqual({ default: 'active' })
  })
})
