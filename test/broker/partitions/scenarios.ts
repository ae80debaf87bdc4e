/** What may befall three hosts, told one by one; what comes of each is recorded beside it (fixtures/). */
import { type Happening, happenings, type Model, makeModel, type Setup } from './model.ts'

export interface Scenario {
  /** Also the name of its file. */
  name: string
  setup: Setup
  /** Second, what, to whom. */
  events: [number, Happening, string?][]
  untilSeconds: number
}

const hosts = (locks: boolean, storage?: 'own'): Setup['hosts'] =>
  ['h1', 'h2', 'h3'].map(name => ({ name, storage: storage ? `s-${name}` : 's', locks }))
const floating = { id: 'floating', kind: 'floating', assigned: true, host: 'h1' } as const
const warm = { id: 'warm', kind: 'floating', assigned: false, host: 'h1' } as const
const kept = { id: 'kept', kind: 'persistent', assigned: true, host: 'h1' } as const
const still = { ...kept, id: 'still', power: 'stopped' } as const
const spare = { id: 'spare', kind: 'persistent', assigned: false, host: 'h1' } as const
const patient = { ...kept, id: 'patient', ha: 'wait' } as const

const guarded: Setup = { hosts: hosts(true), desktops: [floating, kept] }
const unguarded: Setup = { hosts: hosts(false), desktops: [floating, kept] }
const fenced: Setup = { ...unguarded, fence: 'works' }
const apart: Setup = { hosts: hosts(true, 'own'), desktops: [floating, kept] }
const mixed: Setup = {
  hosts: [
    { name: 'h1', storage: 's', locks: true },
    { name: 'h2', storage: 's', locks: true },
    { name: 'h3', storage: 's', locks: false },
  ],
  desktops: [kept],
}

const cutFor = (from: number, to: number): Scenario['events'] => [
  [from, 'cut', 'h1'],
  [to, 'heal', 'h1'],
]

