/**
 * What the agent remembers of one machine beyond what the host can be asked: why it stands still, what failed, which
 * password is in force. Values change only through these pure functions; nothing is stored, a restarted agent starts
 * with `unknown` and asks anew.
 */
import type { ErrorCode, HdcsError } from '../lib/errors.ts'
import type { DongleMemory } from './dongles.ts'
import { freshGrowth, type GrowthMemory } from './growing.ts'
import type { MachineReport, Trouble } from './report.ts'

export interface MachineMemory {
  stopped: MachineReport['stopped']
  /** The generation whose life the guest ended itself: it stays off until the wish changes. */
  restsGeneration: number | null
  /** Failures in a row; 0 after it was ready for `steadyMs` or its spec changed. */
  failures: number
  /** No step before this moment; 0 is at once. */
  retryAtMs: number
  trouble: Trouble | null
  /** The last step failed because libvirt was away: tried again as soon as it is back. */
  unreachable: boolean
  /** A guest that came running counts as ready until then, as it was where it came from; else null. */
  trustedUntilMs: number | null
  /** When this boot began; null while it does not run. */
  bootedAtMs: number | null
  /** The guest agent answered since this boot. */
  answered: boolean
  answeredAtMs: number | null
  shutdownAskedAtMs: number | null
  shutdownLastAskedAtMs: number | null
  /** The SPICE password's serial in force; null: not known (adopted after a restart of the agent). 0: nobody gets in. */
  admittedSerial: number | null
  clients: number
  /** The generation for which a missing disk was looked for once more. */
  lookedGeneration: number | null
  /** Its disk is known to have the size that was wished: so many bytes. Null: not known. */
  diskBytes: number | null
  /** Of dongles that were refused, by their ids. */
  dongles: Readonly<Record<string, DongleMemory>>
  growth: GrowthMemory
  /** Grows with every stop that was reported: tells a start that returned late that its machine is gone again. */
  stops: number
}

export const freshMemory: MachineMemory = {
  stopped: null,
  restsGeneration: null,
  failures: 0,
  retryAtMs: 0,
  trouble: null,
  unreachable: false,
  trustedUntilMs: null,
  bootedAtMs: null,
  answered: false,
  answeredAtMs: null,
  shutdownAskedAtMs: null,
  shutdownLastAskedAtMs: null,
  admittedSerial: null,
  clients: 0,
  lookedGeneration: null,
  diskBytes: null,
  dongles: {},
  growth: freshGrowth,
  stops: 0,
}

/** A guest up for so long is well: its next crash is a first one. Shorter: a crash loop of a minute never backs off. */
const steadyMs = 60_000
/** The first wait after a failure. Lower: a broken image keeps the cores busy; higher: a person waits after one mishap. */
const firstRetryMs = 1_000
/** The longest wait. Higher: a disk that was freed is noticed late. */
const lastRetryMs = 300_000

/**
 * A disk that another host has open is asked for again so often, and that counts as no failure: its old copy may end at any
 * moment. Longer: a person waits for nothing; shorter: QEMUs are started in vain while a host is away for hours.
 */
const inUseRetryMs = 5_000

/** Room is made at any moment, and looking for it costs nothing. Longer: desktops stand still although there is some. */
const fullRetryMs = 5_000

/** 1 s, 2 s, 4 s … 5 min. */
export const retryDelayMs = (failures: number) => Math.min(firstRetryMs * 2 ** Math.max(0, failures - 1), lastRetryMs)

/**
 * A guest that came is asked whether it answers, and meanwhile whoever has it shall see no desktop that begins to start.
 * Longer: one that did not survive its way is called ready for that time; shorter: a busy host makes desktops flap.
 */
const trustMs = 2_000

const offline = {
  trustedUntilMs: null,
  bootedAtMs: null,
  answered: false,
  answeredAtMs: null,
  shutdownAskedAtMs: null,
  shutdownLastAskedAtMs: null,
  admittedSerial: null,
  clients: 0,
  dongles: {},
  growth: freshGrowth,
} satisfies Partial<MachineMemory>

