import { type DesktopNetworkOptions, desktopNetworkRemove } from './desktop-network.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { domainEnd, libvirtDomains } from './libvirt-domains.ts'

/**
 * What an installation left on a machine that is no host of it any more: its guests end as if their power were cut, then
 * their network and its rules go. Disks stay, and so does whatever is of others.
 * @returns the names of the guests.
 */
export async function hostLeave(daemon: LibvirtDaemon, options: DesktopNetworkOptions): Promise<string[]> {
  const guests = await libvirtDomains(daemon.actions, options.installationId, async () => 0).list()
  for (const { id } of guests) await domainEnd(daemon.actions, id)
  await desktopNetworkRemove(daemon.networks, options)
  return guests.map(({ name }) => name)
}
