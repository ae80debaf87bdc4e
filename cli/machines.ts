/** Single desktops by an administrator's hand: made for somebody, and their hardware changed. */
import type { z } from '@hono/zod-openapi'
import type { makingPlanSchema } from '../api/desktop-making.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind, poolFind } from './desktops.ts'
import { follow } from './follow.ts'
import { type HardwareOptions, hardwareOf, hardwareWanted } from './hardware-options.ts'
import { desktopsMake, peopleOf } from './make-many.ts'
import { discFind } from './making.ts'
import { type Column, table } from './print.ts'
import { userFind } from './users.ts'

/** Changes what is named, or with `--dry-run` nothing, and says what its guest has at once and why not the rest. */
export async function desktopHardware(
  context: Context,
  name: string,
  options: HardwareOptions & { dryRun?: boolean },
): Promise<void> {
  const hardware = hardwareWanted(options)
  const { id } = await desktopFind(context, name)
  const made = await context.client.desktopUpdate({
    params: { id },
    body: { hardware, dryRun: options.dryRun ?? false },
  })
  const { now, nextStart, why } = made.applies
  const later = (name: keyof typeof words) => (why[name] ? `${word(name)} (${why[name]})` : word(name))
  const said = [
    now.length > 0 ? `at once: ${now.map(word).join(', ')}` : '',
    nextStart.length > 0 ? `after its next start: ${nextStart.map(later).join(', ')}` : '',
  ].filter(text => text !== '')
  answer(context, made, () => `${made.desktop.name}: ${said.length > 0 ? said.join('; ') : 'it was so already'}`)
}

const words = {
  vcpus: 'processors',
  memoryBytes: 'memory',
  diskBytes: 'disk',
  video: 'graphics',
  sound: 'sound',
  firmware: 'firmware',
  diskBus: 'disk bus',
  cdrom: 'disc',
  bootDisc: 'start from the disc',
}
const word = (name: keyof typeof words) => words[name]

export interface MakeOptions extends HardwareOptions {
  /** Who it is for; whoever asks unless given. Several: one for each of them. */
  for?: string[]
  /** A file with a name per line: one for each of them. */
  people?: string
  name?: string
  /** A template of an ISO file, or `name/number` of it: in its drive from the first start. */
  cdrom?: string
  /** Only say what speaks for it and against it. */
  dryRun?: boolean
}

/** @throws HdcsError `conflict` when a dry run says that it cannot be made, or when some of many were refused. */
export async function desktopMake(context: Context, pool: string, options: MakeOptions): Promise<void> {
  const { client } = context
  const hardware = hardwareOf(options)
  const people = [...(options.for ?? []), ...(options.people === undefined ? [] : peopleOf(options.people))]
  const many = options.people !== undefined || people.length > 1
  if (many && options.name !== undefined)
    throw new HdcsError('invalid', '--name is for one desktop: of many each has the pool’s next name.')
  const { id } = await poolFind(context, pool)
  const cdrom = options.cdrom === undefined ? undefined : await discFind(context, options.cdrom)
  const dryRun = options.dryRun ?? false
  if (many) return desktopsMake(context, id, people, { hardware, cdrom, dryRun })
  const [person] = people
  const userId = person === undefined ? undefined : (await userFind(context, person)).id
  const body = { hardware, name: options.name, userId, cdrom, dryRun }
  const made = await client.desktopMake({ params: { id }, body })
  if ('plan' in made) {
    answer(context, made, () => table(made.plan.checks, checked, context.terminal.width))
    if (!made.plan.ok) throw new HdcsError('conflict', 'It cannot be made so: mend what is refused above.')
    return
  }
  const task = await follow(context, made.task)
  answer(
    context,
    { ...made, task },
    () => `${made.desktop.name} ${task.state === 'succeeded' ? 'is ready' : task.state}`,
  )
}

type Check = z.output<typeof makingPlanSchema>['checks'][number]

const checked: Column<Check>[] = [
  { title: 'CHECK', value: check => check.name },
  { title: '', value: check => (check.ok ? 'ok' : 'refused') },
  { title: 'WHY', value: check => check.text },
]