export function memoryStarted(memory: MachineMemory, nowMs: number): MachineMemory {
  // A new QEMU lets nobody in: its password is random and expired (domain-xml.ts).
  return { ...memory, ...offline, stopped: null, restsGeneration: null, bootedAtMs: nowMs, admittedSerial: 0 }
}

/** A machine found running that this process did not start. */
export function memoryAdopted(memory: MachineMemory, nowMs: number): MachineMemory {
  return { ...memory, ...offline, stopped: null, restsGeneration: null, bootedAtMs: nowMs }
}

/** One that ran elsewhere until now. */
export function memoryArrived(memory: MachineMemory, nowMs: number): MachineMemory {
  return { ...memoryAdopted(memory, nowMs), trustedUntilMs: nowMs + trustMs }
}

/** The moment it must have answered; null: it is not taken on trust. */
export const trustEndsAtMs = ({ trustedUntilMs, answered }: MachineMemory, nowMs: number): number | null =>
  trustedUntilMs !== null && !answered && nowMs < trustedUntilMs ? trustedUntilMs : null

export function memoryAnswered(memory: MachineMemory, nowMs: number): MachineMemory {
  // What went wrong before this boot is over; the count stays until the guest proves steady.
  return { ...memory, answered: true, answeredAtMs: nowMs, trouble: null }
}

export function memoryStopped(
  memory: MachineMemory,
  because: 'wished' | 'guest' | 'crashed',
  generation: number,
  nowMs: number,
): MachineMemory {
  const stopped = {
    ...memory,
    ...offline,
    stopped: because,
    restsGeneration: because === 'guest' ? generation : null,
    stops: memory.stops + 1,
  }
  if (because !== 'crashed') return stopped
  const steady = memory.answeredAtMs !== null && nowMs - memory.answeredAtMs >= steadyMs
  const failures = steady ? 1 : memory.failures + 1
  const text = 'The machine ended without being asked to; it is started again. The host’s QEMU log says why.'
  return { ...stopped, failures, retryAtMs: nowMs + retryDelayMs(failures), trouble: { code: 'start_failed', text } }
}

/** QEMU stopped the guest's clock by itself: it does so when a write finds no space. */
export function memoryPausedItself(memory: MachineMemory, nowMs: number): MachineMemory {
  const text =
    'The desktop was paused because its storage is full, and nothing of it is lost: make room on the storage of its host, and it goes on by itself.'
  return { ...memory, retryAtMs: nowMs + fullRetryMs, trouble: { code: 'storage_full', text } }
}

/** Failures that say something of the machine itself: told at once. */
const plain: readonly ErrorCode[] = [
  'start_failed',
  'disk_in_use',
  'storage_full',
  'invalid',
  'unsupported',
  'template_unavailable',
]
/**
 * Any other failure (late, in the way of itself after a restart) mostly passes at the next try: told from this one on.
 * Fewer: a hiccup of libvirt is called a broken desktop, which the control plane replaces; more: a person waits unknowing.
 */
const toldFailures = 3

/** libvirt being away is the host's trouble (agent-reading.ts), no machine's. */
const isTold = (code: ErrorCode, failures: number) =>
  plain.includes(code) || (code !== 'unreachable' && failures >= toldFailures)

const failedDelayMs = (code: ErrorCode, failures: number) =>
  code === 'disk_in_use'
    ? inUseRetryMs
    : code === 'storage_full'
      ? Math.min(fullRetryMs, retryDelayMs(failures))
      : retryDelayMs(failures)

export function memoryFailed(memory: MachineMemory, error: HdcsError, nowMs: number): MachineMemory {
  const inUse = error.code === 'disk_in_use'
  const failures = memory.failures + (inUse ? 0 : 1)
  const told = isTold(error.code, failures)
  return {
    ...memory,
    failures,
    retryAtMs: nowMs + failedDelayMs(error.code, failures),
    trouble: told ? { code: error.code, text: error.message } : memory.trouble,
    unreachable: error.code === 'unreachable',
  }
}

/** A new wish is tried at once, whatever failed under the old one. */
export function memoryWished(memory: MachineMemory): MachineMemory {
  return { ...memory, failures: 0, retryAtMs: 0, dongles: {}, shutdownAskedAtMs: null, shutdownLastAskedAtMs: null }
}
