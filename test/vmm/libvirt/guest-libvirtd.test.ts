/** A real QEMU behind a real libvirtd: streams, events, devices, networks, and what happens when either of them hangs. */
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { LibvirtClient } from '../../../vmm/libvirt/client.ts'
import { openClient } from '../../../vmm/libvirt/client.ts'
import { connectDaemon, type LibvirtDaemon } from '../../../vmm/libvirt/daemon.ts'
import { isLibvirt } from '../../../vmm/libvirt/errors.ts'
import type { EventSubscription } from '../../../vmm/libvirt/events.ts'
import { addressSources, affectFlags, consoleFlags, statsGroups } from '../../../vmm/libvirt/flags.ts'
import type { DomainRef, StoragePoolRef } from '../../../vmm/libvirt/objects.ts'
import { unixDial } from '../../../vmm/libvirt/transport.ts'
import { guestProcess, type PrivateLibvirtd, privateLibvirtd } from '../../support/libvirtd.ts'

/**
 * A whole operating system: it sends back what the serial port brings.
 * mov dx,3fd · in al,dx · test al,1 · jz · mov dx,3f8 · in al,dx · out dx,al · jmp to the start; ends with the boot mark.
 */
const echoProgram = [0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xeb, 0xf1]
const bootSector = new Uint8Array(512)
bootSector.set(echoProgram)
bootSector.set([0x55, 0xaa], 510)

const guestXml = (name: string, disk: string) => `<domain type='qemu'>
  <name>${name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type machine='pc'>hvm</type></os>
  <devices>
    <disk type='file'><driver name='qemu' type='raw'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>
    <controller type='usb' model='qemu-xhci'/>
    <serial type='pty'/><console type='pty'/>
    <video><model type='vga'/></video><graphics type='vnc' socket='${disk}.vnc'/>
    <memballoon model='none'/>
  </devices>
</domain>`

// What hangs here is a bug: no step takes more than seconds.
vi.setConfig({ testTimeout: 60_000 })

let world: PrivateLibvirtd
let libvirt: LibvirtDaemon
let pool: StoragePoolRef
let disk: string
let guest: DomainRef

beforeAll(async () => {
  world = await privateLibvirtd()
  libvirt = await connectDaemon({ folder: world.folder })
  const path = `${world.scratch}/disks`
  pool = await libvirt.storage.storagePoolDefineXml({
    xml: `<pool type='dir'><name>disks</name><target><path>${path}</path></target></pool>`,
  })
  await libvirt.storage.storagePoolBuild({ pool })
  await libvirt.storage.storagePoolCreate({ pool })
  disk = `${path}/echo`
  const volume = await libvirt.storage.storageVolCreateXml({
    pool,
    xml: `<volume><name>echo</name><capacity unit='MiB'>1</capacity></volume>`,
  })
  await using client = await libvirt.streamClient()
  await using upload = await client.storageVolUpload({ volume })
  await upload.write(bootSector)
  await upload.end()
  guest = await libvirt.actions.domainCreateXml({ xml: guestXml('echo', disk) })
})
afterAll(async () => {
  await libvirt?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
})

async function collected(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const bytes of stream) parts.push(bytes)
  return Buffer.concat(parts)
}

async function until<E>(events: AsyncIterable<E>, holds: (event: E) => boolean): Promise<E> {
  for await (const event of events) if (holds(event)) return event
  throw new Error('The events ended.')
}

/** Reads until the text has come; the stream stays open. */
async function heard(stream: AsyncIterable<Uint8Array>, text: string): Promise<string> {
  const reader = stream[Symbol.asyncIterator]()
  let all = ''
  while (!all.includes(text)) {
    const { value, done } = await reader.next()
    if (done) throw new Error(`The stream ended after ${JSON.stringify(all)}.`)
    all += new TextDecoder().decode(value)
  }
  return all
}

