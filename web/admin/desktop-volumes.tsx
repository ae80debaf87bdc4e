import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal } from '../data/actions.ts'
import { useMay } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { volumesQuery } from '../data/storage.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Panel } from '../ui/Panel.tsx'
import { AttachToDialog } from './volume-dialogs.tsx'
import { VolumeLines } from './volume-lines.tsx'

/** The disks that a desktop has besides its own. One that goes from person to person has none. */
export function DesktopVolumes({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const may = useMay()
  const [open, setOpen] = useState(false)
  const reason = useRefusal()(desktop.actions, 'change') ?? null
  const volumes = useQuery(volumesQuery({ desktopId: desktop.id }))
  if (desktop.kind !== 'persistent') return null
  return (
    <Panel
      title={t('volumes.title')}
      aside={
        may('host.write') && (
          <ActionButton size="xs" variant="default" reason={reason} onClick={() => setOpen(true)}>
            {t('volumes.attach')}
          </ActionButton>
        )
      }
    >
      <ErrorPanel error={volumes.error} retry={() => void volumes.refetch()} />
      {volumes.data?.items.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('volumes.noneOfDesktop')}
        </Text>
      )}
      {!!volumes.data?.items.length && <VolumeLines volumes={volumes.data.items} here="desktop" />}
      {open && <AttachToDialog desktop={desktop} onClose={() => setOpen(false)} />}
    </Panel>
  )
}
