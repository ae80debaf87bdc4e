import { CloudOff } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useLiveness } from '../data/live.ts'
import { Icon } from '../ui/Icon.tsx'
import classes from './StaleNotice.module.css'

/** Says quietly that the line to the server is cut. The page stays; its actions freeze. */
export function StaleNotice() {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  return (
    <div role="status">
      {stale && (
        <div className={classes.notice}>
          <Icon of={CloudOff} small />
          {t('frame.reconnecting')}
        </div>
      )}
    </div>
  )
}
