/**
 * Which machines may boot now. Pure. A guest that boots uses a whole core: with as many at once as there are cores,
 * the first person waits for one boot; with all at once everybody waits for all, and each boot costs a third more.
 * Desktops that people work on do not starve either: with one boot per core at most, the kernel's scheduler leaves a
 * guest that wants to run half a core in the worst case, and all of it between boots.
 */

export interface Boot {
  /** Whose turn: groups (pools) take turns. */
  group: string
  /** Slots it holds (bootWeight). */
  weight: number
}

export interface WaitingBoot extends Boot {
  machineId: string
  priority: 'person' | 'prewarm'
  sinceMs: number
}

export interface BootAdmission {
  admitted: string[]
  /** Who goes on waiting, next first. */
  queue: string[]
}

/**
 * A boot is one thread for most of its time and starts its services side by side at the end: every second vCPU counts.
 * Higher: the cores idle while large desktops boot; lower: a class of large desktops has the cores to itself.
 */
export const bootWeight = (vcpus: number) => Math.max(1, Math.ceil(vcpus / 2))

/** Share of the time in which somebody waited for the disk (PSI, `some avg10`, percent) from which fewer boots begin. */
const stalledPercent = 60

/**
 * Boots at once: one per core, half of them while the disk is the bottleneck: more boots would then only wait for it,
 * and running desktops with them. At least one, or nothing would ever start.
 */
export const bootSlots = (cores: number, ioStalledPercent: number) =>
  Math.max(1, ioStalledPercent >= stalledPercent ? Math.floor(cores / 2) : cores)

/**
 * Persons overtake prewarming; among either, pools take turns (the one with the fewest boots under way is next), so
 * that nobody waits behind the whole class of another pool; within a pool who came first.
 *
 * @param booting who holds slots now: started and neither ready, failed nor out of time.
 */
export function admitBoots(slots: number, booting: readonly Boot[], waiting: readonly WaitingBoot[]): BootAdmission {
  const underWay = new Map<string, number>()
  const count = (group: string) => underWay.set(group, (underWay.get(group) ?? 0) + 1)
  for (const { group } of booting) count(group)
  let free = slots - booting.reduce((sum, { weight }) => sum + weight, 0)
  const alone = () => free >= slots

  const admitted: string[] = []
  const queue: string[] = []
  for (const priority of ['person', 'prewarm'] as const) {
    const groups = groupsOf(waiting.filter(boot => boot.priority === priority))
    for (let next = nextOf(groups, underWay); next; next = nextOf(groups, underWay)) {
      // In strict order: a large one that does not fit yet is not overtaken by small ones for ever.
      const fits = queue.length === 0 && (next.weight <= free || alone())
      if (fits) free -= next.weight
      ;(fits ? admitted : queue).push(next.machineId)
      count(next.group)
    }
  }
  return { admitted, queue }
}

/** Each group's boots, who came first at the end: taken by pop. */
function groupsOf(waiting: readonly WaitingBoot[]): Map<string, WaitingBoot[]> {
  const last = waiting.toSorted((a, b) => b.sinceMs - a.sinceMs || (a.machineId < b.machineId ? 1 : -1))
  return Map.groupBy(last, boot => boot.group)
}

function nextOf(groups: Map<string, WaitingBoot[]>, underWay: ReadonlyMap<string, number>): WaitingBoot | undefined {
  let best: WaitingBoot | undefined
  for (const list of groups.values()) {
    const first = list.at(-1)
    if (first && (!best || before(first, best, underWay))) best = first
  }
  return best && groups.get(best.group)?.pop()
}

function before(one: WaitingBoot, other: WaitingBoot, underWay: ReadonlyMap<string, number>): boolean {
  const turns = (underWay.get(one.group) ?? 0) - (underWay.get(other.group) ?? 0)
  return (turns || one.sinceMs - other.sinceMs || (one.machineId < other.machineId ? -1 : 1)) < 0
}

/**
 * The place to tell. Exact to 20, then in steps of 20: every start moves everybody, and reporting a thousand moves
 * per start would cost more than the start.
 */
export const placeShown = (place: number) => (place <= 20 ? place : Math.ceil(place / 20) * 20)
