/**
 * Where a stopped disk that one host sends meets the host that takes it: nothing of it is kept here. Both ask this one
 * process; when there are several, they try again until they meet in one.
 */
import { diskMoveOf } from '../db/moved-disks.ts'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'

/** The other side is waited for. Longer: proxies cut silent requests; shorter: two that begin apart never meet. */
const meetMs = 45_000
/** After all of it went through: the target syncs it to its disk and reports. */
const reportMs = 60_000
const lookMs = 500

export interface DiskOffer {
  sizeBytes: number
  content: ReadableStream<Uint8Array>
}

interface Meeting {
  offer: PromiseWithResolvers<DiskOffer>
  /** All bytes went to the other side. */
  passed: PromiseWithResolvers<void>
}

/** Who sends and who takes the disk of a move that goes on. */
export interface DiskMove {
  /** Null: removed since. */
  fromHostId: string | null
  toHostId: string | null
  /** The target has said that it has all of it. */
  taken: boolean
}

export const diskMeetings = (broker: Broker) => makeDiskMeetings(moveId => diskMoveOf(broker.db, moveId))

export function makeDiskMeetings(moveRead: (moveId: string) => Promise<DiskMove | undefined>) {
  const meetings = new Map<string, Meeting>()

  const meetingOf = (moveId: string): Meeting => {
    const known = meetings.get(moveId)
    if (known) return known
    const made: Meeting = { offer: Promise.withResolvers(), passed: Promise.withResolvers() }
    // Heard by whoever waits, which may be nobody any more.
    made.passed.promise.catch(() => {})
    meetings.set(moveId, made)
    return made
  }
  const moveOf = async (moveId: string, hostId: string, end: 'fromHostId' | 'toHostId') => {
    const move = await moveRead(moveId)
    if (move?.[end] !== hostId) throw new HdcsError('not_found', 'This host has no part in such a move (any more).')
    return move
  }

  return {
    /**
     * Resolves when the target has all of it on its own storage; also when it had before.
     * @throws HdcsError `not_found`; `unreachable` when the other side did not come or broke off: try again.
     */
    async send(hostId: string, moveId: string, offer: DiskOffer, signal: AbortSignal): Promise<void> {
      if ((await moveOf(moveId, hostId, 'fromHostId')).taken) return
      const meeting = meetingOf(moveId)
      try {
        await passOn(offer, meeting, signal)
      } finally {
        if (meetings.get(moveId) === meeting) meetings.delete(moveId)
      }
      for (let waitedMs = 0; waitedMs < reportMs && !signal.aborted; waitedMs += lookMs) {
        if ((await moveOf(moveId, hostId, 'fromHostId')).taken) return
        await pause(lookMs, signal)
      }
      throw new HdcsError('unreachable', 'The target did not say that it has the disk.')
    },

    /** @throws HdcsError `not_found`; `unreachable` when nobody sends yet: try again. */
    async take(hostId: string, moveId: string, signal: AbortSignal): Promise<DiskOffer> {
      await moveOf(moveId, hostId, 'toHostId')
      const meeting = meetingOf(moveId)
      const late = Promise.withResolvers<never>()
      const give = () => late.reject(new HdcsError('unreachable', 'The source does not send the disk yet.'))
      const timer = setTimeout(give, meetMs)
      signal.addEventListener('abort', give, { once: true })
      if (signal.aborted) give()
      try {
        return await Promise.race([meeting.offer.promise, late.promise])
      } catch (error) {
        if (meetings.get(moveId) === meeting) meetings.delete(moveId)
        throw error
      } finally {
        clearTimeout(timer)
        signal.removeEventListener('abort', give)
      }
    },
  }
}

/** Until all went through: the other side must begin in time, and then may take as long as it goes on. */
async function passOn({ sizeBytes, content }: DiskOffer, { offer, passed }: Meeting, signal: AbortSignal) {
  const broken = (text: string) => () => passed.reject(new HdcsError('unreachable', text))
  const timer = setTimeout(broken('The target does not take the disk yet.'), meetMs)
  const gone = broken('The source broke off.')
  signal.addEventListener('abort', gone, { once: true })
  if (signal.aborted) gone()
  const told = {
    begun: () => clearTimeout(timer),
    passed: () => passed.resolve(),
    broken: broken('The disk broke off on its way.'),
  }
  offer.resolve({ sizeBytes, content: watched(content, told) })
  try {
    await passed.promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', gone)
  }
}

function watched(
  content: ReadableStream<Uint8Array>,
  told: { begun: () => void; passed: () => void; broken: () => void },
): ReadableStream<Uint8Array> {
  const reader = content.getReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        told.begun()
        try {
          const { value, done } = await reader.read()
          if (!done) return controller.enqueue(value)
          controller.close()
          told.passed()
        } catch (error) {
          controller.error(error)
          told.broken()
        }
      },
      async cancel(reason) {
        told.broken()
        await reader.cancel(reason)
      },
    },
    // Nothing is read before somebody takes it.
    { highWaterMark: 0 },
  )
}
