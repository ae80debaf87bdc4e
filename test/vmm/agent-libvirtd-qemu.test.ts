import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'
import { privateLibvirtd } from '../support/libvirtd.ts'
import { makeControl } from './control.ts'
import { hostSpec, imageSpec, installationId, machineSpec } from './wishes.ts'

const cache = '/var/tmp/hdcs-test-cache'

it('works on after libvirtd was killed: guests stay ready, what was wished meanwhile is done, and saved memory is told with its end', async () => {
  await using libvirtd = await privateLibvirtd()
  const folder = join(libvirtd.scratch, 'host')
  await mkdir(folder)
  await mkdir(cache, { recursive: true })
  await symlink(cache, join(folder, 'cache'))
  await using host = await openLibvirtHost({
    installationId,
    folder,
    daemon: { folder: libvirtd.folder },
    enter: libvirtd.enter,
    runFolder: libvirtd.scratch,
    accelerator: 'tcg',
    fetchImage: () => Promise.reject(new Error('nothing was uploaded')),
  })
  const control = makeControl()
  await using _agent = await startAgent({ host, connect: control.connect, log: makeLog('agent', 'silent') })
  const [stays, comes] = [machineSpec(1), machineSpec(2)]
  control.tell({ type: 'wish', spec: hostSpec([stays], { images: [imageSpec()] }) })
  await control.machine(stays.id, report => report.ready, 240_000)

  libvirtd.command('hold')
  control.tell({ type: 'change', machines: [comes], images: [], gone: [], remove: [] })
  const troubles = () =>
    control.heard.flatMap(message => (message.type === 'beat' ? (message.host?.troubles ?? []) : []))
  await control.until(() => troubles().some(({ code }) => code === 'unreachable'), 60_000)
  // The host's trouble is no machine's: nothing has to be replaced because libvirt is away.
  expect(control.machines.get(comes.id)?.trouble ?? null).toBeNull()
  expect(control.machines.get(stays.id)).toMatchObject({ power: 'running', ready: true })

  libvirtd.command('start')
  await control.machine(comes.id, report => report.ready && report.trouble === null, 120_000)
  expect(control.machines.get(stays.id)).toMatchObject({ power: 'running', ready: true, stopped: null })

  // libvirt tells of the end that saving makes before it answers that all is saved: a receipt must not end on that.
  const save = { ...comes, generation: 2, power: 'stopped' as const, keepMemory: true }
  control.tell({ type: 'change', machines: [save], images: [], gone: [], remove: [] })
  await control.machine(comes.id, report => report.saved?.state === 'saved', 60_000)
  const said = control.heard.flatMap(message => (message.type === 'report' ? message.machines : []))
  const stood = said.filter(({ id, power, generation }) => id === comes.id && power === 'stopped' && generation === 2)
  expect(stood.map(report => report.saved?.state)).toEqual(['saved'])
})
