/** Single desktops by an administrator's hand: made for somebody, and their hardware changed. */
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind, poolFind } from './desktops.ts'
import { follow } from './follow.ts'
import { userFind } from './users.ts'

export interface HardwareOptions {
  vcpus?: string
  /** MiB. */
  memory?: string
  /** GiB. */
  disk?: string
}

const MiB = 2 ** 20
const GiB = 2 ** 30

/** @throws HdcsError `invalid` for what is no number. */
function hardwareOf({ vcpus, memory, disk }: HardwareOptions) {
  const number = (name: string, text: string) => {
    const value = Number(text)
    if (Number.isFinite(value) && value > 0) return value
    throw new HdcsError('invalid', `--${name} takes a number, not “${text}”.`)
  }
  return {
    ...(vcpus !== undefined && { vcpus: number('vcpus', vcpus) }),
    ...(memory !== undefined && { memoryBytes: Math.round(number('memory', memory) * MiB) }),
    ...(disk !== undefined && { diskBytes: Math.round(number('disk', disk) * GiB) }),
  }
}

/** Changes what is named, and says what its guest has at once. */
export async function desktopHardware(context: Context, name: string, options: HardwareOptions): Promise<void> {
  const hardware = hardwareOf(options)
  if (Object.keys(hardware).length === 0)
    throw new HdcsError('invalid', 'What shall change? --vcpus N, --memory MIB, --disk GIB')
  const { id } = await desktopFind(context, name)
  const made = await context.client.desktopUpdate({ params: { id }, body: { hardware } })
  const { now, nextStart } = made.applies
  const said = [
    now.length > 0 ? `at once: ${now.map(word).join(', ')}` : '',
    nextStart.length > 0 ? `after its next start: ${nextStart.map(word).join(', ')}` : '',
  ].filter(text => text !== '')
  answer(context, made, () => `${made.desktop.name}: ${said.length > 0 ? said.join('; ') : 'it was so already'}`)
}

const words = { vcpus: 'processors', memoryBytes: 'memory', diskBytes: 'disk', video: 'graphics', sound: 'sound' }
const word = (name: keyof typeof words) => words[name]

export interface MakeOptions extends HardwareOptions {
  /** Who it is for; whoever asks unless given. */
  for?: string
  name?: string
}

export async function desktopMake(context: Context, pool: string, options: MakeOptions): Promise<void> {
  const { client } = context
  const { id } = await poolFind(context, pool)
  const userId = options.for === undefined ? undefined : (await userFind(context, options.for)).id
  const body = { hardware: hardwareOf(options), name: options.name, userId }
  const made = await client.desktopMake({ params: { id }, body })
  const task = await follow(context, made.task)
  answer(
    context,
    { ...made, task },
    () => `${made.desktop.name} ${task.state === 'succeeded' ? 'is ready' : task.state}`,
  )
}
