/** The question before something is done to desktops that a person may lose work by. */
import type { TFunction } from 'i18next'
import type { Desktop, DesktopAction } from '../data/nouns.ts'
import type { Loss } from '../ui/ConfirmLoss.tsx'

/** What loses nothing is done without a question. */
export const asksFirst = (name: DesktopAction): boolean =>
  !['start', 'suspend', 'resume', 'save', 'customise'].includes(name)

/** With more than this many the word has to be typed. */
const manyFrom = 5

export function desktopLoss(t: TFunction, name: DesktopAction, desktops: readonly Desktop[]): Omit<Loss, 'act'> {
  const [only] = desktops.length === 1 ? desktops : []
  const what = only?.name ?? t('loss.many', { count: desktops.length })
  const key =
    name === 'release' && only?.kind === 'persistent'
      ? 'releasePersistent'
      : name === 'poweroff' && desktops.every(({ saved }) => saved)
        ? 'saved'
        : name
  const words = {
    release: t('desktops.loss.release'),
    releasePersistent: t('desktops.loss.releasePersistent'),
    delete: t('desktops.loss.delete'),
    purge: t('desktops.loss.purge'),
    poweroff: t('desktops.loss.poweroff'),
    saved: t('desktops.loss.saved'),
    reset: t('desktops.loss.reset'),
    reboot: t('desktops.loss.reboot'),
    shutdown: t('desktops.loss.shutdown'),
  }
  const days = Math.min(...desktops.map(desktop => desktop.binDays))
  const owners = [...new Set(desktops.flatMap(desktop => desktop.userName ?? []))]
  return {
    title: t('loss.title', { action: t(`action.${name}`), name: what }),
    facts: [
      [t('loss.owner'), owners.length ? owners.slice(0, 6).join(', ') : t('loss.nobody')],
      ...(only ? [[t('loss.state'), t(`phase.${only.phase}`)] as [string, string]] : []),
    ],
    lost: words[key as keyof typeof words] ?? '',
    ...(name === 'delete' && days > 0 && { kept: t('bin.kept', { count: days }) }),
    confirm: t(`action.${name}`),
    ...(desktops.length >= manyFrom && { typeName: t(`action.${name}`) }),
  }
}
