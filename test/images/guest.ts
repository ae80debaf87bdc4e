/**
 * A guest for tests and measurements of the images: QEMU started directly (TCG, no libvirt), its serial port, its
 * monitor, its agent, its picture. Everything lives in one temporary folder and is gone after `dispose`.
 */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { pngEncode } from '../../images/png.ts'

const run = promisify(execFile)

/** One picture in how many milliseconds the files and sockets of QEMU are looked at. */
const lookMs = 20

export interface GuestOptions {
  image: string
  memoryMib: number
  video?: 'VGA' | 'virtio-vga' | 'qxl-vga' | 'none'
  vcpus?: number
  /** OEM strings, e.g. `hdcs.hostname=desk-1`. */
  oemStrings?: string[]
  uuid?: string
  /** Translation cache of TCG: small ones save memory, a desktop needs more. */
  cacheMib?: number
  /** An existing overlay instead of a new one. */
  overlay?: string
  /** Another machine than the one below; its monitor and agent listen in the folder as `monitor` and `agent`. */
  machine?: (place: { folder: string; overlay: string }) => string[]
  extra?: string[]
  /** Put before QEMU where it shall run elsewhere: `nsenter …`, which becomes it. */
  enter?: string[]
}

/** What QEMU tells without being asked. */
export interface QemuEvent {
  event: string
  timestamp: { seconds: number; microseconds: number }
}

export interface Moment {
  wallSeconds: number
  cpuSeconds: number
  text: string
}

type Json = Record<string, unknown>

/** Lines of JSON over a unix socket: the monitor and the agent both speak it. */
async function jsonLines(path: string): Promise<{ socket: Socket; next(timeoutMs: number): Promise<Json> }> {
  let socket: Socket
  for (let attempt = 0; ; attempt++) {
    socket = connect(path)
    const error = await new Promise<Error | null>(resolve => {
      socket.once('connect', () => resolve(null))
      socket.once('error', resolve)
    })
    if (!error) break
    if (attempt > 250) throw error // QEMU makes its sockets within milliseconds; 5 s means it never will
    await sleep(lookMs)
  }
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  return {
    socket,
    async next(timeoutMs) {
      const timeout = AbortSignal.timeout(timeoutMs)
      const line = await Promise.race([
        lines.next(),
        new Promise<never>((_, reject) => {
          timeout.addEventListener('abort', () => reject(new Error(`nothing on ${path} for ${timeoutMs} ms`)))
        }),
      ])
      if (line.done) throw new Error(`${path} was closed`)
      // The agent's answer to guest-sync-delimited starts with the byte 0xff.
      return JSON.parse(line.value.replace(/^\uFFFD+/, '')) as Json
    },
  }
}

