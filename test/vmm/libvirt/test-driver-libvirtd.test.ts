/** libvirt's own simulated hypervisor: a real daemon decodes what we send and says what it did. */
import { mkdir, symlink } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LibvirtClient, openClient } from '../../../vmm/libvirt/client.ts'
import { connectDaemon } from '../../../vmm/libvirt/daemon.ts'
import { isLibvirt } from '../../../vmm/libvirt/errors.ts'
import type { DomainEvent, EventSubscription } from '../../../vmm/libvirt/events.ts'
import { metadataKinds, undefineFlags, xmlFlags } from '../../../vmm/libvirt/flags.ts'
import { unixDial } from '../../../vmm/libvirt/transport.ts'
import { type PrivateLibvirtd, privateLibvirtd } from '../../support/libvirtd.ts'

const domainXml = (name: string) =>
  `<domain type='test'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>`
const networkXml = (name: string) =>
  `<network><name>${name}</name><bridge name='virbr-${name}'/><ip address='10.9.9.1' netmask='255.255.255.0'/></network>`
const poolXml = (name: string) =>
  `<pool type='dir'><name>${name}</name><target><path>/pools/${name}</path></target></pool>`
const volumeXml = (name: string) => `<volume><name>${name}</name><capacity unit='MiB'>3</capacity></volume>`

let daemon: PrivateLibvirtd
let libvirt: LibvirtClient

beforeAll(async () => {
  daemon = await privateLibvirtd()
  libvirt = await openClient(unixDial(daemon.socket), { uri: 'test:///default' })
})
afterAll(async () => {
  await libvirt?.[Symbol.asyncDispose]()
  await daemon?.[Symbol.asyncDispose]()
})

async function changes(count: number, events: EventSubscription): Promise<string[]> {
  const seen: string[] = []
  for await (const event of events) {
    const { change } = event as Extract<DomainEvent, { type: 'lifecycle' }>
    if (seen.push(`${change.what}: ${change.why}`) === count) break
  }
  return seen
}

describe('the connection', () => {
  it('tells what it is connected to', async () => {
    expect(await libvirt.connectGetType()).toBe('TEST')
    expect(await libvirt.connectGetUri()).toBe('test:///default')
    expect(await libvirt.connectGetLibVersion()).toBeGreaterThanOrEqual(9_000_000n)
    expect(await libvirt.connectGetHostname()).not.toBe('')
    expect(await libvirt.connectGetCapabilities()).toContain('<capabilities>')
    expect(await libvirt.nodeGetInfo()).toMatchObject({ cpuModel: 'i686', cpus: 16, memoryKib: 3_145_728n })
  })

  it('refuses a URI that no driver has, with libvirt’s words', async () => {
    const opening = openClient(unixDial(daemon.socket), { uri: 'nonsense:///system' })
    await expect(opening).rejects.toMatchObject({ message: expect.stringContaining('nonsense') })
  })

  it('is unreachable where nobody listens', async () => {
    const opening = openClient(unixDial(`${daemon.folder}/nobody`), { uri: 'test:///default' })
    await expect(opening).rejects.toMatchObject({ code: 'unreachable' })
  })
})

describe('a host whose drivers have daemons of their own', () => {
  // Debian 12 ships the monolithic daemon alone: it answers here under the modular names, by the same protocol.
  const modular = async () => {
    const folder = `${daemon.scratch}/modular`
    await mkdir(folder)
    for (const name of ['virtqemud-sock', 'virtnetworkd-sock']) await symlink(daemon.socket, `${folder}/${name}`)
    return folder
  }

  it('is asked for networks at their daemon, and opens although it has no storage daemon', async () => {
    const folder = await modular()
    await using host = await connectDaemon({ folder })
    expect([host.actions.socket, host.networks.socket]).toEqual([
      `${folder}/virtqemud-sock`,
      `${folder}/virtnetworkd-sock`,
    ])
    expect(await host.actions.connectGetUri()).toBe('qemu:///system')
    expect(await host.networks.connectGetUri()).toBe('network:///system')
    expect(await host.networks.connectListAllNetworks()).toEqual([])
    await expect(host.storage.connectListAllStoragePools()).rejects.toMatchObject({ code: 'unreachable' })
    await using stream = await host.streamClient()
    expect(await stream.connectGetType()).toBe('QEMU')
  })
})