describe('streams', () => {
  it('store every byte of a volume and bring it back, many packets long', async () => {
    const bytes = new Uint8Array(5_000_003).map((_, index) => (index * 31) ^ (index >> 8))
    const volume = await libvirt.storage.storageVolCreateXml({
      pool,
      xml: `<volume><name>large</name><capacity>${bytes.length}</capacity></volume>`,
    })
    await using client = await libvirt.streamClient()
    const upload = await client.storageVolUpload({ volume, lengthBytes: BigInt(bytes.length) })
    await upload.write(bytes)
    await upload.end()
    expect((await readFile(`${world.scratch}/disks/large`)).equals(bytes)).toBe(true)
    const download = await client.storageVolDownload({ volume })
    expect((await collected(download)).equals(bytes)).toBe(true)
    await download.end()
    await libvirt.storage.storageVolResize({ volume, capacityBytes: 6_000_000n })
    expect(await libvirt.storage.storageVolGetInfo({ volume })).toMatchObject({ capacityBytes: 6_000_000n })
    await libvirt.storage.storageVolDelete({ volume })
  })

  it('find no second place for a volume of the same name', async () => {
    expect(await libvirt.storage.storagePoolLookupByTargetPath({ path: `${world.scratch}/disks` })).toEqual(pool)
    const xml = `<volume><name>echo</name><capacity>512</capacity></volume>`
    const error = await libvirt.storage.storageVolCreateXml({ pool, xml }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'conflict' })
    expect(isLibvirt(error, 'volumeExists')).toBe(true)
  })

  it('refuse what is longer than was announced', async () => {
    const volume = await libvirt.storage.storageVolLookupByName({ pool, name: 'echo' })
    await using client = await libvirt.streamClient()
    const upload = await client.storageVolUpload({ volume, lengthBytes: 512n })
    const tooMuch = async () => {
      await upload.write(new Uint8Array(1024))
      await upload.end()
    }
    await expect(tooMuch()).rejects.toMatchObject({ message: expect.stringContaining('libvirt:') })
    await using repair = await client.storageVolUpload({ volume })
    await repair.write(bootSector)
    await repair.end()
  })

  it('carry a console both ways', async () => {
    await using client = await libvirt.streamClient()
    await using console = await client.domainOpenConsole({ domain: guest, flags: consoleFlags.force })
    // The guest may still be in its firmware and drop what comes too early: ask until it answers.
    const answer = heard(console, 'ping')
    const asking = setInterval(() => void console.write(new TextEncoder().encode('ping')), 100)
    await answer.finally(() => clearInterval(asking))
  })

  it('tell a second console that somebody else has it, and the first that it was taken by force', async () => {
    await using client = await libvirt.streamClient()
    await using other = await libvirt.streamClient()
    const console = await client.domainOpenConsole({ domain: guest })
    await expect(other.domainOpenConsole({ domain: guest })).rejects.toMatchObject({
      message: expect.stringContaining('Active console session'),
    })
    await using taken = await other.domainOpenConsole({ domain: guest, flags: consoleFlags.force })
    expect(taken.result).toBeUndefined()
    await expect(collected(console)).rejects.toMatchObject({ message: expect.stringContaining('I/O failure') })
  })

  it('bring a picture of the screen', async () => {
    await using client = await libvirt.streamClient()
    const picture = await client.domainScreenshot({ domain: guest })
    const bytes = await collected(picture)
    const starts = { 'image/png': '\x89PNG', 'image/x-portable-pixmap': 'P6' }[picture.result ?? '']
    expect(bytes.subarray(0, 4).toString('latin1')).toContain(starts)
  })
})

