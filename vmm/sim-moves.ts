/**
 * How simulated hosts of one process reach each other: by the URI in their facts. What a name asks for:
 *   machine named …fail-move…   its move breaks off half way (`internal`, as libvirt would say it)
 *   machine named …slow-move…   takes fifty times as long
 *   machine named …dirty…       changes its memory faster than it can be sent (`timeout`)
 */
import { HdcsError } from '../lib/errors.ts'
import type { Departure, FoundMachine, Progress } from './host.ts'
import type { RunningHardware } from './report.ts'
import type { MachineSpec } from './spec.ts'

/** A guest on its way, with what its disk holds. */
export interface SimGuest {
  spec: MachineSpec
  power: FoundMachine['power']
  agentConnected: boolean
  content: string
  hardware: RunningHardware
}

/** A simulated host, as others see it. */
export interface SimPlace {
  /** Takes the guest over in one moment, or says why not; the promise is that of its storage to keep what came. */
  receive(guest: SimGuest, kind: Departure['kind']): Promise<void>
}

const places = new Map<string, SimPlace>()
const nameOf = (installationId: string, uri: string) => `${installationId} ${uri}`

export const simUri = (hostName: string) => `sim://${hostName}`

export function simPlaceOpen(installationId: string, hostName: string, place: SimPlace): Disposable {
  const name = nameOf(installationId, simUri(hostName))
  places.set(name, place)
  return {
    [Symbol.dispose]() {
      if (places.get(name) === place) places.delete(name)
    },
  }
}

/** @throws HdcsError as libvirt when nobody listens. */
export function simPlace(installationId: string, uri: string): SimPlace {
  const place = places.get(nameOf(installationId, uri))
  if (!place) throw new HdcsError('internal', `libvirt: unable to connect to server at ‘${uri}’: Connection refused`)
  return place
}

/** One disk on its way from a host to another, through whoever joins them. */
interface Handover {
  offered: PromiseWithResolvers<string>
  taken: PromiseWithResolvers<void>
}
const handovers = new Map<string, Handover>()
/** More are forgotten, oldest first: only a move of hours ago would be asked for again. */
const keptHandovers = 1_000

export function simHandover(moveId: string): Handover {
  const known = handovers.get(moveId)
  if (known) return known
  const made: Handover = { offered: Promise.withResolvers(), taken: Promise.withResolvers() }
  handovers.set(moveId, made)
  for (const id of handovers.keys()) if (handovers.size > keptHandovers) handovers.delete(id)
  return made
}

/** What it waits for, or the reason of the abort. */
export async function simAwait<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const cancel = () => aborted.reject(new HdcsError('cancelled', 'The move was cancelled.'))
  if (signal.aborted) cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Of ten parts of the way. */
const parts = 10
const slowFactor = 50

/** @param delay waits, or throws when the signal says so. */
export async function simJourney(
  { name }: MachineSpec,
  moveMs: number,
  progress: Progress,
  delay: (ms: number) => Promise<void>,
): Promise<void> {
  const partMs = (moveMs / parts) * (name.includes('slow-move') ? slowFactor : 1)
  for (let part = 0; part < parts; part++) {
    progress((part * 100) / parts, name.includes('dirty') && part > 3 ? 'slowing the guest down' : 'sending its memory')
    await delay(partMs)
    if (part === parts / 2 && name.includes('fail-move'))
      throw new HdcsError('internal', 'libvirt: operation failed: the move broke off, as its name asked.')
  }
  if (name.includes('dirty'))
    throw new HdcsError(
      'timeout',
      'The migration does not converge: the guest changes its memory faster than it can be sent.',
    )
}
