/** Makes and removes images as wished, one at a time: a build uses every core there is. Files that leave have a turn of their own. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { imageReport } from './agent-report.ts'
import type { Reporter } from './agent-reporter.ts'
import type { KnownImage, World } from './agent-world.ts'
import type { Host } from './host.ts'
import { makeLane } from './lanes.ts'
import { retryDelayMs } from './memory.ts'
import { freshImageMemory, type MachineFacts, planImage } from './plan.ts'
import type { ImageReport } from './report.ts'
import type { ImageSpec } from './spec.ts'

export interface AgentImages {
  turn(): void
  stateOf(imageId: string): MachineFacts['image']
  reports(): ImageReport[]
  abort(reason: Error): void
}

export function startAgentImages(parts: {
  host: Host
  world: World
  reporter: Reporter
  log: Log
  nowMs: () => number
  track: (work: Promise<unknown>) => void
  /** An image came, went or failed: machines stand on it. */
  changed: () => void
  /** One that is not here is not wished any more: what came of it can go. */
  gone: () => Promise<void>
}): AgentImages {
  const { host, world, reporter, log, nowMs } = parts
  const lane = makeLane(1)
  const leaving = makeLane(1)
  let wake: NodeJS.Timeout | undefined

  const say = (known: KnownImage) => reporter.image(imageReport(known.id, known.spec, known.found, known.memory))

  function turn(): void {
    clearTimeout(wake)
    let wakeAtMs = Number.POSITIVE_INFINITY
    const used = new Set([...world.machines.values()].flatMap(({ spec }) => [spec?.imageId, spec?.cdrom]))
    for (const known of [...world.images.values()]) {
      const decision = planImage(
        { ...known, found: known.found !== null, used: used.has(known.id), wishHeard: world.wishHeard },
        nowMs(),
      )
      if (decision.wakeAtMs !== null) wakeAtMs = Math.min(wakeAtMs, decision.wakeAtMs)
      if (decision.step === 'abort') known.making?.abort()
      if (!known.busy && decision.step === 'make' && known.spec) make(known, known.spec)
      if (!known.busy && decision.step === 'remove') remove(known)
      const gone = world.wishHeard && !known.spec && !known.found && !known.busy
      if (gone) forget(known)
      else say(known)
    }
    if (Number.isFinite(wakeAtMs)) wake = setTimeout(turn, Math.max(0, wakeAtMs - nowMs()) + 1)
    wake?.unref()
  }

  function forget({ id }: KnownImage): void {
    world.images.delete(id)
    parts.track(parts.gone())
  }

  function make(known: KnownImage, spec: ImageSpec): void {
    const controller = new AbortController()
    known.busy = true
    known.making = controller
    known.memory = {
      ...known.memory,
      state: 'waiting',
      attempt: spec.attempt,
      trouble: null,
      text: 'waits for its turn',
    }
    const turn = spec.source.kind === 'export' ? leaving : lane
    const work = turn(async () => {
      if (controller.signal.aborted) return
      known.memory = { ...known.memory, state: 'making', progress: 0, text: '' }
      say(known)
      const progress = (percent: number, text: string) => {
        known.memory = { ...known.memory, progress: Math.round(Math.min(100, Math.max(0, percent))), text }
        say(known)
      }
      known.found = await host.imageMake(spec, progress, controller.signal)
      known.memory = freshImageMemory
      log.info({ image: spec.id, name: spec.name }, 'image ready')
    })
      .catch(thrown => {
        const error = asHdcsError(thrown, 'The image could not be made; the agent’s log on the host says why.')
        const failures = known.memory.failures + 1
        const trouble = { code: error.code, text: error.message }
        const retryAtMs = nowMs() + retryDelayMs(failures)
        known.memory = { ...known.memory, state: 'failed', trouble, failures, retryAtMs }
        if (!controller.signal.aborted) log.warn({ image: spec.id, err: error }, error.message)
      })
      .finally(() => settle(known))
    parts.track(work)
  }

  function remove(known: KnownImage): void {
    known.busy = true
    const work = host
      .imageRemove(known.id)
      .then(() => {
        known.found = null
      })
      .catch(thrown => {
        // Overlays of machines that are going still stand on it: again later.
        const failures = known.memory.failures + 1
        known.memory = { ...known.memory, failures, retryAtMs: nowMs() + retryDelayMs(failures) }
        if (asHdcsError(thrown).code !== 'conflict') log.warn({ image: known.id, err: thrown }, 'image not removed')
      })
      .finally(() => settle(known))
    parts.track(work)
  }

  function settle(known: KnownImage): void {
    known.busy = false
    known.making = null
    parts.changed()
    turn()
  }

  return {
    turn,
    stateOf(imageId) {
      const known = world.images.get(imageId)
      if (known?.found) return 'ready'
      if (!known?.spec) {
        const text =
          'The desktop’s template version is not among this host’s images. Choose another version for its pool.'
        return { code: 'template_unavailable', text }
      }
      if (known.memory.state !== 'failed') return 'coming'
      const why = known.memory.trouble?.text ?? 'see the image'
      return { code: 'template_unavailable', text: `The image ${known.spec.name} could not be made: ${why}` }
    },
    reports: () =>
      [...world.images.values()].map(known => imageReport(known.id, known.spec, known.found, known.memory)),
    abort(reason) {
      clearTimeout(wake)
      for (const { making } of world.images.values()) making?.abort(reason)
    },
  }
}
