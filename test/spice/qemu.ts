/** A real QEMU with a SPICE screen and the one-sector guest, emulated. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { vi } from 'vitest'
import { guestDisk } from './guest.ts'

export interface Screendump {
  width: number
  height: number
  pixels: Int32Array
}

export interface Qemu extends AsyncDisposable {
  port: number
  qmp(command: string, args?: object): Promise<unknown>
  setPassword(password: string): Promise<void>
  /** 0xRRGGBB from the top. */
  screendump(): Promise<Screendump>
}

export async function startQemu(options: {
  vga: readonly string[]
  compression?: string
  more?: readonly string[]
}): Promise<Qemu> {
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-spice-'))
  const port = await freePort()
  writeFileSync(join(folder, 'disk.img'), guestDisk())
  const spice = `port=${port},addr=127.0.0.1,password-secret=none,image-compression=${options.compression ?? 'lz'},streaming-video=off`
  const words = ['-accel', 'tcg', '-machine', 'pc', '-m', '64', '-nodefaults', '-display', 'none', ...options.vga]
  words.push(
    '-drive',
    `file=${join(folder, 'disk.img')},format=raw,if=ide`,
    '-device',
    'qemu-xhci',
    '-device',
    'usb-tablet',
  )
  words.push(
    '-object',
    'secret,id=none,data=nobody-knows',
    '-spice',
    spice,
    '-qmp',
    `unix:${join(folder, 'qmp')},server=on,wait=off`,
  )
  const qemu = spawn('qemu-system-x86_64', [...words, ...(options.more ?? [])], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise(resolve => qemu.on('exit', resolve))

  const socket = await vi.waitFor(
    () =>
      new Promise<ReturnType<typeof connect>>((resolve, reject) => {
        const candidate = connect(join(folder, 'qmp'))
        candidate.once('connect', () => resolve(candidate)).once('error', reject)
      }),
    { timeout: 20_000 },
  )
  socket.on('error', () => {})
  const waiting: ((answer: { return?: unknown; error?: { desc: string } }) => void)[] = []
  createInterface(socket).on('line', line => {
    const answer = JSON.parse(line)
    if (!('event' in answer) && !('QMP' in answer)) waiting.shift()?.(answer)
  })
  const qmp = async (execute: string, args: object = {}) => {
    socket.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    const answer = await new Promise<{ return?: unknown; error?: { desc: string } }>(resolve => waiting.push(resolve))
    if (answer.error) throw new Error(answer.error.desc)
    return answer.return
  }
  await qmp('qmp_capabilities')
  return {
    port,
    qmp,
    async setPassword(password) {
      await qmp('set_password', { protocol: 'spice', password, connected: 'keep' })
      await qmp('expire_password', { protocol: 'spice', time: '+600' })
    },
    async screendump() {
      const file = join(folder, 'screen.ppm')
      await qmp('screendump', { filename: file })
      return readPpm(readFileSync(file))
    },
    async [Symbol.asyncDispose]() {
      qemu.kill('SIGKILL')
      await ended
      socket.destroy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export function readPpm(bytes: Buffer): Screendump {
  const head = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString('latin1', 0, 40))
  if (!head) throw new Error('no PPM')
  const [width, height] = [Number(head[1]), Number(head[2])]
  const pixels = new Int32Array(width * height)
  for (let i = 0, at = head[0].length; i < pixels.length; i++, at += 3) pixels[i] = bytes.readUIntBE(at, 3)
  return { width, height, pixels }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
