/** One desktop each for many people: `hdcs make POOL --for ANA --for BEN`, `--people FILE`. */
import { readFileSync } from 'node:fs'
import type { Answer } from '../api/client.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { isId } from './find.ts'
import { follow } from './follow.ts'
import type { hardwareOf } from './hardware-options.ts'
import { type Column, table } from './print.ts'
import { userFind } from './users.ts'

/** As many as the API makes at once. */
const most = 100

/**
 * A name per line; what stands behind a `#` and empty lines are left out.
 * @throws HdcsError `not_found` for a file that cannot be read.
 */
export function peopleOf(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new HdcsError(
      'not_found',
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  return text
    .split(/\r?\n/)
    .map(line => line.replace(/#.*/, '').trim())
    .filter(name => name !== '')
}

interface Wish {
  hardware: ReturnType<typeof hardwareOf>
  cdrom?: string | undefined
  dryRun: boolean
}

/**
 * Nothing is made where one of the names is nobody’s: a list with a slip in it is mended first.
 * @throws HdcsError `not_found`, `invalid`; `conflict` when some were refused.
 */
export async function desktopsMake(
  context: Context,
  poolId: string,
  names: readonly string[],
  wish: Wish,
): Promise<void> {
  const people = await peopleFound(context, [...new Set(names)])
  if (people.size === 0) throw new HdcsError('invalid', 'For whom? The list is empty.')
  if (people.size > most)
    throw new HdcsError('invalid', `${most} people at once: these are ${people.size}. Take them in parts.`)
  const made = await context.client.desktopsMake({
    params: { id: poolId },
    body: { ...wish, userIds: [...people.keys()] },
  })
  const text = () => resultTable(context, made.results, people, wish.dryRun)
  const refused = made.results.filter(({ error }) => error !== null).length
  if (!('task' in made) || refused > 0) answer(context, made, text)
  if (refused > 0) {
    const others = 'task' in made ? `the others are being made: hdcs task ${made.task.id}` : 'nothing is made yet'
    throw new HdcsError('conflict', `${counted(refused, 'person is', 'people are')} refused; ${others}`)
  }
  if (!('task' in made)) return
  const task = await follow(context, made.task)
  answer(context, { ...made, task }, text)
}

/** @returns name by id. @throws HdcsError `not_found` with all that are nobody’s. */
async function peopleFound(context: Context, names: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const unknown: string[] = []
  for (const name of names) {
    if (isId(name)) {
      // Who may not read people names them by id: the server judges.
      found.set(name, name)
      continue
    }
    try {
      const { id, name: known } = await userFind(context, name)
      found.set(id, known)
    } catch (error) {
      if (!(error instanceof HdcsError) || error.code !== 'not_found') throw error
      unknown.push(name)
    }
  }
  if (unknown.length > 0)
    throw new HdcsError('not_found', `Nobody is called ${unknown.join(', ')}. Nothing was made: mend the list.`)
  return found
}

type Result = Answer<'desktopsMake'>['results'][number]

function resultTable(
  context: Context,
  results: readonly Result[],
  people: ReadonlyMap<string, string>,
  tried: boolean,
): string {
  const columns: Column<Result>[] = [
    { title: 'PERSON', value: one => people.get(one.userId) ?? one.userName ?? one.userId },
    { title: 'DESKTOP', value: one => one.desktop?.name ?? '—' },
    { title: 'HOST', value: one => one.desktop?.hostName ?? '—' },
    { title: '', value: one => one.error?.text ?? (tried ? 'would be made' : 'made') },
  ]
  return table(results, columns, context.terminal.width)
}
