/** A real root storage, small and filled: to its reserve, and past it by a guest that writes. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { foldersSpace } from '../../vmm/folders.ts'
import type { GuestScript, Host } from '../../vmm/host.ts'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'
import { ensureLibvirtd } from '../support/libvirtd.ts'
import { until } from '../support/site.ts'
import { makeControl } from './control.ts'
import { hostSpec, machineSpec } from './wishes.ts'

const run = promisify(execFile)
const MiB = 2 ** 20
const log = makeLog('test', 'silent')
const installationId = crypto.randomUUID()
const machine = (number: number) =>
  machineSpec(number, {
    id: crypto.randomUUID(),
    name: `full-${number}`,
    hardware: { vcpus: 1, memoryBytes: 192 * MiB, video: 'vga', diskBytes: 1024 * MiB, sound: false },
  })
const [first, second] = [machine(1), machine(2)]
/** Writes past the guest's file system, reads it back from the disk and says whether it is the same. */
const writing: GuestScript = {
  id: 'fills',
  shell: 'sh',
  text: [
    'yes what a guest writes | head -c 33554432 | dd of=/dev/vda bs=4096 seek=153600 conv=notrunc,fsync 2>/dev/null',
    'echo 3 >/proc/sys/vm/drop_caches',
    'dd if=/dev/vda bs=1M skip=600 count=32 2>/dev/null | md5sum',
    'yes what a guest writes | head -c 33554432 | md5sum',
  ].join('\n'),
  input: '',
  environment: {},
  timeoutSeconds: 240,
}

let base: string
let folder: string
let host: Host
let agent: AsyncDisposable | undefined
let control: ReturnType<typeof makeControl>

const agentAnew = async () => {
  await agent?.[Symbol.asyncDispose]()
  control = makeControl()
  agent = await startAgent({ host, connect: control.connect, log })
}
const wish = (machines: (typeof first)[]) =>
  control.tell({ type: 'wish', spec: hostSpec(machines, { installationId, network: subnet }) })
const subnet = { supernet: '10.247.0.0/28', subnet: '10.247.0.0/28' }
/** Takes all room but so much, as a file of the storage's. */
async function fill(name: string, leftBytes: number) {
  const { freeBytes } = await foldersSpace(folder)
  await run('fallocate', ['-l', `${freeBytes - leftBytes}`, join(folder, '..', name)])
}

beforeAll(async () => {
  await ensureLibvirtd()
  base = await mkdtemp('/var/tmp/hdcs-full-')
  await chmod(base, 0o711)
  await run('truncate', ['-s', '1700M', join(base, 'disk')])
  await run('mkfs.ext4', ['-q', '-m0', join(base, 'disk')])
  await mkdir(join(base, 'mount'))
  await run('mount', ['-o', 'loop', join(base, 'disk'), join(base, 'mount')])
  folder = join(base, 'mount', 'hdcs')
  const fetchImage = () => Promise.reject(new Error('nothing was uploaded'))
  const cacheFolder = '/var/tmp/hdcs-test-cache'
  host = await openLibvirtHost({ installationId, folder, cacheFolder, fetchImage, accelerator: 'tcg' })
  await agentAnew()
  wish([first])
  await control.machine(first.id, report => report.ready, 200_000)
}, 300_000)
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]()
  await host?.leave()
  await host?.[Symbol.asyncDispose]()
  if (base) await run('umount', [join(base, 'mount')]).catch(() => {}) // not mounted: the beginning failed
  if (base) await rm(base, { recursive: true, force: true })
})

it('refuses new disks at the reserve, pauses a guest that writes past it, and loses nothing: all goes on once there is room', async () => {
  await fill('reserve', 1024 * MiB - MiB)
  wish([first, second])
  await control.machine(second.id, ({ trouble }) => trouble?.code === 'storage_full', 30_000)
  expect(control.machines.get(first.id)).toMatchObject({ ready: true, trouble: null })

  await fill('rest', 8 * MiB)
  await host.guestScript(first.id, writing).catch(() => null) // it stands still before it can answer
  const stands = await control.machine(first.id, ({ power }) => power === 'paused', 60_000)
  expect(stands.trouble?.code).toBe('storage_full')
  // Somebody else's agent finds it so, and does not call it suspended.
  await agentAnew()
  wish([first, second])
  await control.machine(
    first.id,
    ({ power, trouble }) => power === 'paused' && trouble?.code === 'storage_full',
    30_000,
  )

  for (const name of ['rest', 'reserve']) await rm(join(folder, '..', name))
  await control.machine(first.id, ({ power, ready, trouble }) => power === 'running' && ready && !trouble, 60_000)
  await control.machine(second.id, ({ ready }) => ready, 60_000)
  const said = await until('what it wrote is read back', async () => {
    const seen = await host.guestScript(first.id, writing)
    return seen.state !== 'running' && seen
  })
  expect(said).toMatchObject({ state: 'ended', exitCode: 0 })
  const [read, wrote] = said.output.trim().split('\n')
  expect(read).toMatch(/^[0-9a-f]{32}/)
  expect(read).toBe(wrote)
})
