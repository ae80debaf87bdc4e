import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { bridgeOf } from '../../lib/routes.ts'
import { desktopNetworkRemove, makeDesktopNetwork } from '../../vmm/desktop-network.ts'
import { hostLeave } from '../../vmm/leaving.ts'
import { connectDaemon } from '../../vmm/libvirt/daemon.ts'
import { libvirtDomains } from '../../vmm/libvirt-domains.ts'
import { privateLibvirtd } from '../support/libvirtd.ts'
import { installationId, nicSpec } from './wishes.ts'

const another = '99999999-2222-7333-8444-5555000000ff'
const guestXml = (name: string, installation: string) => `<domain type='qemu'>
  <name>${name}</name>
  <metadata><hdcs:machine xmlns:hdcs='urn:hdcs:machine:1' installation='${installation}' incarnation='1' generation='1'/></metadata>
  <memory unit='MiB'>16</memory><vcpu>1</vcpu><os><type machine='pc'>hvm</type></os>
  <devices><memballoon model='none'/></devices>
</domain>`

it('ends what an installation left on a machine that is no host of it any more, and nothing of another’s', async () => {
  await using libvirtd = await privateLibvirtd()
  await using daemon = await connectDaemon({ folder: libvirtd.folder })
  const [program = '', ...enter] = libvirtd.enter
  const tables = async () => (await promisify(execFile)(program, [...enter, 'nft', 'list', 'tables'])).stdout
  const places = [
    { installationId, network: { supernet: '10.84.0.0/14', subnet: '10.84.4.0/22' } },
    { installationId: another, network: { supernet: '10.88.0.0/14', subnet: '10.88.4.0/22' } },
  ].map(place => ({ ...place, enter: libvirtd.enter, runFolder: libvirtd.scratch }))
  for (const place of places) {
    using desktops = makeDesktopNetwork(daemon.networks, place)
    await desktops.ensure(place.network)
    await desktops.guestsEnsure([nicSpec(place.network.subnet.replace('0/22', '2'))])
    const xml = guestXml(`of-${bridgeOf(place.installationId)}`, place.installationId)
    await daemon.actions.domainCreateXml({ xml })
  }
  const [ours, others] = places
  if (!ours || !others) throw new Error('two places')
  expect(await hostLeave(daemon, ours)).toEqual([`of-${bridgeOf(installationId)}`])

  const guests = (id: string) => libvirtDomains(daemon.actions, id, async () => 0).list()
  expect(await guests(installationId)).toEqual([])
  expect(await guests(another)).toMatchObject([{ name: `of-${bridgeOf(another)}` }])
  expect(await tables()).not.toContain(bridgeOf(installationId))
  expect(await tables()).toContain(bridgeOf(another))
  await expect(daemon.networks.networkLookupByName({ name: bridgeOf(installationId) })).rejects.toThrow()
  await daemon.networks.networkLookupByName({ name: bridgeOf(another) })
  // A second time there is nothing to do.
  expect(await hostLeave(daemon, ours)).toEqual([])
  await desktopNetworkRemove(daemon.networks, others)
})
