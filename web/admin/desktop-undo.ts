/** Out of the recycle bin: by the button beside a desktop, and by “Undo” in the notice that it was deleted. */
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'
import { notifyDone, notifyError } from '../ui/notify.tsx'

type Deleted = Pick<Desktop, 'id' | 'name' | 'binDays'>

export function useRestore() {
  const { t } = useTranslation()
  const act = useWrite(
    (rows: readonly Deleted[]) =>
      client.desktopsAct({ params: { name: 'restore' }, body: { ids: rows.map(({ id }) => id) } }),
    ['desktop', 'pool'],
  )
  return (rows: readonly Deleted[]) =>
    act.mutateAsync(rows).then(({ results }) => {
      const [refused] = results.flatMap(({ error }) => error ?? [])
      if (refused) notifyError(refused)
      else notifyDone(t('bin.restored', { name: rows.map(({ name }) => name).join(', ') }))
    }, notifyError)
}

/** Of what was asked for: how it is taken back. Undefined: it cannot be. */
export function useUndo() {
  const restore = useRestore()
  return (name: string, rows: readonly Deleted[]) => {
    const kept = name === 'delete' ? keptOf(rows) : []
    return kept.length > 0 ? () => void restore(kept) : undefined
  }
}

/** Those that go to the recycle bin and not at once. */
export const keptOf = <T extends Pick<Desktop, 'binDays'>>(rows: readonly T[]) => rows.filter(row => row.binDays > 0)
