/**
 * A running guest between two hosts of the lab, against QEMU's own migration and against libvirt's (`virsh migrate`) in the
 * same run: the same devices, memory and encryption, all with the start of the target's QEMU.
 *   total ≤ 1.15 × raw · pause ≤ 100 ms + raw's
 *   a guest that changes twice as much as the line carries gets over or stays, whole, in every run
 * Needs root. Run on an otherwise quiet machine: bash scripts/run.sh bench/migrate.ts [MOVES] [BUSY MOVES] [MEMORY MIB]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestRun } from '../test/lab/guest.ts'
import { hostPid, type LabHost } from '../test/lab/lab-host.ts'
import { type Pair, startMoveLab } from '../test/lab/move-lab.ts'
import { other, sides } from '../test/vmm/mover.ts'
import { machineSpec, nicSpec } from '../test/vmm/wishes.ts'
import { firstPauseMs } from '../vmm/migrate.ts'
import { momentsWatch, virshMigrate } from './libvirt-migration.ts'
import { libvirtMachine, type RawMove, type RawPlace, rawGuest } from './raw-migration.ts'

const moves = Number(process.argv[2] ?? 6)
const busyMoves = Number(process.argv[3] ?? 50)
/** A guest of 128 MiB has half of it in use by itself: what a move costs whatever it carries. Larger ones are filled to half. */
const memoryMib = Number(process.argv[4] ?? 128)
const fillMib = memoryMib > 128 ? memoryMib / 2 : 0
/** MiB a second that the line carries for the busy guest; it changes twice as much. */
const slowLine = 8
/** What a move leaves behind is over by then. */
const restMs = 2_000

await using site = await startMoveLab('bench')
const machine = machineSpec(1, { id: crypto.randomUUID(), name: 'mover', nic: nicSpec('10.247.4.9') })
machine.hardware = { ...machine.hardware, memoryBytes: memoryMib * 2 ** 20 }
const hosts = { source: 'h1', target: 'h2' }
await using pair = await site.pair({ hosts, kind: 'live', machine })
await using moments = await momentsWatch(await Promise.all(sides.map(pair.daemon)), machine.id)
await sleep(5_000)

interface Move {
  /** From the wish until its guest runs there, and until that was told to whoever wished it. */
  runsSeconds: number
  toldSeconds: number
  pauseMs: number
}
const images = join(site.lab.storageOf('main'), 'images')
const image = join(images, readdirSync(images).find(name => name.endsWith('.qcow2')) ?? '')
const qemu = libvirtMachine(readFileSync(join(pair.host('source').home, 'log/qemu/mover.log'), 'utf8'), image)
const places = { source: rawPlace(pair.host('source')), target: rawPlace(pair.host('target')) }
await guestRun(await pair.daemon(pair.home), machine.id, fill(fillMib))
await using guest = await rawGuest({
  image,
  machine: qemu,
  memoryMib,
  fill: fill(fillMib),
  pauseMs: firstPauseMs,
  ...places,
})

const ours: Move[] = []
const libvirts: Omit<Move, 'toldSeconds'>[] = []
const raw: RawMove[] = []
// In turn, there and back: whatever else this machine does meanwhile, it does to all three.
for (let count = 0; count < moves; count += 2) {
  for (const _ of sides) {
    const beganMs = Date.now()
    const { wallSeconds: toldSeconds, ended } = await moved()
    if (ended !== 'done') throw new Error(`a move ended ${ended}: ${JSON.stringify(pair.told('source').at(-1))}`)
    ours.push({ toldSeconds, ...(await sinceMs(beganMs)) })
    await sleep(restMs)
  }
  // Without anybody who would miss the guest.
  for (const side of sides) await pair.kill(side)
  for (const at of sides) {
    const beganMs = await virshMigrate(site.lab, hosts[at], hosts[other(at)], machine.id)
    libvirts.push(await sinceMs(beganMs))
    await sleep(restMs)
  }
  for (const _ of sides) raw.push(await guest.move())
  await agentsBack()
}
show('ours', {
  'wished to told that it runs there, s': ours.map(({ toldSeconds }) => toldSeconds),
  'wished to running there, s': ours.map(({ runsSeconds }) => runsSeconds),
  'pause, ms': pauses(ours),
})
show('virsh migrate', {
  'asked to running there, s': libvirts.map(({ runsSeconds }) => runsSeconds),
  'pause, ms': pauses(libvirts),
})
show('raw', {
  'with its QEMU’s start, s': raw.map(({ wallSeconds }) => wallSeconds),
  'migration alone, s': raw.map(({ migrateSeconds }) => migrateSeconds),
  'pause, ms': pauses(raw),
})

