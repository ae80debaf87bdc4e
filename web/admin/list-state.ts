/** The state of a list lives in the address bar: search, filters, and the cursors of the pages walked through. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import type { ListState } from '../ui/DataTable.tsx'

/** Rows per page. Fewer: more turning; more: a slow page on a phone. */
export const pageSize = 50

export function useListState(): { state: ListState; onState: (state: ListState) => void; query: ListQuery } {
  const given: Record<string, string | undefined> = useSearch({ strict: false })
  const navigate = useNavigate()
  const { q, cursors, ...filters } = given
  const state: ListState = { search: q ?? '', filters, cursors: cursors ? cursors.split('~') : [] }
  const onState = (next: ListState) => {
    const search = Object.fromEntries(
      Object.entries({ ...next.filters, q: next.search, cursors: next.cursors.join('~') }).filter(([, value]) => value),
    )
    void navigate({ to: '.', search, replace: true, resetScroll: false })
  }
  const cursor = state.cursors.at(-1)
  return { state, onState, query: { limit: pageSize, ...(cursor && { cursor }) } }
}

export interface ListQuery {
  limit: number
  cursor?: string
}

/** Leaves out what is not given: a query holds no empty names. */
export function given<T extends Record<string, unknown>>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined | ''> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== '')) as {
    [K in keyof T]?: Exclude<T[K], undefined | ''>
  }
}
