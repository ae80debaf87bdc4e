/**
 * A running guest between two hosts of the lab, against QEMU's own migration in the same run, with the same encryption.
 *   total ≤ 1.15 × raw (both with the start of the target's QEMU) · pause ≤ 100 ms + raw's
 *   a guest that changes twice as much as the line carries gets over or stays, whole, in every run
 * Needs root. Run on an otherwise quiet machine: bash scripts/run.sh bench/migrate.ts [MOVES] [BUSY MOVES]
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestRun } from '../test/lab/guest.ts'
import { type Pair, startMoveLab } from '../test/lab/move-lab.ts'
import { other, type Side } from '../test/vmm/mover.ts'
import { machineSpec, nicSpec } from '../test/vmm/wishes.ts'
import { firstPauseMs } from '../vmm/migrate.ts'
import { qemuPki, type RawMove, rawMigrations } from './raw-migration.ts'

const moves = Number(process.argv[2] ?? 6)
const busyMoves = Number(process.argv[3] ?? 50)
const memoryMib = 128
/** MiB a second that the line carries for the busy guest; it changes twice as much. */
const slowLine = 8

await using site = await startMoveLab('bench')
const machine = machineSpec(1, { id: crypto.randomUUID(), name: 'mover', nic: nicSpec('10.247.4.9') })
machine.hardware = { ...machine.hardware, memoryBytes: memoryMib * 2 ** 20 }
await using pair = await site.pair({ hosts: { source: 'h1', target: 'h2' }, kind: 'live', machine })
await sleep(5_000)

const ours: { wallSeconds: number; jobSeconds: number; pauseMs: number }[] = []
for (let count = 0; count < moves; count++) {
  const { wallSeconds, to } = await moved()
  ours.push({ wallSeconds, ...(await jobOf(to)) })
  await sleep(2_000)
}
show('ours', { 'wished to running there, s': walls(ours), 'libvirt’s job, s': jobs(ours), 'pause, ms': pauses(ours) })
const images = join(site.lab.storageOf('main'), 'images')
const image = join(images, readdirSync(images).find(name => name.endsWith('.qcow2')) ?? '')
const [one, two] = [site.lab.host('h1'), site.lab.host('h2')]
const tls = { source: qemuPki(one.home), target: qemuPki(two.home), name: two.name }
const common = { image, memoryMib, moves, pauseMs: firstPauseMs }
const raw = await rawMigrations({ ...common, tls, port: 47_000 })
showRaw('raw with TLS', raw)
showRaw('raw, not encrypted', await rawMigrations({ ...common, tls: null, port: 47_100 }))

await guestRun(await pair.daemon(pair.home), machine.id, busyGuest(slowLine * 2))
const outcomes: string[] = []
for (let count = 0; count < busyMoves; count++) outcomes.push(await busyMove(pair))
const counted = Map.groupBy(outcomes, outcome => outcome)
for (const [outcome, all] of counted) console.log(`busy guest: ${all.length} of ${busyMoves} ${outcome}`)

const total = median(walls(ours)) / median(walls(raw))
const pause = median(pauses(ours)) - median(pauses(raw))
const rows: [string, number, number][] = [
  ['total ÷ raw, both encrypted and with the start of the target’s QEMU', total, 1.15],
  ['pause above raw’s, ms', pause, 100],
  [
    'busy guests that did not end cleanly',
    outcomes.filter(outcome => outcome !== 'over' && outcome !== 'stays').length,
    0,
  ],
]
for (const [name, value, limit] of rows)
  console.log(`${value <= limit ? 'kept  ' : 'MISSED'}  ${value.toFixed(3).padStart(9)} ≤ ${limit}   ${name}`)
process.exitCode = rows.every(([, value, limit]) => value <= limit) ? 0 : 1

async function moved(): Promise<{ wallSeconds: number; to: Side; ended: string }> {
  const to = other(pair.home)
  const began = performance.now()
  pair.move()
  const ended = await pair.end(300_000)
  const wallSeconds = (performance.now() - began) / 1000
  await pair.controls[pair.home].machine(machine.id, ({ ready, move }) => ready && move === null, 60_000)
  return { wallSeconds, to, ended }
}

/** What libvirt says of the job that brought the guest here. */
async function jobOf(side: Side): Promise<{ jobSeconds: number; pauseMs: number }> {
  const completed = 1
  const { params } = await (await pair.daemon(side)).statistics.domainGetJobStats({
    domain: domain(),
    flags: completed,
  })
  return {
    jobSeconds: Number(params.time_elapsed ?? Number.NaN) / 1000,
    pauseMs: Number(params.downtime ?? Number.NaN),
  }
}

/** Over, stays, or what is wrong. */
async function busyMove({ runs, daemon }: Pair): Promise<string> {
  await (await daemon(pair.home)).actions.domainMigrateSetMaxSpeed({ domain: domain(), mibPerSecond: BigInt(slowLine) })
  const { ended } = await moved()
  for (const deadline = Date.now() + 5_000; (await runs()).length !== 1 && Date.now() < deadline; ) await sleep(50)
  const on = await runs()
  if (on.length !== 1 || on[0] !== pair.home) return `runs on ${on.join(' and ') || 'nothing'}`
  const answer = await guestRun(await daemon(pair.home), machine.id, 'echo well')
  if (answer !== 'well') return 'does not answer'
  const why = pair.told('source').at(-1)?.trouble?.code
  return ended === 'done' ? 'over' : why === 'timeout' ? 'stays' : `${ended}: ${why}`
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

function showRaw(name: string, done: RawMove[]): void {
  const alone = done.map(({ migrateSeconds }) => migrateSeconds)
  show(name, { 'with its QEMU’s start, s': walls(done), 'migration alone, s': alone, 'pause, ms': pauses(done) })
}

function walls(done: { wallSeconds: number }[]) {
  return done.map(({ wallSeconds }) => wallSeconds)
}
function jobs(done: { jobSeconds: number }[]) {
  return done.map(({ jobSeconds }) => jobSeconds)
}
function pauses(done: { pauseMs: number }[]) {
  return done.map(({ pauseMs }) => pauseMs)
}

function median(values: number[]) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