describe('a guest', () => {
  it('is measured without asking for what hangs', async () => {
    const [record] = await libvirt.statistics.connectGetAllDomainStats({
      stats: statsGroups.state | statsGroups.cpuTotal,
    })
    expect(record).toMatchObject({ domain: guest, params: { 'state.state': 1, 'cpu.time': expect.any(BigInt) } })
  })

  it('answers on its monitor, has no agent, no address and no job', async () => {
    const command = '{"execute":"query-status"}'
    const status = await libvirt.actions.domainQemuMonitorCommand({ domain: guest, command })
    expect(JSON.parse(status)).toMatchObject({ return: { running: true } })
    const ping = { domain: guest, command: '{"execute":"guest-ping"}', timeoutSeconds: 1 }
    await expect(libvirt.actions.domainQemuAgentCommand(ping)).rejects.toMatchObject({ code: 'unsupported' })
    const lease = { domain: guest, source: addressSources.lease }
    expect(await libvirt.actions.domainInterfaceAddresses(lease)).toEqual([])
    expect(await libvirt.actions.domainGetJobStats({ domain: guest })).toEqual({ kind: 'none', params: {} })
    await expect(libvirt.actions.domainAbortJob({ domain: guest })).rejects.toMatchObject({ code: 'conflict' })
  })

  it('gets and loses devices, and says when they are there and gone', async () => {
    await using events = await libvirt.events.eventsSubscribe(['deviceAdded', 'deviceRemoved'])
    const device = { domain: guest, flags: affectFlags.live }
    const xml = "<input type='tablet' bus='usb'><alias name='ua-tablet'/></input>"
    await libvirt.actions.domainAttachDeviceFlags({ ...device, xml })
    expect(await until(events, () => true)).toMatchObject({ type: 'deviceAdded', alias: 'ua-tablet' })
    await libvirt.actions.domainDetachDeviceAlias({ ...device, alias: 'ua-tablet' })
    expect(await until(events, () => true)).toMatchObject({ type: 'deviceRemoved', alias: 'ua-tablet' })
  })

  it('tells when somebody comes to look at its screen and goes', async () => {
    await using events = await libvirt.events.eventsSubscribe(['graphics'])
    const phase = (wanted: string) => until(events, event => event.type === 'graphics' && event.phase === wanted)
    const viewer = connect(`${disk}.vnc`)
    expect(await phase('connect')).toMatchObject({ domain: { uuid: guest.uuid }, local: { family: 'unix' } })
    viewer.destroy()
    await phase('disconnect')
  })

  it('that is killed is reported stopped, and why', async () => {
    await using events = await libvirt.events.eventsSubscribe(['lifecycle'])
    const domain = await libvirt.actions.domainCreateXml({
      xml: guestXml('doomed', `${disk}2`).replace(/<disk.*disk>/, ''),
    })
    process.kill(await guestProcess('doomed'), 'SIGKILL')
    const stopped = await until(events, event => event.type === 'lifecycle' && event.change.what === 'stopped')
    expect(stopped).toMatchObject({ domain: { uuid: domain.uuid }, change: { why: 'failed' } })
  })

  it('that hangs holds its own connection up, until the deadline, and no other', async () => {
    const pid = await guestProcess('echo')
    process.kill(pid, 'SIGSTOP')
    try {
      const keepalive = { intervalMs: 300, count: 3 }
      await using client = await openClient(unixDial(world.socket), { uri: 'qemu:///system', keepalive })
      const asked = Array.from({ length: 6 }, () =>
        client.connectGetAllDomainStats({ stats: statsGroups.block }, { timeoutMs: 2_000 }),
      )
      for (const call of asked) await expect(call).rejects.toMatchObject({ code: 'timeout' })
      // Had the calls in flight taken all places, its pings would have stayed unanswered for too long.
      expect(await libvirt.actions.domainGetState({ domain: guest })).toMatchObject({ state: 'running' })
      await expect(openState(client)).resolves.toBe('open')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    expect(await libvirt.statistics.connectGetAllDomainStats({ stats: statsGroups.block })).toHaveLength(1)
  })
})

const openState = (client: LibvirtClient) => Promise.race([client.closed, Promise.resolve('open')])

describe('networks', () => {
  it('of a real daemon go through their whole life', async () => {
    const network = await libvirt.networks.networkDefineXml({
      xml: `<network><name>lan</name><bridge name='lan0' stp='off' delay='0'/>
        <ip address='10.87.0.1' netmask='255.255.255.0'><dhcp><range start='10.87.0.2' end='10.87.0.9'/></dhcp></ip></network>`,
    })
    await libvirt.networks.networkCreate({ network })
    expect(await libvirt.networks.networkIsActive({ network })).toBe(true)
    expect(await libvirt.networks.networkGetDhcpLeases({ network })).toEqual([])
    await libvirt.networks.networkDestroy({ network })
    await libvirt.networks.networkUndefine({ network })
  })
})

describe('a daemon', () => {
  const renewed = async (events: EventSubscription<{ type: string }>) => {
    await until(events, event => event.type === 'lost')
    await until(events, event => event.type === 'renewed')
  }

  it('that is killed is reached again by all connections, and its guests are still there', async () => {
    const connections = [libvirt.actions, libvirt.statistics, libvirt.events, libvirt.networks, libvirt.storage]
    const watching = await Promise.all(connections.map(connection => connection.eventsSubscribe([])))
    world.command('kill')
    await Promise.all(watching.map(renewed))
    for (const events of watching) await events[Symbol.asyncDispose]()
    expect(await libvirt.actions.domainLookupByUuid({ uuid: guest.uuid })).toEqual(guest)
    expect(await libvirt.storage.storagePoolIsActive({ pool })).toBe(true)
  })

  it('that is away is unreachable at once, and found when it comes back', async () => {
    await using events = await libvirt.events.eventsSubscribe(['lifecycle'])
    world.command('hold')
    await until(events, event => event.type === 'lost')
    await expect(libvirt.events.connectGetHostname()).rejects.toMatchObject({ code: 'unreachable' })
    world.command('start')
    await until(events, event => event.type === 'renewed')
    await libvirt.events.domainSuspend({ domain: guest })
    const paused = await until(events, event => event.type === 'lifecycle')
    expect(paused).toMatchObject({ change: { what: 'suspended', why: 'paused' } })
    await libvirt.events.domainResume({ domain: guest })
  })

  it('that hangs is given up after its pings stay unanswered', async () => {
    const keepalive = { intervalMs: 50, count: 2 }
    await using client = await openClient(unixDial(world.socket), { uri: 'qemu:///system', keepalive })
    world.command('stop')
    try {
      const asking = async () => {
        for (;;) await client.connectGetHostname()
      }
      await expect(asking()).rejects.toMatchObject({ code: 'unreachable' })
    } finally {
      world.command('continue')
    }
  })
})
