import type { Answer } from '../api/client.ts'
import { answer, type Context } from './context.ts'
import { hostFind } from './maintenance.ts'
import { type Column, table } from './print.ts'

type HostEvent = Answer<'hostHistory'>['items'][number]

/** `powerOffFailed` → `power off failed`. */
const words = (what: string) => what.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)

/** Of silence in seconds, else how many desktops or tries. */
function amountOf({ what, amount }: HostEvent): string {
  if (amount === null) return ''
  return what === 'suspect' || what === 'lost' ? `${amount} s` : `${amount}`
}

/** What a host went through and what was done about it, newest first. */
export async function hostHistory(context: Context, name: string): Promise<void> {
  const { id } = await hostFind(context, name)
  const page = await context.client.hostHistory({ params: { id }, query: { limit: 100 } })
  const columns: Column<HostEvent>[] = [
    { title: 'AT', value: event => event.at },
    { title: 'WHAT', value: event => words(event.what) },
    { title: 'AMOUNT', value: amountOf, right: true },
    { title: 'BY', value: event => event.userName ?? 'itself' },
    { title: 'WHY', value: event => event.reason },
  ]
  answer(context, page, () =>
    page.items.length === 0 ? 'Nothing happened to it yet.' : table(page.items, columns, context.terminal.width),
  )
}
