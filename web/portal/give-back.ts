import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'
import type { Loss } from '../ui/ConfirmLoss.tsx'
import { notifyDone } from '../ui/notify.tsx'

/** The question before a desktop goes back: what is on it is lost. */
export function useGiveBack(desktop: Desktop, after?: () => void): Loss {
  const { t } = useTranslation()
  const release = useWrite(
    () => client.desktopAct({ params: { id: desktop.id, name: 'release' } }),
    ['desktop', 'pool'],
  )
  return {
    title: t('giveBack.title', { name: desktop.name }),
    lost: t(`giveBack.${desktop.kind}`),
    instead: t('giveBack.onlyLeave'),
    confirm: t('giveBack.confirm'),
    keep: t('giveBack.keep'),
    act: async () => {
      await release.mutateAsync(undefined)
      notifyDone(t('portal.gaveBack', { name: desktop.name }))
      after?.()
    },
  }
}
