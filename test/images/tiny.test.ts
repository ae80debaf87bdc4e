/** The tiny template on real QEMU: what a person and the control plane rely on. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileSha256 } from '../../vmm/image-convert.ts'
import { guestStart } from './guest.ts'

const run = promisify(execFile)
const recipe = new URL('../../images/build-tiny.sh', import.meta.url).pathname
const pictures = new URL('../out/', import.meta.url).pathname
/** Kept between runs, so that the packages are downloaded once. */
const cache = join(tmpdir(), 'hdcs-test-cache')
/** A lone boot takes 3 s; a machine that does other things too may take twenty times as long. */
const bootMs = 60_000
const never = new AbortController().signal
const host = (name: string) => [`hdcs.hostname=${name}`]
let folder = ''
let image = ''

async function build(name: string, env: Record<string, string> = {}): Promise<string> {
  const out = join(folder, name)
  await run('bash', [recipe, out], {
    env: { ...process.env, HDCS_CACHE: cache, HDCS_NODE: process.execPath, ...env },
    maxBuffer: 2 ** 24,
  })
  return out
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hdcs-tiny-'))
  await mkdir(pictures, { recursive: true })
  image = await build('tiny.qcow2')
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('the tiny template', () => {
  it('is the same, byte for byte, when it is built again from the same packages', async () => {
    const again = await build('again.qcow2', { HDCS_FRESH: '1' })
    expect(await fileSha256(again, never)).toBe(await fileSha256(image, never))
  })

  it('boots from its disk in 96 MiB, bears the name it was given, and shows name, address and clock', async () => {
    await using guest = await guestStart({ image, memoryMib: 96, oemStrings: host('demo-0007') })
    await guest.ready(bootMs)
    expect((await guest.mark(/TINY-NET /, bootMs)).text).toContain('ip=10.0.2.15/24')
    expect((await guest.shell('hostname')).text).toBe('demo-0007\n')
    await guest.mark(/TINY-PLUG/, bootMs)
    // The picture is text on the console: what stands there can be read back.
    const screen = async () => (await guest.shell('cat /dev/vcs1')).text.match(/.{80}/gs) ?? []
    let lines = await screen()
    while (!lines.some(line => line.includes('10.0.2.15/24')) || !lines[0]?.includes('UTC')) lines = await screen()
    expect(lines[0]).toMatch(/^ HDCS {2}demo-0007 .* \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/)
    await writeFile(join(pictures, 'tiny.png'), await guest.screenshot())
  })

  it('reacts to keys and to the mouse', async () => {
    await using guest = await guestStart({ image, memoryMib: 96, oemStrings: host('keys') })
    await guest.mark(/TINY-PLUG/, bootMs)
    await guest.ready(bootMs)
    while (!(await guest.shell('cat /dev/vcs1')).text.includes('keys /data/home #'));
    await guest.keys(...'touch'.split(''), 'spc', ...'typed'.split(''), 'ret')
    while ((await guest.shell('test -e /data/home/typed')).code !== 0);
    while ((await guest.shell('ls /run | grep pointer')).code !== 0);
    const move = (axis: string, value: number) => ({ type: 'abs', data: { axis, value } })
    const press = { type: 'btn', data: { button: 'left', down: true } }
    await guest.qmp('input-send-event', { events: [move('x', 16384), move('y', 8192), press] })
    expect((await guest.mark(/TINY-POINTER/, bootMs)).text).toMatch(/x=1638\d y=819\d button=1/)
  })

  it('keeps what was saved over a shutdown, which the power button starts and a second ends', async () => {
    const overlay = join(folder, 'overlay.qcow2')
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image, '-F', 'qcow2', overlay])
    {
      await using guest = await guestStart({ image, overlay, memoryMib: 96, oemStrings: host('first') })
      await guest.mark(/TINY-PLUG/, bootMs)
      await guest.ready(bootMs)
      await guest.shell('echo precious >/data/home/letter')
      await guest.qmp('system_powerdown')
      await guest.end
      expect(await guest.serial()).toContain('TINY-DOWN poweroff')
    }
    await using guest = await guestStart({ image, overlay, memoryMib: 96, oemStrings: host('second') })
    expect((await guest.mark(/TINY-READY/, bootMs)).text).toContain('name=second boot=2')
    await guest.ready(bootMs)
    expect((await guest.shell('cat /data/home/letter')).text).toBe('precious\n')
  })

  it('takes an address from the host without asking the network', async () => {
    const oemStrings = [...host('fixed'), 'hdcs.address=10.0.2.77/24']
    await using guest = await guestStart({ image, memoryMib: 96, oemStrings })
    expect((await guest.mark(/TINY-NET /, bootMs)).text).toContain('ip=10.0.2.77/24 gw=10.0.2.1')
  })

  it('runs on two processors and with every kind of display', async () => {
    for (const video of ['virtio-vga', 'qxl-vga'] as const) {
      await using guest = await guestStart({ image, memoryMib: 128, vcpus: 2, video, oemStrings: host('wide') })
      await guest.ready(bootMs)
      expect((await guest.shell('nproc')).text).toBe('2\n')
    }
  })

  it('takes nothing from a host string but names and addresses', async () => {
    const oemStrings = ['hdcs.hostname=$(reboot)', 'hdcs.address=1;reboot', 'other=1']
    await using guest = await guestStart({ image, memoryMib: 96, oemStrings })
    expect((await guest.mark(/TINY-READY/, bootMs)).text).toContain('name=tiny ')
    await guest.ready(bootMs)
  })

  it('mounts a stick that is plugged in and lets it go when it is pulled', async () => {
    const stick = join(folder, 'stick.raw')
    await writeFile(stick, Buffer.alloc(2 ** 20))
    await run('/sbin/mke2fs', ['-q', '-t', 'ext4', '-L', 'stick', stick])
    await using guest = await guestStart({ image, memoryMib: 96, oemStrings: host('usb') })
    await guest.mark(/TINY-PLUG/, bootMs)
    await guest.qmp('blockdev-add', { driver: 'raw', 'node-name': 'stick', file: { driver: 'file', filename: stick } })
    await guest.qmp('device_add', { driver: 'usb-storage', id: 'stick', drive: 'stick' })
    expect((await guest.mark(/TINY-MEDIA dev=/, bootMs)).text).toContain('lost+found')
    await guest.qmp('device_del', { id: 'stick' })
    await guest.mark(/TINY-MEDIA-GONE/, bootMs)
  })

  it('is sealed', async () => {
    await expect(readFile(image)).resolves.toBeTruthy()
    const { stdout } = await run('qemu-img', ['info', '--output=json', image])
    expect(JSON.parse(stdout)).toMatchObject({ format: 'qcow2', 'virtual-size': 256 * 2 ** 20 })
    expect((await run('stat', ['-c', '%a', image])).stdout).toBe('444\n')
  })
})
