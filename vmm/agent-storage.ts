/** Keeps storage pools and volumes as wished, one step at a time, and tells how they are. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { World } from './agent-world.ts'
import type { Host } from './host.ts'
import type { FoundStoragePool, FoundVolume } from './host-storage.ts'
import { makeLane } from './lanes.ts'
import { retryDelayMs } from './memory.ts'
import type { VolumesKnown } from './plan-volumes.ts'
import type { StoragePoolReport, StorageReport, Trouble, VolumeReport } from './report.ts'
import type { StoragePoolSpec, VolumeSpec } from './spec.ts'

/**
 * Whether pools and volumes are there, and how full, is looked at so often. Shorter: an idle host works; longer: a pool that
 * fills, or a file that is gone, is noticed late.
 */
const usualLookMs = 30_000
/** A pool or volume that failed is tried again at the latest after so long: a server that is back, room that was made. */
const retryMostMs = 30_000

interface Known<Found> {
  found: Found | null
  /** Whose wish is met, as text; null: none. */
  met: string | null
  /** Which wish was tried last, as text. */
  tried: string | null
  gone: boolean
  busy: boolean
  failures: number
  retryAtMs: number
  trouble: Trouble | null
}

const fresh = <Found>(): Known<Found> => ({
  found: null,
  met: null,
  tried: null,
  gone: false,
  busy: false,
  failures: 0,
  retryAtMs: 0,
  trouble: null,
})

export interface AgentStorage extends VolumesKnown, Disposable {
  /** Takes the next steps. */
  turn(): void
  /** libvirt was away: pools may be gone. */
  doubt(): void
  /** Plugging a volume in or out failed: it is tried again later. @returns when. */
  plugFailed(machineId: string, volumeId: string, trouble: Trouble): number
  plugged(machineId: string, volumeId: string): void
  report(): StorageReport
}