export const scenarios: Scenario[] = [
  { name: 'nothing happens', setup: guarded, events: [], untilSeconds: 60 },
  { name: 'a cut of five seconds', setup: guarded, events: cutFor(20, 25), untilSeconds: 60 },
  { name: 'a cut that makes a host suspect', setup: guarded, events: cutFor(20, 31), untilSeconds: 60 },
  { name: 'a cut that makes a host lost', setup: guarded, events: cutFor(20, 60), untilSeconds: 120 },
  { name: 'a cut that heals as the host is called lost', setup: guarded, events: cutFor(20, 34), untilSeconds: 90 },
  { name: 'a cut without locks or a fence', setup: unguarded, events: cutFor(20, 60), untilSeconds: 120 },
  { name: 'a cut with a fence', setup: fenced, events: cutFor(20, 60), untilSeconds: 120 },
  {
    name: 'a cut with a fence that fails',
    setup: { ...unguarded, fence: 'fails' },
    events: cutFor(20, 100),
    untilSeconds: 150,
  },
  { name: 'a cut while the disks are apart', setup: apart, events: cutFor(20, 60), untilSeconds: 160 },
  {
    name: 'two cuts, one after the other',
    setup: guarded,
    events: [...cutFor(20, 60), [80, 'cut', 'h2'], [130, 'heal', 'h2']],
    untilSeconds: 190,
  },
  {
    name: 'two hosts cut at once',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [20, 'cut', 'h2'],
      [70, 'heal', 'h1'],
      [75, 'heal', 'h2'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'all hosts cut at once',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [20, 'cut', 'h2'],
      [20, 'cut', 'h3'],
      [70, 'heal', 'h2'],
      [80, 'heal', 'h3'],
      [90, 'heal', 'h1'],
    ],
    untilSeconds: 150,
  },
  {
    name: 'the second host is cut while the first is away',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [50, 'cut', 'h2'],
      [110, 'heal', 'h2'],
      [130, 'heal', 'h1'],
    ],
    untilSeconds: 200,
  },
  {
    name: 'the power of a host',
    setup: guarded,
    events: [
      [20, 'power off', 'h1'],
      [70, 'power on', 'h1'],
    ],
    untilSeconds: 130,
  },
  {
    name: 'the power of a host for eight seconds',
    setup: guarded,
    events: [
      [20, 'power off', 'h1'],
      [28, 'power on', 'h1'],
    ],
    untilSeconds: 80,
  },
  {
    name: 'the power of a host without locks',
    setup: unguarded,
    events: [
      [20, 'power off', 'h1'],
      [70, 'power on', 'h1'],
    ],
    untilSeconds: 130,
  },
  {
    name: 'a person confirms that a host is off',
    setup: unguarded,
    events: [
      [20, 'power off', 'h1'],
      [60, 'confirm off', 'h1'],
      [90, 'power on', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'a person asks to confirm while the host runs',
    setup: unguarded,
    events: [
      [20, 'cut', 'h1'],
      [60, 'confirm off', 'h1'],
      [90, 'heal', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'a host is fenced, comes back, and is cut again',
    setup: fenced,
    events: [
      [20, 'cut', 'h1'],
      [60, 'heal', 'h1'],
      [60, 'power on', 'h1'],
      [90, 'cut', 'h2'],
      [130, 'heal', 'h2'],
      [140, 'power on', 'h2'],
    ],
    untilSeconds: 190,
  },
  {
    name: 'a host heals while it is being fenced',
    setup: fenced,
    events: [
      [20, 'cut', 'h1'],
      [35.5, 'heal', 'h1'],
      [60, 'power on', 'h1'],
    ],
    untilSeconds: 120,
  },
  {
    name: 'the agent dies and comes back',
    setup: guarded,
    events: [
      [20, 'kill agent', 'h1'],
      [25, 'start agent', 'h1'],
    ],
    untilSeconds: 70,
  },
  {
    name: 'the agent stays dead while its guests run',
    setup: guarded,
    events: [
      [20, 'kill agent', 'h1'],
      [80, 'start agent', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'the agent stays dead without locks',
    setup: unguarded,
    events: [
      [20, 'kill agent', 'h1'],
      [80, 'start agent', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'the agent dies at the first start',
    setup: guarded,
    events: [
      [0.9, 'kill agent', 'h1'],
      [5, 'start agent', 'h1'],
    ],
    untilSeconds: 60,
  },
  {
    name: 'the control plane is away for a minute',
    setup: guarded,
    events: [
      [20, 'kill control'],
      [80, 'start control'],
    ],
    untilSeconds: 130,
  },
  {
    name: 'the control plane comes back to a host that is gone',
    setup: guarded,
    events: [
      [20, 'kill control'],
      [30, 'power off', 'h1'],
      [50, 'start control'],
      [100, 'power on', 'h1'],
    ],
    untilSeconds: 160,
  },
  {
    name: 'a host heals while the control plane is away',
    setup: fenced,
    events: [
      [20, 'cut', 'h1'],
      [34.5, 'kill control'],
      [50, 'heal', 'h1'],
      [50, 'power on', 'h1'],
      [60, 'start control'],
    ],
    untilSeconds: 120,
  },
  {
    name: 'the control plane dies while it brings desktops back',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [34.3, 'kill control'],
      [40, 'start control'],
      [80, 'heal', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'the control plane dies while it fences',
    setup: fenced,
    events: [
      [20, 'cut', 'h1'],
      [35, 'kill control'],
      [45, 'start control'],
      [90, 'heal', 'h1'],
      [90, 'power on', 'h1'],
    ],
    untilSeconds: 150,
  },
  { name: 'a guest crashes', setup: guarded, events: [[20, 'crash', 'kept']], untilSeconds: 60 },
  {
    name: 'a guest crashes again and again',
    setup: guarded,
    events: [
      [20, 'crash', 'kept'],
      [25, 'crash', 'kept'],
      [32, 'crash', 'kept'],
      [42, 'crash', 'kept'],
    ],
    untilSeconds: 90,
  },
  {
    name: 'the old copy crashes behind the cut',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [50, 'crash', 'kept'],
      [90, 'heal', 'h1'],
    ],
    untilSeconds: 150,
  },
  {
    name: 'a desktop is switched off while it waits for its disk',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [45, 'switch off', 'kept'],
      [60, 'switch on', 'kept'],
      [80, 'heal', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'a desktop is given back behind the cut',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [25, 'give back', 'floating'],
      [80, 'heal', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'a desktop is deleted behind the cut',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [25, 'delete', 'kept'],
      [80, 'heal', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'a desktop is deleted and its host is fenced',
    setup: fenced,
    events: [
      [20, 'cut', 'h1'],
      [25, 'delete', 'kept'],
      [80, 'heal', 'h1'],
      [80, 'power on', 'h1'],
    ],
    untilSeconds: 140,
  },
  {
    name: 'a desktop is deleted, its host is fenced, and the disks are apart',
    setup: { ...apart, fence: 'works' },
    events: [
      [20, 'cut', 'h1'],
      [25, 'delete', 'kept'],
      [80, 'heal', 'h1'],
      [80, 'power on', 'h1'],
    ],
    untilSeconds: 180,
  },
  {
    name: 'a desktop that stands still is lost with its host',
    setup: { hosts: hosts(false), desktops: [still] },
    events: [
      [70, 'cut', 'h1'],
      [110, 'switch on', 'still'],
      [140, 'heal', 'h1'],
    ],
    untilSeconds: 190,
  },
  {
    name: 'a desktop that has just been switched off is lost with its host',
    setup: { hosts: hosts(false), desktops: [kept] },
    events: [
      [20, 'switch off', 'kept'],
      [30, 'cut', 'h1'],
      [80, 'heal', 'h1'],
    ],
    untilSeconds: 130,
  },
  {
    name: 'a warm desktop that nobody has',
    setup: { ...guarded, desktops: [warm] },
    events: cutFor(20, 60),
    untilSeconds: 110,
  },
  {
    name: 'a persistent desktop that nobody has yet',
    setup: { ...unguarded, desktops: [spare] },
    events: cutFor(20, 60),
    untilSeconds: 110,
  },
  {
    name: 'a pool that wishes to wait',
    setup: { ...guarded, desktops: [patient] },
    events: cutFor(20, 60),
    untilSeconds: 110,
  },
  {
    name: 'a pool that wishes to wait, and the power of its host',
    setup: { ...guarded, desktops: [patient] },
    events: [
      [20, 'power off', 'h1'],
      [60, 'power on', 'h1'],
    ],
    untilSeconds: 110,
  },
  {
    name: 'locks on two hosts of three',
    setup: mixed,
    events: [
      [20, 'cut', 'h1'],
      [50, 'cut', 'h2'],
      [110, 'heal', 'h2'],
      [120, 'heal', 'h1'],
    ],
    untilSeconds: 190,
  },
  {
    name: 'locks on two hosts of three, and a fence',
    setup: { ...mixed, fence: 'works' },
    events: [
      [20, 'cut', 'h1'],
      [50, 'cut', 'h2'],
      [110, 'heal', 'h2'],
      [110, 'power on', 'h2'],
      [120, 'heal', 'h1'],
      [120, 'power on', 'h1'],
    ],
    untilSeconds: 190,
  },
  {
    name: 'one host after the other, each while the last is still away',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [60, 'cut', 'h2'],
      [62, 'crash', 'kept'],
      [130, 'heal', 'h1'],
      [140, 'heal', 'h2'],
    ],
    untilSeconds: 200,
  },
  {
    name: 'a cable that comes and goes',
    setup: guarded,
    events: [
      [20, 'cut', 'h1'],
      [27, 'heal', 'h1'],
      [30, 'cut', 'h1'],
      [38, 'heal', 'h1'],
      [40, 'cut', 'h1'],
      [53, 'heal', 'h1'],
      [55, 'cut', 'h1'],
      [75, 'heal', 'h1'],
    ],
    untilSeconds: 130,
  },
]

/** Runs one to its end. */
export async function scenarioRun({ setup, events, untilSeconds }: Scenario): Promise<Model> {
  const model = makeModel(setup, 1)
  for (const [second, what, subject = ''] of events)
    model.timeline.after(second * 1_000, () => {
      model.timeline.note('event', `${what} ${subject}`.trim())
      happenings[what](model, subject)
    })
  await model.timeline.run(untilSeconds * 1_000)
  return model
}

/** Its log, and what is wrong in the end. */
export const scenarioText = (scenario: Scenario, model: Model) =>
  [`# ${scenario.name}`, ...model.timeline.lines, ...model.wrongs().map(wrong => `WRONG ${wrong}`), ''].join('\n')

export const scenarioFile = ({ name }: Scenario) => `${name.replace(/[^a-z]+/g, '-')}.txt`
