import { useTranslation } from 'react-i18next'
import { formatAgo, formatTime } from '../ui/format.ts'
import { useNow } from '../ui/TimeAgo.tsx'

/** When a person's desktop is taken back for a new version, and what to do before. */
export function BackNotice({ at }: { at: string }) {
  const { t } = useTranslation()
  const ago = formatAgo(at, useNow())
  const past = new Date(at).getTime() < Date.now()
  if (ago === null || past) return <>{t('backNotice.now')}</>
  return <>{t('backNotice.at', { ago, time: formatTime(at) })}</>
}
