import { type LibvirtClient, openClient } from './client.ts'
import { connectLibvirt, type LibvirtConnection } from './connection.ts'
import { unixDial } from './transport.ts'

/** What listens in the socket folder: libvirtd (or virtproxyd) does everything, else each driver has its daemon. */
const socketNames = {
  hypervisor: ['libvirt-sock', 'virtqemud-sock'],
  network: ['libvirt-sock', 'virtnetworkd-sock'],
  storage: ['libvirt-sock', 'virtstoraged-sock'],
} as const

export const systemFolder = '/var/run/libvirt'

/** Where a driver may be found, in the order in which it is tried. */
export const socketsFor = (driver: keyof typeof socketNames, folder = systemFolder) =>
  socketNames[driver].map(name => `${folder}/${name}`)

/** `qemu:///system` → `network:///system`. Other hypervisors (`test:///default`) hold their networks themselves. */
export const driverUri = (uri: string, driver: 'network' | 'storage') => uri.replace(/^qemu:/, `${driver}:`)

export interface DaemonOptions {
  uri?: string
  /** Folder of the sockets. */
  folder?: string
  timeoutMs?: number
  /** A libvirtd that has just started may answer after minutes: where process 1 reaps nothing, it waits for its own probes. */
  openTimeoutMs?: number
}

/**
 * The connections one host needs. libvirtd serves five requests at a time per connection, and a QEMU that hangs holds
 * its place: so what must not wait for statistics has a connection of its own.
 */
export interface LibvirtDaemon extends AsyncDisposable {
  /** Starting, stopping, devices, XML. */
  readonly actions: LibvirtConnection
  /** connectGetAllDomainStats and other calls that a hung QEMU holds up. */
  readonly statistics: LibvirtConnection
  /** Subscribe here: nothing else is in the way of the news. */
  readonly events: LibvirtConnection
  /** The network driver: the same daemon when it is monolithic, else virtnetworkd. May be down from the start. */
  readonly networks: LibvirtConnection
  /** The storage driver, likewise. */
  readonly storage: LibvirtConnection
  /** A fresh connection for one stream; dispose it after. It has no keepalive: its reader may stand still. */
  streamClient(): Promise<LibvirtClient>
}

/** @throws HdcsError as connectLibvirt, of the hypervisor alone: a host without networks or storage still opens. */
export async function connectDaemon(options: DaemonOptions = {}): Promise<LibvirtDaemon> {
  const { uri = 'qemu:///system', folder = systemFolder, ...common } = options
  await using opened = new AsyncDisposableStack()
  const open = async (driver: keyof typeof socketNames, patient: boolean) => {
    const driven = driver === 'hypervisor' ? uri : driverUri(uri, driver)
    return opened.use(await connectLibvirt({ ...common, uri: driven, sockets: socketsFor(driver, folder), patient }))
  }
  const actions = await open('hypervisor', false)
  const statistics = await open('hypervisor', false)
  const events = await open('hypervisor', false)
  const networks = await open('network', true)
  const storage = await open('storage', true)
  const all = opened.move()
  return {
    actions,
    statistics,
    events,
    networks,
    storage,
    streamClient() {
      const socket = actions.socket ?? socketsFor('hypervisor', folder)[0] ?? ''
      return openClient(unixDial(socket), { ...common, uri, keepalive: null })
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}
