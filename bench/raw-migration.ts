/**
 * What QEMU itself takes to move a guest, told by QMP alone: the yardstick of bench/migrate.ts. It is the machine that
 * libvirt made of ours, with the same devices, memory and certificates.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Guest, guestStart, type QemuEvent } from '../test/images/guest.ts'

export interface RawMove {
  /** From the start of the target's QEMU to the guest running there, in seconds: libvirt has to start one, too. */
  wallSeconds: number
  /** From `migrate` to its end, as QEMU says. */
  migrateSeconds: number
  /** From its last moment at the source to its first at the target. */
  pauseMs: number
}

/** One of the two hosts between which it goes, over the same line as ours. */
export interface RawPlace {
  name: string
  address: string
  /** Its certificates as QEMU wants them. */
  pki: string
  /** Into its network. */
  enter: string[]
}

export interface RawOptions {
  image: string
  /** How libvirt started it: `libvirtMachine`. */
  machine: (place: { folder: string; overlay: string }) => string[]
  memoryMib: number
  /** Run in the guest before it is moved: what it holds in its memory. */
  fill: string
  /** The largest pause that QEMU shall take, as ours. */
  pauseMs: number
  source: RawPlace
  target: RawPlace
}

/** A guest is idle some seconds after it answered. */
const settleMs = 5_000
const restMs = 1_000

const credentials = ({ pki }: RawPlace, endpoint: string) => [
  '-object',
  `tls-creds-x509,id=tls,dir=${pki},endpoint=${endpoint},verify-peer=on`,
]
const port = 47_000

/** One guest, moved again and again from a QEMU to a fresh one; between its moves it stands still. */
export async function rawGuest({ image, machine, memoryMib, fill, pauseMs, ...places }: RawOptions) {
  const extra = credentials(places.source, 'client')
  await using undo = new AsyncDisposableStack()
  const source: Guest = undo.use(await guestStart({ image, memoryMib, machine, extra, enter: places.source.enter }))
  await source.ready(120_000)
  await source.shell(fill, 120_000)
  await sleep(settleMs)
  await source.qmp('stop')
  const all = undo.move()

  return {
    async move(): Promise<RawMove> {
      await source.qmp('cont')
      await sleep(restMs)
      const beganMs = Date.now()
      await using target = await guestStart({
        image,
        memoryMib,
        machine,
        overlay: source.overlay,
        extra: ['-incoming', 'defer', ...credentials(places.target, 'server')],
        enter: places.target.enter,
      })
      await target.qmp('migrate-set-parameters', { 'tls-creds': 'tls' })
      const uri = `tcp:${places.target.address}:${port}`
      await target.qmp('migrate-incoming', { uri })
      const secure = { 'tls-creds': 'tls', 'tls-hostname': places.target.name }
      await source.qmp('migrate-set-parameters', { 'downtime-limit': pauseMs, 'max-bandwidth': 2 ** 40, ...secure })
      await source.qmp('migrate', { uri })
      const migrateSeconds = await ended(source)
      // From here on it goes on at the source again, so that every move is of the same guest.
      const [stoppedMs, runsMs] = [momentOf(source, 'STOP'), await runs(target)]
      return { wallSeconds: (runsMs - beganMs) / 1000, migrateSeconds, pauseMs: runsMs - stoppedMs }
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function ended(source: Guest): Promise<number> {
  for (;;) {
    const state = (await source.qmp('query-migrate')) as { status: string; 'total-time'?: number }
    if (state.status === 'completed') return (state['total-time'] ?? 0) / 1000
    if (state.status === 'failed' || state.status === 'cancelled')
      throw new Error(`QEMU's own migration: ${state.status}`)
    await sleep(10)
  }
}

/** @returns when it began to, by QEMU's own clock. */
async function runs(target: Guest): Promise<number> {
  while (!((await target.qmp('query-status')) as { running: boolean }).running) await sleep(10)
  return momentOf(target, 'RESUME')
}

function momentOf({ events }: Guest, name: string): number {
  const event = events.findLast((told): told is QemuEvent => told.event === name)
  if (!event) throw new Error(`QEMU did not tell of ${name}`)
  return event.timestamp.seconds * 1000 + event.timestamp.microseconds / 1000
}

/**
 * The machine that libvirt started, from its log of it (`starting up libvirt …`, then the command, an option a line). What
 * libvirt opened for it (sockets, the tap) and its secrets are replaced; its disk is another overlay.
 * @param image the template's, where it lies outside the host.
 */
export function libvirtMachine(log: string, image: string): RawOptions['machine'] {
  const lines = log.split('\n')
  const first = lines.findIndex(line => line.startsWith('/usr/bin/qemu'))
  const last = lines.findIndex((line, index) => index > first && !line.endsWith('\\'))
  const options = lines.slice(first + 1, last + 1).map(line => {
    const [name = '', ...value] = line.replace(/ \\$/, '').split(' ')
    return { name, value: value.join(' ').replace(/^'(.*)'$/, '$1') }
  })
  return ({ folder, overlay }) => {
    const socket = (id: string, name: string) => `socket,id=${id},path=${folder}/${name},server=on,wait=off`
    const place = ({ name, value }: { name: string; value: string }) => {
      if (value.includes('id=charmonitor')) return socket('charmonitor', 'monitor')
      if (value.includes('id=charchannel0')) return socket('charchannel0', 'agent')
      if (name === '-netdev') return 'user,id=hostnet0,net=10.0.2.0/24'
      if (name === '-spice') return value.replace(/^port=[^,]*,addr=[^,]*/, `unix=on,addr=${folder}/spice`)
      return value
        .replace(/"filename":"[^"]*\/overlays\/[^"]*"/, `"filename":"${overlay}"`)
        .replace(/"filename":"[^"]*\/images\/[^"]*"/, `"filename":"${image}"`)
    }
    return options
      .filter(({ name, value }) => name !== '-S' && !value.includes('"secret"'))
      .flatMap(option => (option.value === '' ? [option.name] : [option.name, place(option)]))
  }
}
