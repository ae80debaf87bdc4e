/**
 * Whether a busy guest survives live moves between bare QEMUs: no libvirt, nothing of ours. Emulated ones (TCG) of QEMU 7.2
 * lose writes on the way: their kernel reports faults or they stand still, mostly at the first or second move. This is why
 * bench/migrate.ts can ask of an emulated busy guest only where it runs, not whether it is whole.
 *
 *   bash scripts/run.sh bench/raw-busy.ts IMAGE [MOVES]    IMAGE: a sealed tiny image (host/images/*.qcow2)
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestStart } from '../test/images/guest.ts'

const [image, moves = '6'] = process.argv.slice(2)
if (!image) throw new Error('Which image? bash scripts/run.sh bench/raw-busy.ts IMAGE')
/** Bytes a second: half of what the guest changes. */
const line = 8 * 2 ** 20
/** Then the line is opened, as our last rung does, so that the move ends. */
const openMs = 30_000

const folder = await mkdtemp(join(tmpdir(), 'hdcs-raw-busy-'))
await using guests = new AsyncDisposableStack()
guests.defer(() => rm(folder, { recursive: true, force: true }))
const machine = { image, memoryMib: 128, oemStrings: ['hdcs.hostname=busy'] }
let source = guests.use(await guestStart(machine))
const { overlay } = source
await source.ready(120_000)
const loop = 'while :; do dd if=/dev/urandom of=/run/busy bs=1M count=12 conv=notrunc 2>/dev/null; done'
await source.shell(`(${loop}) </dev/null >/dev/null 2>&1 &`)

for (let move = 1; move <= Number(moves); move++) {
  const target = guests.use(await guestStart({ ...machine, overlay, extra: ['-incoming', 'defer'] }))
  const uri = `unix:${join(folder, `${move}`)}`
  await target.qmp('migrate-incoming', { uri })
  await source.qmp('migrate-set-parameters', { 'max-bandwidth': line, 'downtime-limit': 300 })
  await source.qmp('migrate', { uri })
  for (const began = Date.now(); ; await sleep(200)) {
    const { status } = (await source.qmp('query-migrate')) as { status: string }
    if (status === 'failed') throw new Error('QEMU’s own migration failed.')
    if (status === 'completed') break
    if (Date.now() - began > openMs) await source.qmp('migrate-set-parameters', { 'max-bandwidth': 2 ** 30 })
  }
  await source.qmp('quit')
  source = target
  const answer = await target.shell('dmesg | grep -E "irqs disabled|Oops|BUG|protection fault" | tail -n 1').catch(
    () => null, // told below: that it does not answer is the finding
  )
  const words = answer === null ? 'does not answer any more' : answer.text.trim() || 'is whole'
  console.log(`move ${move}: ${words}`)
  if (words !== 'is whole') break
}
