/** Reads what the host holds: at the start, now and then, and whenever events may have been missed. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type World, worldListing, worldVersions } from './agent-world.ts'
import type { Host } from './host.ts'
import type { Trouble } from './report.ts'

/** Everything is listed anew so often, in case an event was lost. Shorter: an idle host works; longer: it lingers. */
const everyMs = 45_000
/** A machine missing in a listing is asked for again: its own event, with the reason, may be on its way. */
const missingMs = 1_000
/** After a failure. Shorter: a libvirtd that starts is hammered; longer: people wait for it. */
const failedMs = 2_000

export interface HostReading extends Disposable {
  /** Never fails; asked while it reads, it reads once more. */
  read(): Promise<void>
  /** Whether it ever succeeded. */
  readonly known: boolean
  readonly trouble: Trouble | null
}

export function startHostReading(parts: {
  host: Host
  world: World
  log: Log
  nowMs: () => number
  touch: (ids: Iterable<string>) => void
}): HostReading {
  const { host, world, log, nowMs, touch } = parts
  let ended = false
  let reading: Promise<void> | null = null
  let again = false
  let known = false
  let trouble: Trouble | null = null
  const soon = (ms: number) => void setTimeout(() => void (ended || read()), ms).unref()

  async function readOnce(): Promise<void> {
    const before = worldVersions(world)
    const [machines, overlays, images] = await Promise.all([host.machines(), host.overlays(), host.images()])
    const { touched, missing } = worldListing(world, { machines, overlays, images }, before, nowMs())
    touch(touched)
    if (missing) soon(missingMs)
    known = true
    if (trouble) log.info('the host answers again')
    trouble = null
  }

  async function readAll(): Promise<void> {
    try {
      do {
        again = false
        await readOnce()
      } while (again && !ended)
    } catch (thrown) {
      const error = asHdcsError(thrown, 'The host cannot be read; the agent’s log says why.')
      // Once per reason: a libvirt that is away for an hour is one line.
      if (trouble?.text !== error.message) log.warn({ code: error.code, err: error }, error.message)
      trouble = { code: error.code, text: error.message }
      soon(failedMs)
    } finally {
      reading = null
    }
  }

  function read(): Promise<void> {
    again = reading !== null
    reading ??= readAll()
    return reading
  }

  const resync = setInterval(() => void read(), everyMs)
  return {
    read,
    get known() {
      return known
    },
    get trouble() {
      return trouble
    },
    [Symbol.dispose]() {
      ended = true
      clearInterval(resync)
    },
  }
}
