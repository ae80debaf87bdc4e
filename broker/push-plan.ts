/** What keeps a push from beginning, where it stands, and what its receipt says. Pure. */
import type { HardwareValue, TaskStep, VersionState } from '../db/schema.ts'
import type { PushCounts, PushState } from '../db/schema-pushes.ts'
import { counted } from '../lib/counted.ts'
import { sizeText } from '../lib/sizes.ts'
import { going, type TaskOutcome, vanished } from './task-progress.ts'

export interface PushFacts {
  version:
    | {
        number: number
        state: VersionState
        progress: number
        virtualBytes: number | null
        trouble: string | null
        /** Every host makes it by itself; others are copied. */
        everywhere: boolean
      }
    | undefined
  asked: number
  hardware: Pick<HardwareValue, 'diskBytes'>
  /** What the hosts of its clusters that are there say of the image. */
  images: readonly {
    hostName: string
    state: 'waiting' | 'making' | 'ready' | 'failed' | null
    progress: number | null
    trouble: string | null
  }[]
  /** What the pool's settings make impossible (pool-warnings.ts). */
  warnings: readonly string[]
}

export interface PushCheck {
  name: 'sealed' | 'images' | 'disk' | 'hosts'
  ok: boolean
  /** What it waits for, or what holds. */
  text: string
  /** It does not pass by waiting. */
  lasting?: boolean
}

/** In the order in which they are looked at; a push begins when all hold. */
export function pushChecks(facts: PushFacts): PushCheck[] {
  return [sealed(facts), images(facts), disk(facts), hosts(facts)]
}

function sealed({ version, asked }: PushFacts): PushCheck {
  const name = 'sealed'
  if (!version) return { name, ok: false, text: `version ${asked} was removed: cancel this push`, lasting: true }
  const { state, number } = version
  if (state === 'sealed') return { name, ok: true, text: `version ${number} is sealed` }
  if (state === 'failed')
    return { name, ok: false, text: `version ${number} failed (${version.trouble ?? 'unknown why'}): try it again` }
  if (state === 'uploading') return { name, ok: false, text: `version ${number} waits for its file` }
  return { name, ok: false, text: `version ${number} is being made: ${version.progress} %` }
}

function images({ images: said, version }: PushFacts): PushCheck {
  const name = 'images'
  if (said.length === 0) return { name, ok: false, text: 'no host of its clusters is there' }
  const missing = said.filter(({ state }) => state !== 'ready')
  const [first] = missing
  if (!first) return { name, ok: true, text: `${counted(said.length, 'host has', 'hosts have')} the image` }
  const how =
    first.state === 'failed'
      ? `${first.hostName} could not get it: ${first.trouble ?? 'unknown why'}`
      : `${first.hostName} is at ${first.progress ?? 0} %`
  const verb = version?.everywhere === false ? 'copied to' : 'made on'
  return {
    name,
    ok: false,
    text: `its image is first ${verb} ${counted(missing.length, 'host', 'hosts')} of ${said.length} (${how})`,
  }
}

function disk({ version, hardware }: PushFacts): PushCheck {
  const name = 'disk'
  const [has, needs] = [hardware.diskBytes, version?.virtualBytes ?? 0]
  if (has === null || has >= needs) return { name, ok: true, text: 'the disk of its desktops is large enough' }
  const text = `its desktops have disks of ${sizeText(has)} and the version needs ${sizeText(needs)}: give the pool larger ones first`
  return { name, ok: false, text, lasting: true }
}

function hosts({ warnings }: PushFacts): PushCheck {
  const [text] = warnings
  return text === undefined
    ? { name: 'hosts', ok: true, text: 'its hosts can take its desktops' }
    : { name: 'hosts', ok: true, text }
}

/** How many desktops are concerned, and how many are on the version. Hosts that are lost hold nobody up. */
export function pushSums(counts: PushCounts) {
  const left = counts.remaking + counts.waiting + counts.inUse + counts.failed
  return { total: left + counts.done + counts.lost, done: counts.done, left }
}

/** Where it stands, for the receipt and its log. */
export function pushText(counts: PushCounts): string {
  const { total, done } = pushSums(counts)
  const told = [
    `${done} of ${total} desktops are on it`,
    counts.remaking > 0 && `${counts.remaking} are being remade`,
    counts.waiting > 0 && `${counts.waiting} wait for their turn`,
    counts.inUse > 0 && `${counted(counts.inUse, 'is', 'are')} remade when given back`,
    counts.failed > 0 && `${counts.failed} failed`,
    counts.lost > 0 && `${counted(counts.lost, 'is', 'are')} on lost hosts and will follow`,
    counts.kept > 0 && `${counted(counts.kept, 'is', 'are')} somebody’s own and will stay as they are`,
  ]
  return told.filter(text => text !== false).join(', ')
}

export interface PushForTask {
  state: PushState
  text: string
  at: Date
  counts: PushCounts
}

const steps = (at: 0 | 1 | 2, text?: string): TaskStep[] =>
  (['wait', 'remake'] as const).map((name, index) => ({
    name,
    state: index < at ? 'done' : index === at ? 'current' : 'waiting',
    ...(index === at && text && { text }),
  }))

/** Its receipt. */
export function pushTask(push: PushForTask | undefined): TaskOutcome {
  if (!push) return vanished
  const { state, text, counts, at } = push
  if (state === 'done') return { state: 'succeeded', progress: 100, steps: steps(2), error: null }
  if (state === 'cancelled') return { state: 'cancelled', progress: 100, steps: [], error: { code: 'cancelled', text } }
  if (state === 'scheduled')
    return { ...going(0, steps(0, text || `until ${at.toISOString().slice(0, 16)}Z`)), state: 'queued' }
  const { total, done } = pushSums(counts)
  const share = total === 0 ? 99 : Math.floor((99 * done) / total)
  return going(Math.max(1, share), steps(1, text ? `${pushText(counts)}; ${text}` : pushText(counts)))
}
