/** What receipts about storage pools and volumes have become. Pure. */
import type { TroubleValue } from '../db/schema.ts'
import type { PoolSaid } from './storage-state.ts'
import type { TaskOutcome } from './task-progress.ts'

const done: TaskOutcome = { state: 'succeeded', progress: 100, steps: [], error: null }
const failed = (error: TroubleValue): TaskOutcome => ({ state: 'failed', progress: 100, steps: [], error })
const going = (progress: number, name: string, text?: string): TaskOutcome => ({
  state: 'running',
  progress,
  steps: [{ name, state: 'current', ...(text && { text }) }],
  error: null,
})
const vanished = failed({ code: 'not_found', text: 'It was removed meanwhile.' })

export interface PoolForTask {
  present: boolean
  said: readonly PoolSaid[]
}

/** A receipt ends when every host that is there has answered: those that are away follow by themselves. */
export const poolTaskRules = {
  'storagePool.make': pool => everyHost(pool, 1),
  'storagePool.refresh': (pool, goal) => everyHost(pool, Number(goal.refresh)),
  'storagePool.delete': pool => (pool ? going(50, 'remove', waitsFor(pool)) : done),
} satisfies Record<string, (pool: PoolForTask | undefined, goal: Record<string, unknown>) => TaskOutcome>

function everyHost(pool: PoolForTask | undefined, refresh: number): TaskOutcome {
  if (!pool?.present) return vanished
  const there = pool.said.filter(({ hostState }) => hostState === 'online' || hostState === 'maintenance')
  if (there.length === 0) return going(1, 'host', 'waits for a host of the cluster')
  const answered = there.filter(({ state, refresh: seen }) => state !== 'making' && (seen ?? 0) >= refresh)
  const bad = answered.find(({ state }) => state === 'failed')
  if (answered.length < there.length) return going(Math.round((90 * answered.length) / there.length) + 5, 'make')
  if (!bad) return done
  const { code = 'internal', text = 'nobody said why.' } = bad.trouble ?? {}
  return failed({ code, text: `${bad.hostName}: ${text}` })
}

const waitsFor = ({ said }: PoolForTask) => {
  const bad = said.find(({ state }) => state === 'failed')
  return bad ? `${bad.hostName}: ${bad.trouble?.text ?? ''}` : undefined
}

export interface VolumeForTask {
  present: boolean
  state: 'waiting' | 'making' | 'ready' | 'failed' | 'gone'
  bytes: number | null
  usedBy: string | null
  desktopId: string | null
  /** Of the desktop that it is attached to. */
  desktopRuns: boolean
  trouble: TroubleValue | null
}

export const volumeTaskRules = {
  'volume.make': (volume, goal) => sized(volume, goal, 'make'),
  'volume.resize': (volume, goal) => sized(volume, goal, 'resize'),
  'volume.attach': (volume, goal) => {
    if (!volume?.present || volume.desktopId !== goal.desktopId) return vanished
    if (volume.usedBy === goal.desktopId) return done
    if (volume.trouble) return failed(volume.trouble)
    return volume.desktopRuns || volume.state !== 'ready' ? going(50, 'attach') : done
  },
  'volume.detach': volume => {
    if (!volume || volume.usedBy === null) return done
    return volume.trouble ? failed(volume.trouble) : going(50, 'detach')
  },
  'volume.delete': volume => (volume ? going(50, 'remove', volume.trouble?.text) : done),
} satisfies Record<string, (volume: VolumeForTask | undefined, goal: Record<string, unknown>) => TaskOutcome>

function sized(volume: VolumeForTask | undefined, goal: Record<string, unknown>, step: string): TaskOutcome {
  if (!volume?.present) return vanished
  if (volume.state === 'failed')
    return failed(volume.trouble ?? { code: 'internal', text: 'The volume could not be made.' })
  const { bytes } = volume
  return volume.state === 'ready' && bytes !== null && bytes >= Number(goal.bytes) ? done : going(50, step)
}
