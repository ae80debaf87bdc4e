import { expect, it } from 'vitest'
import type { HostEvent } from '../../vmm/host.ts'
import { connectDaemon } from '../../vmm/libvirt/daemon.ts'
import { refOf, startMachineEvents } from '../../vmm/libvirt-events.ts'
import { ensureLibvirtd } from '../support/libvirtd.ts'

it('tells of our machines on libvirt’s own test driver, and of nobody else’s', async () => {
  await ensureLibvirtd()
  await using daemon = await connectDaemon({ uri: 'test:///default' })
  const asked: string[] = []
  await using machines = await startMachineEvents(daemon, async id => {
    asked.push(id)
    return false
  })
  const events = machines.events()
  const next = async () => (await events.next()).value as HostEvent
  const xml = (name: string) =>
    `<domain type='test'><name>${name}</name><memory>8192</memory><os><type>hvm</type></os></domain>`
  const ours = await daemon.actions.domainDefineXmlFlags({ xml: xml('ours') })
  const foreign = await daemon.actions.domainDefineXmlFlags({ xml: xml('foreign') })
  try {
    machines.own(ours.uuid)
    for (const domain of [foreign, ours]) {
      await daemon.actions.domainCreateWithFlags({ domain })
      await daemon.actions.domainSuspend({ domain })
      await daemon.actions.domainResume({ domain })
    }
    await daemon.actions.domainShutdownFlags({ domain: refOf(ours.uuid) })
    const machineId = ours.uuid
    expect([await next(), await next(), await next(), await next()]).toEqual([
      { type: 'started', machineId },
      { type: 'paused', machineId },
      { type: 'resumed', machineId },
      { type: 'stopped', because: 'guest', machineId },
    ])
    expect(asked).toEqual([foreign.uuid])
  } finally {
    await daemon.actions.domainDestroyFlags({ domain: foreign })
    for (const domain of [ours, foreign]) await daemon.actions.domainUndefineFlags({ domain })
  }
})
