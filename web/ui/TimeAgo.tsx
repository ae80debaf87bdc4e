import { Tooltip } from '@mantine/core'
import { useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { formatAgo, formatExact } from './format.ts'

/** One clock for the whole page: every time on it moves together. */
let nowMs = Date.now()
const listeners = new Set<() => void>()
setInterval(() => {
  nowMs = Date.now()
  for (const listener of listeners) listener()
}, 1000)

export const useNow = (): number =>
  useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => nowMs,
  )

/** `2 min ago`, with the exact time on hover and for copies. Coarse, so it follows the clock only by the minute. */
export function TimeAgo({ at }: { at: string | null | undefined }) {
  const { t } = useTranslation()
  const coarse = useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => Math.floor(nowMs / 15_000),
  )
  if (!at) return <>{t('common.none')}</>
  return (
    <Tooltip label={formatExact(at)}>
      <time dateTime={at}>{formatAgo(at, coarse * 15_000) ?? t('common.justNow')}</time>
    </Tooltip>
  )
}
