/** What a host says of its machines and images, as the columns it is written to. Pure. */
import { unheard } from '../db/agents.ts'
import type { MoveObserved } from '../db/migrations.ts'
import type { ImageReport, MachineReport } from '../vmm/report.ts'

export const observed = (machine: MachineReport) => ({
  id: machine.id,
  observed_generation: machine.generation,
  observed_incarnation: machine.incarnation,
  observed_power: machine.power,
  observed_stopped: machine.stopped,
  observed_ready: machine.ready,
  observed_step: machine.step,
  observed_queue_place: machine.queuePlace,
  observed_work: machine.work ?? null,
  observed_clients: machine.clients,
  observed_graphics: machine.graphics,
  observed_trouble: machine.trouble,
  observed_memory: machine.saved ?? null,
  observed_gone: false,
  observed_cdrom: machine.cdrom ?? null,
  observed_hardware: machine.hardware ?? null,
})

/** Of all dongles of these machines. */
export const donglesSaid = (machines: readonly MachineReport[]) => machines.flatMap(({ dongles = [] }) => dongles)

/** What a host says of a move; what it says of the machine is kept with it, until the desktop is at home there. */
export const moveObserved = (machine: MachineReport): MoveObserved[] =>
  machine.move === null
    ? []
    : [{ ...machine.move, progress: Math.round(machine.move.progress), machine: observed(machine) }]

export const goneReport = (id: string) => ({ ...unheard, id, observed_gone: true })

export const imageObserved = (image: ImageReport) => ({
  version_id: image.id,
  observed_attempt: image.attempt,
  observed_state: image.state,
  observed_progress: Math.round(image.progress),
  observed_text: image.text,
  observed_virtual_bytes: image.virtualBytes,
  observed_stored_bytes: image.storedBytes,
  observed_sha256: image.sha256,
  observed_trouble: image.trouble,
})

/** Of machines whose snapshots somebody looked at. */
export const snapshotsSaid = (machines: readonly MachineReport[]) =>
  machines.flatMap(({ id, generation, snapshots }) => (snapshots ? [{ desktopId: id, generation, ...snapshots }] : []))