describe('domains', () => {
  it('are found by name and uuid, and one that is not there is not_found', async () => {
    const [listed] = await libvirt.connectListAllDomains()
    expect(listed).toMatchObject({ name: 'test' })
    expect(await libvirt.domainLookupByName({ name: 'test' })).toEqual(listed)
    expect(await libvirt.domainLookupByUuid({ uuid: listed?.uuid ?? '' })).toEqual(listed)
    const error = await libvirt.domainLookupByName({ name: 'nobody' }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'not_found' })
    expect(isLibvirt(error, 'noDomain')).toBe(true)
  })

  it('go through their whole life, and every step is told', async () => {
    await using events = await libvirt.eventsSubscribe(['lifecycle'])
    const defined = await libvirt.domainDefineXmlFlags({ xml: domainXml('life') })
    expect(await libvirt.domainGetState({ domain: defined })).toMatchObject({ state: 'shutoff' })
    const domain = await libvirt.domainCreateWithFlags({ domain: defined })
    expect(domain.id).toBeGreaterThan(0)
    await libvirt.domainSuspend({ domain })
    expect(await libvirt.domainGetState({ domain })).toMatchObject({ state: 'paused' })
    await libvirt.domainResume({ domain })
    expect(await libvirt.domainGetInfo({ domain })).toMatchObject({ state: 'running', maxMemoryKib: 65_536n, vcpus: 1 })
    await libvirt.domainDestroyFlags({ domain })
    await libvirt.domainUndefineFlags({ domain, flags: undefineFlags.managedSave })
    expect(await changes(6, events)).toEqual([
      'defined: added',
      'started: booted',
      'suspended: paused',
      'resumed: unpaused',
      'stopped: destroyed',
      'undefined: removed',
    ])
  })

  it('that are transient are gone when they stop', async () => {
    const domain = await libvirt.domainCreateXml({ xml: domainXml('brief') })
    expect(await libvirt.domainGetXmlDesc({ domain, flags: xmlFlags.secure })).toContain('<name>brief</name>')
    await libvirt.domainShutdownFlags({ domain })
    await expect(libvirt.domainGetState({ domain })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('refuse what does not fit their state as a conflict', async () => {
    const domain = await libvirt.domainDefineXmlFlags({ xml: domainXml('off') })
    const error = await libvirt.domainDestroyFlags({ domain }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'conflict' })
    expect(isLibvirt(error, 'operationInvalid')).toBe(true)
    await libvirt.domainUndefineFlags({ domain })
  })

  it('that are malformed are refused as invalid', async () => {
    await expect(libvirt.domainCreateXml({ xml: '<domain' })).rejects.toMatchObject({ code: 'invalid' })
  })

  it('keep the notes that are put on them', async () => {
    const domain = await libvirt.domainLookupByName({ name: 'test' })
    const note = { domain, kind: metadataKinds.title }
    await expect(libvirt.domainGetMetadata(note)).rejects.toMatchObject({ code: 'not_found' })
    await libvirt.domainSetMetadata({ ...note, metadata: 'Ünïque «note» 桌面' })
    await expect(libvirt.domainGetMetadata(note)).resolves.toBe('Ünïque «note» 桌面')
  })

  it('are saved to a file and restored from it', async () => {
    const domain = await libvirt.domainCreateXml({ xml: domainXml('saved') })
    const path = `${daemon.scratch}/saved`
    await libvirt.domainSaveFlags({ domain, to: path })
    await libvirt.domainRestoreFlags({ from: path })
    const restored = await libvirt.domainLookupByName({ name: 'saved' })
    expect(restored.uuid).toBe(domain.uuid)
    await libvirt.domainDestroyFlags({ domain: restored })
  })
})

describe('networks', () => {
  it('go through their whole life', async () => {
    const network = await libvirt.networkDefineXml({ xml: networkXml('web') })
    expect(await libvirt.networkIsActive({ network })).toBe(false)
    await libvirt.networkSetAutostart({ network, autostart: true })
    await libvirt.networkCreate({ network })
    expect(await libvirt.networkIsActive({ network })).toBe(true)
    expect(await libvirt.networkLookupByName({ name: 'web' })).toEqual(network)
    expect((await libvirt.connectListAllNetworks()).map(({ name }) => name)).toContain('web')
    expect(await libvirt.networkGetXmlDesc({ network })).toContain('virbr-web')
    await libvirt.networkDestroy({ network })
    await libvirt.networkUndefine({ network })
    await expect(libvirt.networkLookupByName({ name: 'web' })).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('storage', () => {
  it('pools and volumes go through their whole life', async () => {
    const pool = await libvirt.storagePoolDefineXml({ xml: poolXml('shelf') })
    await libvirt.storagePoolBuild({ pool })
    await libvirt.storagePoolCreate({ pool })
    await libvirt.storagePoolRefresh({ pool })
    expect(await libvirt.storagePoolLookupByName({ name: 'shelf' })).toEqual(pool)
    expect(await libvirt.storagePoolGetInfo({ pool })).toMatchObject({ state: 'running' })

    const volume = await libvirt.storageVolCreateXml({ pool, xml: volumeXml('disk') })
    expect(await libvirt.storageVolLookupByName({ pool, name: 'disk' })).toEqual(volume)
    expect(await libvirt.storageVolLookupByKey({ key: volume.key })).toEqual(volume)
    expect(await libvirt.storageVolLookupByPath({ path: '/pools/shelf/disk' })).toEqual(volume)
    expect(await libvirt.storageVolGetPath({ volume })).toBe('/pools/shelf/disk')
    expect(await libvirt.storageVolGetInfo({ volume })).toMatchObject({ kind: 'file', capacityBytes: 3_145_728n })
    expect(await libvirt.storagePoolListAllVolumes({ pool })).toEqual([volume])
    await libvirt.storageVolDelete({ volume })
    const error = await libvirt.storageVolLookupByName({ pool, name: 'disk' }).catch((thrown: unknown) => thrown)
    expect(isLibvirt(error, 'noStorageVolume')).toBe(true)

    await libvirt.storagePoolDestroy({ pool })
    await libvirt.storagePoolUndefine({ pool })
    await expect(libvirt.storagePoolLookupByName({ name: 'shelf' })).rejects.toMatchObject({ code: 'not_found' })
  })
})
