import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { follow } from './follow.ts'
import type { Snapshot } from './nouns.ts'
import { ago, bytes, type Column, table } from './print.ts'
import { type SureOptions, sure } from './prompt.ts'

export async function snapshotList(context: Context, desktop: string): Promise<void> {
  const { id } = await desktopFind(context, desktop)
  const page = await context.client.snapshotList({ params: { id } })
  const columns: Column<Snapshot>[] = [
    { title: 'SNAPSHOT', value: one => one.name },
    { title: 'STATE', value: one => one.state },
    { title: 'TAKEN', value: one => (one.takenAt ? ago(one.takenAt, context.now()) : '—') },
    { title: 'DISK', value: one => (one.diskBytes === null ? '—' : bytes(one.diskBytes)), right: true },
    { title: 'GUEST', value: one => (one.frozen === null ? 'stood still' : one.frozen ? 'frozen' : 'not frozen') },
    { title: 'BY', value: one => one.takenBy ?? '—' },
    { title: 'NOTE', value: one => one.note },
  ]
  answer(context, page, () =>
    page.items.length === 0
      ? `No snapshot yet: hdcs snapshots take ${desktop} NAME`
      : table(page.items, columns, context.terminal.width),
  )
}

export async function snapshotTake(
  context: Context,
  desktop: string,
  name: string,
  options: { note?: string },
): Promise<void> {
  const { id } = await desktopFind(context, desktop)
  const taken = await context.client.snapshotTake({ params: { id }, body: { name, note: options.note ?? '' } })
  const task = await follow(context, taken.task)
  answer(context, { ...taken, task }, () => `${name}: ${task.state}`)
}

/** Its desktop stays as it is; what it was then is lost: asked first. */
export async function snapshotRemove(
  context: Context,
  desktop: string,
  name: string,
  options: SureOptions,
): Promise<void> {
  const { id } = await desktopFind(context, desktop)
  await sure(`${desktop} can never again be made as it was at ${name}.`, name, options)
  const { task: begun } = await context.client.snapshotRemove({ params: { id, name } })
  const task = await follow(context, begun)
  answer(context, { task }, () => `${name}: ${task.state}`)
}

/** What came after is lost: asked first. */
export async function snapshotRevert(
  context: Context,
  desktop: string,
  name: string,
  options: SureOptions,
): Promise<void> {
  const { id } = await desktopFind(context, desktop)
  await sure(`Everything written to ${desktop} since ${name} is lost.`, desktop, options)
  const { task: begun } = await context.client.snapshotRevert({ params: { id, name } })
  const task = await follow(context, begun)
  answer(context, { task }, () => `${desktop} is as it was at ${name}: ${task.state}`)
}