function machineArgs(options: GuestOptions, { folder, overlay }: { folder: string; overlay: string }): string[] {
  const oem = (options.oemStrings ?? []).map(text => `,value=${text.replaceAll(',', ',,')}`).join('')
  return [
    ...['-nodefaults', '-display', 'none', '-machine', 'q35', '-accel', `tcg,tb-size=${options.cacheMib ?? 32}`],
    ...['-m', String(options.memoryMib), '-smp', String(options.vcpus ?? 1), '-boot', 'strict=on'],
    ...['-uuid', options.uuid ?? '11111111-2222-3333-4444-555555555555', '-smbios', `type=11${oem}`],
    ...[
      '-drive',
      `file=${overlay},if=none,id=disk,format=qcow2,discard=unmap`,
      '-device',
      'virtio-blk-pci,drive=disk,bootindex=1',
    ],
    ...['-netdev', 'user,id=net,net=10.0.2.0/24', '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...['-device', 'qemu-xhci', '-device', 'usb-tablet'],
    ...(options.video === 'none' ? [] : ['-device', options.video ?? 'VGA']),
    ...['-device', 'virtio-serial-pci', '-chardev', `socket,id=qga,path=${folder}/agent,server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0'],
    ...['-serial', `file:${folder}/serial`, '-qmp', `unix:${folder}/monitor,server=on,wait=off`],
  ]
}

/** Starts a guest on a fresh overlay of `image`. */
export async function guestStart(options: GuestOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'hdcs-guest-'))
  const overlay = options.overlay ?? join(folder, 'overlay.qcow2')
  if (!options.overlay)
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', options.image, '-F', 'qcow2', overlay])
  const machine = options.machine ?? (place => machineArgs(options, place))
  const startedMs = performance.now()
  const [program = '', ...before] = [...(options.enter ?? []), 'qemu-system-x86_64']
  const qemu = spawn(program, [...before, ...machine({ folder, overlay }), ...(options.extra ?? [])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  qemu.stderr.on('data', chunk => {
    complaint += chunk
  })
  let ended = false
  const end = new Promise<void>(resolve => {
    qemu.once('exit', () => {
      ended = true
      resolve()
    })
  })

  const serial = () => readFile(`${folder}/serial`, 'utf8').catch(() => '') // not yet made by QEMU

  async function moment(text: string): Promise<Moment> {
    const stat = await readFile(`/proc/${qemu.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      wallSeconds: Math.round(performance.now() - startedMs) / 1000,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
      text,
    }
  }

  /** The first (or nth) line on the serial port that matches. */
  async function mark(pattern: RegExp, timeoutMs: number, nth = 1): Promise<Moment> {
    const until = performance.now() + timeoutMs
    for (;;) {
      // The last one may still be on its way.
      const found = (await serial())
        .split('\n')
        .slice(0, -1)
        .filter(line => pattern.test(line))[nth - 1]
      if (found) return await moment(found.trim())
      if (ended) throw new Error(`QEMU ended: ${complaint}`)
      if (performance.now() > until)
        throw new Error(`no ${pattern} within ${timeoutMs} ms:\n${(await serial()).slice(-1500)}`)
      await sleep(lookMs)
    }
  }

  const events: QemuEvent[] = []
  let monitor: Awaited<ReturnType<typeof jsonLines>> | undefined
  async function qmp(execute: string, args: Json = {}): Promise<unknown> {
    if (!monitor) {
      monitor = await jsonLines(`${folder}/monitor`)
      await monitor.next(5000)
      monitor.socket.write('{"execute":"qmp_capabilities"}\n')
      while (!('return' in (await monitor.next(5000))));
    }
    monitor.socket.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    for (;;) {
      const answer = await monitor.next(15_000)
      if ('error' in answer) throw new Error(JSON.stringify(answer.error))
      if ('return' in answer) return answer.return
      if ('event' in answer) events.push(answer as unknown as QemuEvent)
    }
  }

  let agent: Awaited<ReturnType<typeof jsonLines>> | undefined
  async function agentCall(execute: string, args: Json = {}, timeoutMs = 20_000): Promise<unknown> {
    agent ??= await jsonLines(`${folder}/agent`)
    agent.socket.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    const answer = await agent.next(timeoutMs)
    if ('error' in answer) throw new Error(JSON.stringify(answer.error))
    return answer.return
  }

  /** When the guest agent answers its first question: what "ready" means in the product. */
  async function ready(timeoutMs: number): Promise<Moment> {
    await agentCall('guest-ping', {}, timeoutMs)
    return await moment('agent answers')
  }

  /** Runs a shell command in the guest; its output and exit code. */
  async function shell(command: string, timeoutMs = 30_000): Promise<{ code: number; text: string }> {
    const started = (await agentCall('guest-exec', {
      path: '/bin/sh',
      arg: ['-c', command],
      'capture-output': true,
    })) as { pid: number }
    const until = performance.now() + timeoutMs
    for (;;) {
      const status = (await agentCall('guest-exec-status', { pid: started.pid })) as Json
      const decode = (value: unknown) => Buffer.from(String(value ?? ''), 'base64').toString()
      if (status.exited)
        return { code: Number(status.exitcode), text: decode(status['out-data']) + decode(status['err-data']) }
      if (performance.now() > until) throw new Error(`${command}: not done within ${timeoutMs} ms`)
      await sleep(lookMs)
    }
  }

  /** The picture as PNG. */
  async function screenshot(): Promise<Uint8Array> {
    const path = `${folder}/picture.ppm`
    await qmp('screendump', { filename: path })
    const ppm = await readFile(path)
    const head = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(ppm.toString('latin1', 0, 64))
    if (!head) throw new Error('QEMU wrote no PPM')
    return pngEncode(Number(head[1]), Number(head[2]), ppm.subarray(head[0].length))
  }

  /** Presses keys, each a chord such as `shift-a`. */
  async function keys(...chords: string[]): Promise<void> {
    for (const chord of chords) {
      await qmp('send-key', { keys: chord.split('-').map(data => ({ type: 'qcode', data })) })
      await sleep(60) // keys are held 100 ms by default; QEMU queues, the guest's console drops when flooded
    }
  }

  return {
    folder,
    overlay,
    pid: qemu.pid,
    serial,
    moment,
    mark,
    qmp,
    /** Those that came before the monitor's last answer. */
    events,
    agent: agentCall,
    ready,
    shell,
    screenshot,
    keys,
    /** Resolves when QEMU has ended. */
    end,
    async [Symbol.asyncDispose]() {
      monitor?.socket.destroy()
      agent?.socket.destroy()
      if (!ended) qemu.kill('SIGKILL')
      await end
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export type Guest = Awaited<ReturnType<typeof guestStart>>
