/** A pool's settings and who may use it, by an administrator's hand: each said before it is done. */
import type { Ask } from '../api/client.ts'
import { HdcsError } from '../lib/errors.ts'
import { documentRead, inputOf, operationsOf } from './call.ts'
import { answer, type Context } from './context.ts'
import { poolFind } from './desktops.ts'
import { isId } from './find.ts'
import { clusterFind } from './hosts.ts'
import type { Pool, PoolChanges } from './nouns.ts'
import { resizeText } from './pools.ts'
import { type SureOptions, sure } from './prompt.ts'
import { userFind } from './users.ts'

type Change = NonNullable<Ask<'poolUpdate'>['body']>

/**
 * What `key=value` words say of a pool, as the API's document names and types them.
 * @throws HdcsError `invalid` for what is no setting.
 */
function changeOf(words: readonly string[]): Change {
  const operation = operationsOf(documentRead()).find(({ id }) => id === 'poolUpdate')
  if (!operation?.body) throw new HdcsError('internal', 'The document has no poolUpdate.')
  const known = operation.body.map(({ name }) => name)
  for (const word of words) {
    const name = /^[\w-]+/.exec(word)?.[0] ?? word
    if (!known.includes(name))
      throw new HdcsError('invalid', `A pool has no setting ${name}; there are: ${known.join(', ')}`)
    // A part alone would take away the other scripts and the domain.
    if (word.startsWith('customise.'))
      throw new HdcsError('invalid', 'What guests are customised by is said whole: customise:=JSON, or on its page.')
  }
  // The document's types are the body's: what is not of them the server refuses at its field.
  return inputOf({ ...operation, params: [], query: [] }, words).body as Change
}

/** Shows what the change does; asks where desktops are removed or made anew for it. */
export async function poolSet(
  context: Context,
  poolName: string,
  words: string[],
  { yes = false, dryRun = false }: SureOptions & { dryRun?: boolean },
): Promise<void> {
  const wish = changeOf(words)
  const pool = await poolFind(context, poolName)
  const { id, name } = pool
  const partOf = (setting: string) => words.some(word => word.startsWith(`${setting}.`))
  const body: Change = {
    ...wish,
    ...(wish.clusterIds && { clusterIds: await clustersFound(context, wish.clusterIds) }),
    // A part of its network or hardware is said: the rest stays as it is.
    ...(partOf('network') && { network: { ...pool.network, ...wish.network } }),
    ...(partOf('hardware') && { hardware: { ...(await hardwareOwn(context, pool)), ...wish.hardware } }),
  }
  const tried = await context.client.poolUpdate({ params: { id }, query: { dryRun: true }, body })
  if (dryRun) return answer(context, tried, () => `${name}: ${changeText(tried.changes, 'would')}`)
  const { remove, remake } = tried.changes.resize
  if (remove.length > 0 || remake > 0) await sure(`${name}: ${changeText(tried.changes, 'will')}\n`, name, { yes })
  const made = await context.client.poolUpdate({ params: { id }, query: {}, body })
  answer(context, made, () => [`${made.name}: ${changeText(made.changes, 'will')}`, ...made.warnings].join('\n'))
}

/** What a pool has otherwise than its template: the API shows what comes of both. */
async function hardwareOwn({ client }: Context, { templateId, hardware }: Pool): Promise<Change['hardware']> {
  const template = await client.templateGet({ params: { id: templateId } })
  const usual = new Map<string, unknown>(Object.entries(template.hardware))
  return Object.fromEntries(Object.entries(hardware).filter(([name, value]) => usual.get(name) !== value))
}

const clustersFound = (context: Context, names: readonly string[]) =>
  Promise.all(names.map(async name => (isId(name) ? name : (await clusterFind(context, name)).id)))

const whens = {
  now: 'at once',
  nextClaim: 'from the next claim on',
  atGiveBack: 'when given back',
  nextStart: 'at the next start',
  nextMade: 'when made anew',
  never: 'not for those that are there',
}

/** `maxSize at once; hardware at the next start (2 desktops)`, and what is made and removed for it. */
function changeText({ fields, resize }: PoolChanges, will: string): string {
  const applies = ({ when, desktops }: PoolChanges['fields'][number]['applies'][number]) =>
    `${whens[when]}${desktops > 0 ? ` (${desktops} of its desktops)` : ''}`
  const said = fields.map(({ field, applies: of }) => `${field} ${of.map(applies).join(', ') || whens.now}`)
  return `${said.join('; ') || 'it was so already'}\n${resizeText(resize, will)}`
}

export interface EntitleOptions {
  for?: string[]
  group?: string[]
  everyone?: boolean
}

/** Adds people, groups or everyone to those who may use a pool, or takes them away; the others stay as they are. */
export async function poolEntitle(
  context: Context,
  poolName: string,
  options: EntitleOptions,
  may: boolean,
): Promise<void> {
  const { client } = context
  const people = options.for ?? []
  const groups = options.group ?? []
  if (!options.everyone && people.length + groups.length === 0)
    throw new HdcsError('invalid', 'Whom? --for PERSON, --group GROUP or --everyone')
  const { id, name } = await poolFind(context, poolName)
  const params = { id }
  const [userIds, groupIds] = [await idsOf(people, one => userFind(context, one)), await groupIdsOf(context, groups)]
  const now = await client.entitlementGet({ params })
  const changed = (has: readonly string[], ids: readonly string[]) =>
    may ? [...new Set([...has, ...ids])] : has.filter(one => !ids.includes(one))
  const body = {
    everyone: options.everyone ? may : now.everyone,
    userIds: changed(now.userIds, userIds),
    groupIds: changed(now.groupIds, groupIds),
  }
  const made = await client.entitlementSet({ params, body })
  answer(context, made, () => `${name}: ${whoText(made)}`)
}

const idsOf = (names: readonly string[], find_: (name: string) => Promise<{ id: string }>) =>
  Promise.all(names.map(async name => (isId(name) ? name : (await find_(name)).id)))

async function groupIdsOf({ client }: Context, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return []
  const { items } = await client.groupList({ query: { limit: 500 } })
  return names.map(name => {
    const group = items.find(one => one.name === name || one.id === name)
    if (group) return group.id
    throw new HdcsError('not_found', `No group is called ${name} (known: ${items.map(one => one.name).join(', ')}).`)
  })
}

function whoText({
  everyone,
  userIds,
  groupIds,
}: {
  everyone: boolean
  userIds: string[]
  groupIds: string[]
}): string {
  if (everyone) return 'everyone may use it'
  const named = [
    ...(userIds.length > 0 ? [`${userIds.length} ${userIds.length === 1 ? 'person' : 'people'}`] : []),
    ...(groupIds.length > 0 ? [`${groupIds.length} ${groupIds.length === 1 ? 'group' : 'groups'}`] : []),
  ]
  return named.length === 0 ? 'nobody may use it' : `${named.join(' and ')} may use it`
}
