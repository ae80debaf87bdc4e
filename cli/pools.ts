/** Pools by an administrator's hand: made, resized and removed, each said before. */
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { poolFind } from './desktops.ts'
import { find } from './find.ts'
import { follow } from './follow.ts'
import { type HardwareOptions, hardwareOf, hardwareText } from './hardware-options.ts'
import type { PoolChanges } from './nouns.ts'
import { ask } from './prompt.ts'

export interface SizeOptions {
  min?: string
  max?: string
  warm?: string
  cold?: string
}

const sizes = { min: 'minSize', max: 'maxSize', warm: 'warm', cold: 'cold' } as const

/** @throws HdcsError `invalid` for what is no number. */
function sizesOf(options: SizeOptions) {
  const given = (Object.keys(sizes) as (keyof typeof sizes)[]).flatMap(name => {
    const text = options[name]
    if (text === undefined) return []
    if (!/^\d{1,5}$/.test(text)) throw new HdcsError('invalid', `--${name} takes a whole number, not “${text}”.`)
    return [[sizes[name], Number(text)] as const]
  })
  return Object.fromEntries(given)
}

export interface MakeOptions extends SizeOptions, HardwareOptions {
  persistent?: boolean
  version?: string
  description?: string
  everyone?: boolean
}

export async function poolMake(context: Context, name: string, template: string, options: MakeOptions): Promise<void> {
  const { client } = context
  const hardware = hardwareOf(options)
  const { id: templateId } = await find(
    'template',
    template,
    id => client.templateGet({ params: { id } }),
    query => client.templateList({ query }),
  )
  const templateVersion = options.version === undefined ? undefined : Number(options.version)
  if (templateVersion !== undefined && !Number.isInteger(templateVersion))
    throw new HdcsError('invalid', `--version takes a version’s number, not “${options.version}”.`)
  const pool = await client.poolCreate({
    body: {
      name,
      templateId,
      kind: options.persistent ? 'persistent' : 'floating',
      ...(options.description !== undefined && { description: options.description }),
      ...(templateVersion !== undefined && { templateVersion }),
      ...sizesOf(options),
      // What is not said is the template’s.
      ...(Object.keys(hardware).length > 0 && { hardware }),
    },
  })
  if (options.everyone) await client.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
  answer(context, pool, () =>
    [
      `${name} is made: up to ${pool.maxSize} desktops, ${pool.warm} kept ready`,
      `Each has ${hardwareText(pool.hardware)}.`,
      ...pool.warnings,
      `When it is filled, see that all of it works: hdcs verify ${name}`,
      options.everyone
        ? 'Everyone may use it.'
        : `Nobody may use it yet: hdcs pools entitle ${name} --for PERSON, or --everyone`,
    ].join('\n'),
  )
}

export async function poolResize(
  context: Context,
  poolName: string,
  options: SizeOptions & { dryRun?: boolean },
): Promise<void> {
  const body = sizesOf(options)
  if (Object.keys(body).length === 0)
    throw new HdcsError('invalid', 'What shall change? --min N, --max N, --warm N, --cold N')
  const { id, name } = await poolFind(context, poolName)
  const pool = await context.client.poolUpdate({ params: { id }, query: { dryRun: options.dryRun === true }, body })
  const done = options.dryRun ? 'would' : 'will'
  answer(context, pool, () => `${name}: ${resizeText(pool.changes.resize, done)}`)
}

export function resizeText(
  { make, start, stop, remake, remove, over, short, shortReason }: PoolChanges['resize'],
  will: string,
) {
  const counts = [
    make > 0 && `${make} made`,
    start > 0 && `${start} started`,
    stop > 0 && `${stop} stopped`,
    remake > 0 && `${remake} remade`,
    remove.length > 0 &&
      `${remove.length} removed (${remove.slice(0, 10).join(', ')}${remove.length > 10 ? ', …' : ''})`,
  ].filter(text => text !== false)
  return [
    counts.length > 0 ? `${counts.join(', ')} (${will} be done; what people have stays)` : 'nothing is made or removed',
    ...(over > 0 ? [`${over} more than that are in use: they stay, and nobody new gets one meanwhile`] : []),
    ...(short > 0 ? [`${short} of them find no host now: ${shortReason}`] : []),
  ].join('\n')
}

/** Says who would lose what, and asks for the name where somebody does. */
export async function poolRemove(
  context: Context,
  poolName: string,
  { yes = false }: { yes?: boolean },
): Promise<void> {
  const { client } = context
  const { id, name } = await poolFind(context, poolName)
  const plan = await client.poolRemovalPlan({ params: { id } })
  if (!yes) {
    if (!process.stdin.isTTY) throw new HdcsError('invalid', `${plan.text} Say so with --yes.`)
    context.terminal.note(`${plan.text}\n`)
    const typed = await ask(plan.loss ? `Type ${name} to remove it: ` : `Remove ${name}? (yes) `)
    if (typed !== (plan.loss ? name : 'yes')) throw new HdcsError('cancelled', 'Nothing was done.')
  }
  const made = await client.poolDelete({ params: { id }, query: { force: plan.people.length > 0 } })
  const task = await follow(context, made.task)
  answer(context, { task }, () => `${name} ${task.state === 'succeeded' ? 'is removed' : 'is being removed'}`)
}
