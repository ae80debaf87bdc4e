import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { poolFind } from './desktops.ts'
import { follow, TaskEnded } from './follow.ts'
import type { Verified } from './nouns.ts'
import { type Column, table } from './print.ts'

/** Sees that every desktop of a pool works, and lists those that do not. Ends badly when there are such. */
export async function poolVerify(
  context: Context,
  poolName: string,
  options: { batch?: string; all?: boolean },
): Promise<void> {
  const { client } = context
  const { id, name } = await poolFind(context, poolName)
  const { batch = '10' } = options
  if (!/^[1-9]\d{0,2}$/.test(batch)) throw new HdcsError('invalid', `--batch takes a number to 200, not “${batch}”.`)
  const made = await client.verificationMake({ params: { id }, body: { batch: Number(batch) } })
  const task = await follow(context, made.task)
  const params = { id: made.verification.id }
  const verification = await client.verificationGet({ params })
  const { ok, failed, skipped } = verification.counts
  const seen: Verified[] = []
  for (const state of options.all ? (['failed', 'skipped', 'ok'] as const) : (['failed', 'skipped'] as const)) {
    let cursor: string | null = ''
    while (cursor !== null) {
      const page = await client.verificationDesktopList({
        params,
        query: { state, limit: 500, ...(cursor && { cursor }) },
      })
      seen.push(...page.items)
      cursor = page.nextCursor
    }
  }
  const columns: Column<Verified>[] = [
    { title: 'DESKTOP', value: one => one.name },
    { title: 'RESULT', value: one => one.state },
    { title: 'WHY', value: one => one.text },
  ]
  const left = skipped > 0 ? `, ${skipped} left out` : ''
  answer(context, { task, verification, desktops: seen }, () =>
    [
      `${name}: ${ok} work, ${failed} do not${left}`,
      ...(seen.length > 0 ? [table(seen, columns, context.terminal.width)] : []),
    ].join('\n'),
  )
  if (failed > 0) throw new TaskEnded('start_failed', `${failed} of ${name} do not work.`)
}
