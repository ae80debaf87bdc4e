import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { viewerFileText } from '../../spice/viewer-file.ts'
import { readPpm, type Screendump, startQemu } from './qemu.ts'
import { password, startRig } from './rig.ts'

const missing = ['remote-viewer', 'Xvfb', 'import', 'convert'].filter(program => !existsSync(`/usr/bin/${program}`))

/** Whether `part` lies somewhere in `whole`, pixel for pixel. */
function contains(whole: Screendump, part: Screendump): boolean {
  for (let top = 0; top + part.height <= whole.height; top++)
    for (let left = 0; left + part.width <= whole.width; left++) {
      const matches = (x: number, y: number) =>
        whole.pixels[(top + y) * whole.width + left + x] === part.pixels[y * part.width + x]
      const corners = matches(3, 0) && matches(part.width - 1, 1) && matches(7, part.height - 1)
      if (!corners) continue
      if (part.pixels.every((_, at) => matches(at % part.width, Math.floor(at / part.width)))) return true
    }
  return false
}

/** An X server without a screen. */
async function startXvfb(): Promise<AsyncDisposable & { display: string }> {
  const server = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = new Promise(resolve => server.on('exit', resolve))
  const number = await new Promise<string>(resolve => server.stdout.once('data', data => resolve(String(data).trim())))
  return {
    display: `:${number}`,
    async [Symbol.asyncDispose]() {
      server.kill()
      await ended
    },
  }
}

// Skipped where a program is missing: the promise is about the real viewer, and nothing else stands for it.
describe.skipIf(missing.length > 0)(`remote-viewer (not here: ${missing.join(', ') || 'nothing'})`, () => {
  it("opens a viewer file through the gateway's port, waits for the password, and shows the guest's pixels", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hdcs-viewer-'))
    await using qemu = await startQemu({ vga: ['-vga', 'std'] })
    await using rig = await startRig()
    await using screen = await startXvfb()
    const spice = { host: '127.0.0.1', port: qemu.port, password }
    const sealedTicket = await rig.ticket({ spice, channels: [1, 2, 3, 4] })
    const file = join(folder, 'desktop.vv')
    writeFileSync(
      file,
      viewerFileText({
        name: 'demo-1',
        gatewayUrl: `http://${rig.address}`,
        sealedTicket,
        spice,
        usbFilter: '-1,-1,-1,-1,0',
      }),
    )
    const environment = {
      ...process.env,
      DISPLAY: screen.display,
      HOME: folder,
      XDG_RUNTIME_DIR: folder,
      NO_AT_BRIDGE: '1',
    }
    const viewer = spawn('remote-viewer', [file], { env: environment, stdio: 'ignore' })
    const ended = new Promise(resolve => viewer.on('exit', resolve))
    try {
      await vi.waitFor(() => expect(rig.gateway.stats().linkRetries).toBeGreaterThan(2), { timeout: 30_000 })
      await qemu.setPassword(password)
      await vi.waitFor(() => expect(rig.gateway.stats().channels).toBe(4), { timeout: 30_000 })
      expect(existsSync(file)).toBe(false)
      await vi.waitFor(
        async () => {
          await qemu.qmp('send-key', { keys: [{ type: 'qcode', data: '3' }] })
          expect((await qemu.screendump()).width).toBe(800)
        },
        { timeout: 30_000, interval: 500 },
      )
      mkdirSync('test/out', { recursive: true })
      await vi.waitFor(
        async () => {
          const ppm = execFileSync('import', ['-display', screen.display, '-window', 'root', '-depth', '8', 'ppm:-'], {
            maxBuffer: 64 << 20,
          })
          writeFileSync(
            'test/out/remote-viewer.png',
            execFileSync('convert', ['ppm:-', 'png:-'], { input: ppm, maxBuffer: 64 << 20 }),
          )
          expect(contains(readPpm(ppm), await qemu.screendump())).toBe(true)
        },
        { timeout: 30_000, interval: 500 },
      )
    } finally {
      viewer.kill()
      await ended
      rmSync(folder, { recursive: true, force: true })
    }
    await vi.waitFor(() => expect(rig.gateway.stats().sessions).toBe(0))
  })
})
