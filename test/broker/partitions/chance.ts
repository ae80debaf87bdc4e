/** A cluster and its misfortunes by chance: the same for the same seed. */
import { type Happening, happenings, type Model, makeModel, type Setup } from './model.ts'
import { makeTimeline } from './timeline.ts'

/** Things happen for so long … */
const troubledMs = 180_000
/** … and then all is back, and has this long to become as wished: the longest wait is a storage that is read anew. */
const calmMs = 120_000

const storages: Setup['hosts'][] = [
  // Everything shared and guarded.
  ['h1', 'h2', 'h3'].map(name => ({ name, storage: 's1', locks: true })),
  // Shared, and nothing but fencing keeps two copies apart.
  ['h1', 'h2', 'h3'].map(name => ({ name, storage: 's1', locks: false })),
  // Some guard their disks, some do not.
  [
    { name: 'h1', storage: 's1', locks: true },
    { name: 'h2', storage: 's1', locks: true },
    { name: 'h3', storage: 's1', locks: false },
  ],
  [
    { name: 'h1', storage: 's1', locks: true },
    { name: 'h2', storage: 's1', locks: false },
    { name: 'h3', storage: 's1', locks: false },
  ],
  // Two share, one has its own.
  [
    { name: 'h1', storage: 's1', locks: true },
    { name: 'h2', storage: 's1', locks: true },
    { name: 'h3', storage: 's3', locks: true },
  ],
]

const hostHappenings: Happening[] = [
  'cut',
  'cut',
  'heal',
  'power off',
  'power on',
  'power on',
  'kill agent',
  'start agent',
  'confirm off',
]
const desktopHappenings: Happening[] = ['crash', 'switch off', 'switch on', 'switch on', 'give back', 'delete']
const controlHappenings: Happening[] = ['kill control', 'start control', 'start control']

/** Runs one seed to its end. */
export async function chanceRun(seed: number): Promise<Model> {
  const dice = makeTimeline(seed * 7 + 1)
  const one = <T>(list: readonly T[]): T => list[Math.floor(dice.random() * list.length)] as T
  const hosts = one(storages)
  const desktops = Array.from({ length: 2 + Math.floor(dice.random() * 4) }, (_, index) => ({
    id: `d${index + 1}`,
    kind: one(['floating', 'persistent', 'persistent'] as const),
    assigned: dice.random() < 0.8,
    host: one(hosts).name,
    ha: dice.random() < 0.9 ? ('restart' as const) : ('wait' as const),
    power: dice.random() < 0.85 ? ('running' as const) : ('stopped' as const),
  }))
  const fence = one([undefined, 'works', 'works', 'fails'] as const)
  const model = makeModel({ hosts, desktops, ...(fence && { fence }) }, seed)
  const count = 6 + Math.floor(dice.random() * 14)
  for (let left = count; left > 0; left--) {
    const kind = dice.random()
    const [what, subject] =
      kind < 0.6
        ? [one(hostHappenings), one(hosts).name]
        : kind < 0.9
          ? [one(desktopHappenings), one(desktops).id]
          : [one(controlHappenings), 'control']
    model.timeline.after(dice.between(5_000, troubledMs), () => {
      model.timeline.note('chance', `${what} ${subject}`)
      happenings[what](model, subject)
    })
  }
  await model.timeline.run(troubledMs)
  model.everythingBack()
  await model.timeline.run(troubledMs + calmMs)
  return model
}