await guestRun(await pair.daemon(pair.home), machine.id, busyGuest(slowLine * 2))
const outcomes: string[] = []
for (let count = 0; count < busyMoves; count++) {
  const beganMs = Date.now()
  const outcome = await busyMove(pair)
  outcomes.push(outcome)
  console.log(`busy guest, move ${count + 1}: ${outcome}, after ${((Date.now() - beganMs) / 1000).toFixed(0)} s`)
}
const counted = Map.groupBy(outcomes, outcome => outcome)
for (const [outcome, all] of counted) console.log(`busy guest: ${all.length} of ${busyMoves} ${outcome}`)

const told = median(ours.map(({ toldSeconds }) => toldSeconds))
const total = told / median(raw.map(({ wallSeconds }) => wallSeconds))
const floor = median(libvirts.map(({ runsSeconds }) => runsSeconds))
console.log(`ours ÷ virsh migrate: ${(told / floor).toFixed(3)}`)
const pause = median(pauses(ours)) - median(pauses(raw))
const unclean = outcomes.filter(outcome => outcome !== 'over' && outcome !== 'stays').length
const rows: [string, number, number][] = [
  ['total ÷ raw, both encrypted and with the start of the target’s QEMU', total, 1.15],
  ['pause above raw’s, ms', pause, 100],
  ['busy guests that did not end cleanly', unclean, 0],
]
for (const [name, value, limit] of rows)
  console.log(`${value <= limit ? 'kept  ' : 'MISSED'}  ${value.toFixed(3).padStart(9)} ≤ ${limit}   ${name}`)
process.exitCode = rows.every(([, value, limit]) => value <= limit) ? 0 : 1

function rawPlace(host: LabHost): RawPlace {
  const { name, address, home } = host
  return { name, address, pki: join(home, 'pki', 'qemu'), enter: ['nsenter', '-t', `${hostPid(host)}`, '-n', '--'] }
}

/** Both have read their host and heard their wish. */
async function agentsBack(): Promise<void> {
  const back = sides.map(side => {
    const control = pair.controls[side]
    const heard = control.heard.length
    pair.start(side)
    return control.until(() => control.heard.slice(heard).some(({ type }) => type === 'hello'), 60_000)
  })
  await Promise.all(back)
  await pair.controls[pair.home].machine(machine.id, ({ ready }) => ready, 60_000)
  await sleep(restMs)
}

async function moved(): Promise<{ wallSeconds: number; ended: string }> {
  const began = performance.now()
  pair.move()
  const ended = await pair.end(300_000)
  const wallSeconds = (performance.now() - began) / 1000
  await pair.controls[pair.home].machine(machine.id, ({ ready, move }) => ready && move === null, 60_000)
  return { wallSeconds, ended }
}

async function sinceMs(beganMs: number): Promise<Omit<Move, 'toldSeconds'>> {
  const { stoppedMs, runsMs } = await moments.take()
  return { runsSeconds: (runsMs - beganMs) / 1000, pauseMs: runsMs - stoppedMs }
}

/** Over, stays, or what is wrong. */
async function busyMove({ runs, daemon }: Pair): Promise<string> {
  await (await daemon(pair.home)).actions.domainMigrateSetMaxSpeed({ domain: domain(), mibPerSecond: BigInt(slowLine) })
  const { ended } = await moved()
  for (const deadline = Date.now() + 5_000; (await runs()).length !== 1 && Date.now() < deadline; ) await sleep(50)
  const on = await runs()
  if (on.length !== 1 || on[0] !== pair.home) return `runs on ${on.join(' and ') || 'nothing'}`
  // What it changes lies in its memory: one that started anew on the way does not have it.
  const answer = await guestRun(await daemon(pair.home), machine.id, '[ -e /run/busy ] && echo well').catch(String)
  if (answer !== 'well') return `does not answer: ${answer}`
  const why = pair.told(pair.home).at(-1)?.trouble?.code
  return ended === 'done' ? 'over' : why === 'timeout' ? 'stays' : `${ended}: ${why}`
}

/** So much of its memory in use, with what no page repeats. */
function fill(mib: number): string {
  return mib === 0
    ? 'true'
    : `mount -o remount,size=90% /run; dd if=/dev/urandom of=/run/filled bs=1M count=${mib} 2>/dev/null`
}

function domain() {
  return { name: machine.id, uuid: machine.id, id: -1 }
}

/** Changes so many MiB a second, for ever. */
function busyGuest(mibPerSecond: number): string {
  const write = `dd if=/dev/urandom of=/run/busy bs=1M count=${Math.min(12, mibPerSecond)} conv=notrunc 2>/dev/null`
  return `(while :; do ${write}; done) </dev/null >/dev/null 2>&1 &`
}

function show(name: string, figures: Record<string, number[]>): void {
  for (const [figure, values] of Object.entries(figures)) {
    const all = values.map(value => value.toFixed(3)).join(' ')
    console.log(`${`${name}: ${figure}`.padEnd(48)} ${all}   median ${median(values).toFixed(3)}`)
  }
}

function pauses(done: { pauseMs: number }[]) {
  return done.map(({ pauseMs }) => pauseMs)
}

function median(values: number[]) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
