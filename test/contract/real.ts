/** Real hosts for tests: a folder that QEMU's user can enter, and one cache of packages and builds for all runs. */
import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { desktopNetworkRemove } from '../../vmm/desktop-network.ts'
import type { Host, HostOptions } from '../../vmm/host.ts'
import { connectDaemon } from '../../vmm/libvirt/daemon.ts'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'
import { ensureLibvirtd } from '../support/libvirtd.ts'

/** Not under the home of root, which QEMU's user cannot enter. */
const base = '/var/tmp'

export interface RealPlace extends AsyncDisposable {
  folder: string
  /** Where its storage pools may be. */
  pools: string
  installationId: string
  open(installationId?: string): Promise<Host>
}

/** Ends with every machine, network and file of its installation removed. */
export async function realPlace(name: string, more: Pick<HostOptions, 'sendExport'> = {}): Promise<RealPlace> {
  await ensureLibvirtd()
  const cache = join(base, 'hdcs-test-cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(base, `hdcs-${name}-`))
  await symlink(cache, join(folder, 'cache'))
  const installationId = crypto.randomUUID()
  const pools = await mkdtemp(join(base, `hdcs-${name}-pools-`))
  await chmod(pools, 0o711)
  const places = [folder, pools]
  const open = async (id = installationId) => {
    const place = id === installationId ? folder : await mkdtemp(join(base, `hdcs-${name}-`))
    places.push(place)
    const fetchImage = () => Promise.reject(new Error('nothing was uploaded'))
    return openLibvirtHost({
      installationId: id,
      folder: place,
      fetchImage,
      accelerator: 'tcg',
      storagePlaces: [pools],
      ...more,
    })
  }
  return {
    folder,
    pools,
    installationId,
    open,
    async [Symbol.asyncDispose]() {
      await using host = await open()
      for (const { id } of await host.machines()) await host.machineDestroy(id)
      for (const id of await host.storagePools()) await host.storagePoolRemove(id)
      await using daemon = await connectDaemon()
      await desktopNetworkRemove(daemon.networks, { installationId })
      for (const place of places) await rm(place, { recursive: true, force: true })
    },
  }
}