export function startAgentStorage(parts: {
  host: Host
  world: World
  log: Log
  nowMs: () => number
  track: (work: Promise<unknown>) => void
  /** Something is told otherwise than before. */
  say: (report: StorageReport) => void
  /** A volume came or failed: machines wait for it. */
  changed: () => void
  /** A test’s own. */
  lookMs?: number
}): AgentStorage {
  const { host, world, log, nowMs, track, say, changed, lookMs = usualLookMs } = parts
  const lane = makeLane(2)
  const pools = new Map<string, Known<FoundStoragePool>>()
  const volumes = new Map<string, Known<FoundVolume>>()
  /** Of a machine's plug, by both ids. */
  const plugs = new Map<string, { failures: number; retryAtMs: number; trouble: Trouble }>()
  const plugKey = (machineId: string, volumeId: string) => `${machineId} ${volumeId}`
  let wake: NodeJS.Timeout | undefined
  let ended = false
  let strangersSwept = false
  let looks = false

  const knownIn = <F>(map: Map<string, Known<F>>, id: string): Known<F> => {
    const known = map.get(id) ?? fresh<F>()
    map.set(id, known)
    return known
  }
  const usedBy = (volumeId: string): string | null => {
    for (const { id, found } of world.machines.values()) if (found?.volumes?.includes(volumeId)) return id
    return null
  }

  /** Does it in its turn; what fails is tried again by itself. */
  function work<F>(known: Known<F>, what: string, wish: string, act: () => Promise<F | null>): void {
    known.busy = true
    known.tried = wish
    const done = lane(act)
      .then(found => {
        Object.assign(known, fresh<F>(), { found, met: wish, gone: found === null })
      })
      .catch(thrown => {
        const error = asHdcsError(thrown, `The agent could not ${what}; its log on the host says why.`)
        const failures = known.failures + 1
        const retryAtMs = nowMs() + Math.min(retryDelayMs(failures), retryMostMs)
        if (known.trouble?.text !== error.message) log.warn({ code: error.code, err: error }, error.message)
        Object.assign(known, { met: null, failures, retryAtMs, trouble: { code: error.code, text: error.message } })
      })
      .finally(() => {
        known.busy = false
        if (ended) return
        turn()
        changed()
      })
    track(done)
  }

  const due = ({ busy, retryAtMs }: Known<unknown>) => !busy && nowMs() >= retryAtMs

  function poolTurn(pool: StoragePoolSpec): void {
    const known = knownIn(pools, pool.id)
    const wish = JSON.stringify(pool)
    // Wished otherwise, its failures are past: somebody who mended it waits.
    if (known.tried !== null && known.tried !== wish) Object.assign(known, { failures: 0, retryAtMs: 0 })
    if (known.met === wish || !due(known)) return
    if (pool.gone)
      work(known, 'remove a storage pool', wish, async () => {
        await host.storagePoolRemove(pool.id)
        return null
      })
    else work(known, 'make a storage pool ready', wish, () => host.storagePoolEnsure(pool))
  }

  function volumeTurn(volume: VolumeSpec): void {
    const known = knownIn(volumes, volume.id)
    // That it was made is no other wish.
    const wish = JSON.stringify({ ...volume, made: true })
    const poolReady = pools.get(volume.poolId)?.found
    if (known.met === wish || !poolReady || !due(known)) return
    if (volume.gone && usedBy(volume.id) !== null) return
    if (volume.gone)
      work(known, 'destroy a volume', wish, async () => {
        await host.volumeRemove(volume)
        return null
      })
    else work(known, 'make a volume', wish, () => host.volumeEnsure(volume, usedBy(volume.id)))
  }

  /** Pools of ours that nobody wishes here: of a cluster that this host has left. */
  function sweep(wished: readonly StoragePoolSpec[]): void {
    if (strangersSwept) return
    strangersSwept = true
    const ids = new Set(wished.map(({ id }) => id))
    const swept = (async () => {
      for (const id of await host.storagePools()) if (!ids.has(id)) await host.storagePoolRemove(id)
    })()
    track(swept.catch(thrown => log.warn({ err: thrown }, 'storage pools that nobody wishes were not removed')))
  }

  function turn(): void {
    const { storage } = world
    if (!storage || ended) return
    sweep(storage.pools)
    const wished = new Set([...storage.pools, ...storage.volumes].map(({ id }) => id))
    for (const map of [pools, volumes]) for (const [id, { busy }] of map) if (!wished.has(id) && !busy) map.delete(id)
    for (const pool of storage.pools) poolTurn(pool)
    for (const volume of storage.volumes) volumeTurn(volume)
    clearTimeout(wake)
    const waits = [...pools.values(), ...volumes.values()].filter(({ busy, met }) => !busy && met === null)
    const next = Math.min(...waits.map(({ retryAtMs }) => retryAtMs))
    if (Number.isFinite(next) && next > nowMs()) wake = setTimeout(turn, next - nowMs() + 1).unref()
    say(report())
  }

  async function look(): Promise<void> {
    // A server that hangs keeps one look waiting, not one more each time.
    if (looks) return
    looks = true
    for (const pool of world.storage?.pools ?? []) {
      const known = pools.get(pool.id)
      if (!known?.found || known.busy || pool.gone) continue
      // Not there any more: it is made ready anew, and that says why it cannot be.
      known.found = await host.storagePoolLook(pool).catch(() => null)
      if (known.found === null) known.met = null
    }
    for (const volume of world.storage?.volumes ?? []) {
      const known = volumes.get(volume.id)
      if (!known?.found || known.busy || volume.gone) continue
      const there = pools.get(volume.poolId)?.found
      known.found = there
        ? await host.volumeEnsure({ ...volume, made: true }, usedBy(volume.id)).catch(() => null)
        : null
      if (known.found === null) known.met = null
    }
    looks = false
    turn()
  }
  const looking = setInterval(() => track(look()), lookMs)

  const poolReport = (pool: StoragePoolSpec): StoragePoolReport => {
    const { found, trouble, gone, met } = knownIn(pools, pool.id)
    const state = pool.gone && gone ? 'gone' : trouble ? 'failed' : found && met !== null ? 'ready' : 'making'
    const { storageId = null, fileSystem = null } = found ?? {}
    const { capacityBytes = null, allocationBytes = null, freeBytes = null } = found ?? {}
    const figures = { storageId, fileSystem, capacityBytes, allocationBytes, freeBytes }
    return { id: pool.id, state, refresh: pool.refresh, ...figures, trouble }
  }
  const volumeReport = (volume: VolumeSpec): VolumeReport => {
    const known = knownIn(volumes, volume.id)
    const { found, met, gone, busy } = known
    const user = usedBy(volume.id)
    const trouble = known.trouble ?? poolTrouble(volume) ?? plugTrouble(volume.id)
    const failed = known.trouble ?? poolTrouble(volume)
    const state =
      volume.gone && gone ? 'gone' : failed ? 'failed' : found && met !== null ? 'ready' : busy ? 'making' : 'waiting'
    const { sizeBytes = null, storedBytes = null } = found ?? {}
    return { id: volume.id, state, sizeBytes, storedBytes, usedBy: user, trouble }
  }
  const poolTrouble = ({ poolId }: VolumeSpec): Trouble | null => pools.get(poolId)?.trouble ?? null
  /** Of a machine that still has not what it shall have, or has what it shall not. */
  const plugTrouble = (volumeId: string): Trouble | null => {
    for (const { id, spec, found } of world.machines.values()) {
      const plug = plugs.get(plugKey(id, volumeId))
      const wished = spec?.volumes?.some(volume => volume.id === volumeId) ?? false
      if (plug && found && wished !== (found.volumes?.includes(volumeId) ?? false)) return plug.trouble
    }
    return null
  }
  const report = (): StorageReport => ({
    pools: (world.storage?.pools ?? []).map(poolReport),
    volumes: (world.storage?.volumes ?? []).map(volumeReport),
  })
  const specOf = (id: string) => world.storage?.volumes.find(volume => volume.id === id)

  return {
    turn,
    report,
    isReady: id => {
      const known = volumes.get(id)
      return known?.found != null && known.met !== null && specOf(id)?.gone === false
    },
    troubleOf(id) {
      const spec = specOf(id)
      return volumes.get(id)?.trouble ?? (spec ? poolTrouble(spec) : null)
    },
    isHeld: (machineId, volumeId) => nowMs() < (plugs.get(plugKey(machineId, volumeId))?.retryAtMs ?? 0),
    plugFailed(machineId, volumeId, trouble) {
      const key = plugKey(machineId, volumeId)
      const failures = (plugs.get(key)?.failures ?? 0) + 1
      const retryAtMs = nowMs() + retryDelayMs(failures)
      plugs.set(key, { failures, retryAtMs, trouble })
      say(report())
      return retryAtMs
    },
    plugged(machineId, volumeId) {
      plugs.delete(plugKey(machineId, volumeId))
      say(report())
    },
    doubt() {
      for (const known of pools.values()) known.met = null
      turn()
    },
    [Symbol.dispose]() {
      ended = true
      clearTimeout(wake)
      clearInterval(looking)
    },
  }
}
