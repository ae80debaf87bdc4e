/** What may befall three hosts, told one by one; what comes of each is recorded beside it (fixtures/). */
import { type Happening, happenings, type Model, makeModel, type Setup } from './model.ts'

export interface Scenario {
  /** Also the name of its file. */
  name: string
  setup: Setup
  /** Second, what, to whom. */
  events: [number, Happening, string][]
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

/** Its name, the cluster, what happens at which second, and when it is looked at. */
const told: [string, Setup, string, number][] = [
  ['nothing happens', guarded, '', 60],
  ['a cut of five seconds', guarded, '20 cut h1, 25 heal h1', 60],
  ['a cut that makes a host suspect', guarded, '20 cut h1, 31 heal h1', 60],
  ['a cut that makes a host lost', guarded, '20 cut h1, 60 heal h1', 120],
  ['a cut that heals as the host is called lost', guarded, '20 cut h1, 34 heal h1', 90],
  ['a cut without locks or a fence', unguarded, '20 cut h1, 60 heal h1', 120],
  ['a cut with a fence', fenced, '20 cut h1, 60 heal h1', 120],
  ['a cut with a fence that fails', { ...unguarded, fence: 'fails' }, '20 cut h1, 100 heal h1', 150],
  ['a cut while the disks are apart', apart, '20 cut h1, 60 heal h1', 160],
  ['two cuts, one after the other', guarded, '20 cut h1, 60 heal h1, 80 cut h2, 130 heal h2', 190],
  ['two hosts cut at once', guarded, '20 cut h1, 20 cut h2, 70 heal h1, 75 heal h2', 140],
  ['all hosts cut at once', guarded, '20 cut h1, 20 cut h2, 20 cut h3, 70 heal h2, 80 heal h3, 90 heal h1', 150],
  ['the second host is cut while the first is away', guarded, '20 cut h1, 50 cut h2, 110 heal h2, 130 heal h1', 200],
  ['the power of a host', guarded, '20 power off h1, 70 power on h1', 130],
  ['the power of a host for eight seconds', guarded, '20 power off h1, 28 power on h1', 80],
  ['the power of a host without locks', unguarded, '20 power off h1, 70 power on h1', 130],
  ['a person confirms that a host is off', unguarded, '20 power off h1, 60 confirm off h1, 90 power on h1', 140],
  ['a person asks to confirm while the host runs', unguarded, '20 cut h1, 60 confirm off h1, 90 heal h1', 140],
  [
    'a host is fenced, comes back, and is cut again',
    fenced,
    '20 cut h1, 60 heal h1, 60 power on h1, 90 cut h2, 130 heal h2, 140 power on h2',
    190,
  ],
  ['a host heals while it is being fenced', fenced, '20 cut h1, 35.5 heal h1, 60 power on h1', 120],
  ['the agent dies and comes back', guarded, '20 kill agent h1, 25 start agent h1', 70],
  ['the agent stays dead while its guests run', guarded, '20 kill agent h1, 80 start agent h1', 140],
  ['the agent stays dead without locks', unguarded, '20 kill agent h1, 80 start agent h1', 140],
  ['the agent dies at the first start', guarded, '0.9 kill agent h1, 5 start agent h1', 60],
  ['the control plane is away for a minute', guarded, '20 kill control, 80 start control', 130],
  [
    'the control plane comes back to a host that is gone',
    guarded,
    '20 kill control, 30 power off h1, 50 start control, 100 power on h1',
    160,
  ],
  [
    'a host heals while the control plane is away',
    fenced,
    '20 cut h1, 34.5 kill control, 50 heal h1, 50 power on h1, 60 start control',
    120,
  ],
  [
    'the control plane dies while it brings desktops back',
    guarded,
    '20 cut h1, 34.3 kill control, 40 start control, 80 heal h1',
    140,
  ],
  [
    'the control plane dies while it fences',
    fenced,
    '20 cut h1, 35 kill control, 45 start control, 90 heal h1, 90 power on h1',
    150,
  ],
  ['a guest crashes', guarded, '20 crash kept', 60],
  ['a guest crashes again and again', guarded, '20 crash kept, 25 crash kept, 32 crash kept, 42 crash kept', 90],
  ['the old copy crashes behind the cut', guarded, '20 cut h1, 50 crash kept, 90 heal h1', 150],
  [
    'a desktop is switched off while it waits for its disk',
    guarded,
    '20 cut h1, 45 switch off kept, 60 switch on kept, 80 heal h1',
    140,
  ],
  ['a desktop is given back behind the cut', guarded, '20 cut h1, 25 give back floating, 80 heal h1', 140],
  ['a desktop is deleted behind the cut', guarded, '20 cut h1, 25 delete kept, 80 heal h1', 140],
  ['a desktop is deleted and its host is fenced', fenced, '20 cut h1, 25 delete kept, 80 heal h1, 80 power on h1', 140],
  [
    'a desktop is deleted, its host is fenced, and the disks are apart',
    { ...apart, fence: 'works' },
    '20 cut h1, 25 delete kept, 80 heal h1, 80 power on h1',
    180,
  ],
  [
    'a desktop that stands still is lost with its host',
    { hosts: hosts(false), desktops: [still] },
    '70 cut h1, 110 switch on still, 140 heal h1',
    190,
  ],
  [
    'a desktop that has just been switched off is lost with its host',
    { hosts: hosts(false), desktops: [kept] },
    '20 switch off kept, 30 cut h1, 80 heal h1',
    130,
  ],
  ['a warm desktop that nobody has', { ...guarded, desktops: [warm] }, '20 cut h1, 60 heal h1', 110],
  ['a persistent desktop that nobody has yet', { ...unguarded, desktops: [spare] }, '20 cut h1, 60 heal h1', 110],
  ['a pool that wishes to wait', { ...guarded, desktops: [patient] }, '20 cut h1, 60 heal h1', 110],
  [
    'a pool that wishes to wait, and the power of its host',
    { ...guarded, desktops: [patient] },
    '20 power off h1, 60 power on h1',
    110,
  ],
  ['locks on two hosts of three', mixed, '20 cut h1, 50 cut h2, 110 heal h2, 120 heal h1', 190],
  [
    'locks on two hosts of three, and a fence',
    { ...mixed, fence: 'works' },
    '20 cut h1, 50 cut h2, 110 heal h2, 110 power on h2, 120 heal h1, 120 power on h1',
    190,
  ],
  [
    'one host after the other, each while the last is still away',
    guarded,
    '20 cut h1, 60 cut h2, 62 crash kept, 130 heal h1, 140 heal h2',
    200,
  ],
  [
    'a cable that comes and goes',
    guarded,
    '20 cut h1, 27 heal h1, 30 cut h1, 38 heal h1, 40 cut h1, 53 heal h1, 55 cut h1, 75 heal h1',
    130,
  ],
]

export const scenarios: Scenario[] = told.map(([name, setup, events, untilSeconds]) => ({
  name,
  setup,
  events: events === '' ? [] : events.split(', ').map(eventOf),
  untilSeconds,
}))

/** `20 power off h1` */
function eventOf(text: string): [number, Happening, string] {
  const [second = '', ...rest] = text.split(' ')
  const words = rest.join(' ')
  const what = (Object.keys(happenings) as Happening[]).find(name => words === name || words.startsWith(`${name} `))
  if (!what) throw new Error(`nothing happens by “${text}”`)
  return [Number(second), what, words.slice(what.length + 1)]
}

/** Runs one to its end. */
export async function scenarioRun({ setup, events, untilSeconds }: Scenario): Promise<Model> {
  const model = makeModel(setup, 1)
  for (const [second, what, subject] of events)
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
