import type { Db } from '../db/connect.ts'
import { poolStartMs } from '../db/pools.ts'
import { taskMedians } from '../db/tasks.ts'
import type { Broker } from './broker.ts'

/** Medians of the past change slowly: asking the history at every look would cost more than the look. */
const keepMs = 30_000

interface Kept {
  tasks: { at: number; value: Promise<Map<string, number>> } | undefined
  pools: Map<string, { at: number; value: Promise<number | null> }>
}
const kept = new WeakMap<Db, Kept>()

function keptOf(broker: Broker): Kept {
  const known = kept.get(broker.db) ?? { tasks: undefined, pools: new Map() }
  kept.set(broker.db, known)
  return known
}

/** How long tasks of a kind usually take, in ms; null while none has succeeded. */
export async function taskEstimate(broker: Broker, kind: string): Promise<number | null> {
  const known = keptOf(broker)
  const at = broker.clock.now().getTime()
  if (!known.tasks || at - known.tasks.at > keepMs) {
    const value = taskMedians(broker.db)
    known.tasks = { at, value }
    // A failure is told to those who asked now, not to everybody for half a minute.
    value.catch(() => {
      known.tasks = undefined
    })
  }
  return (await known.tasks.value).get(kind) ?? null
}

/** How long a start in this pool usually takes, in ms; null while none was seen. */
export async function poolEstimate(broker: Broker, poolId: string): Promise<number | null> {
  const { pools } = keptOf(broker)
  const at = broker.clock.now().getTime()
  const known = pools.get(poolId)
  if (known && at - known.at <= keepMs) return known.value
  const value = poolStartMs(broker.db, poolId)
  pools.set(poolId, { at, value })
  value.catch(() => pools.delete(poolId)) // as above
  return value
}
