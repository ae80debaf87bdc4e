import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Usb } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal } from '../data/actions.ts'
import { useMay } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { donglesQuery } from '../data/queries.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { Panel } from '../ui/Panel.tsx'
import { BindDesktop } from './dongle-dialog.tsx'
import { DongleLine, DongleStands, UnbindButton } from './dongle-line.tsx'
import classes from './dongles.module.css'

/** The USB devices of its host that are this desktop’s alone; only desktops that stay one person’s have any. */
export function DesktopDongles({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const may = useMay()
  const reason = useRefusal()(desktop.actions, 'change') ?? null
  const [asked, setAsked] = useState<Loss | null>(null)
  const [binds, setBinds] = useState(false)
  const { id, name, hostId, hostName } = desktop
  const shown = desktop.kind === 'persistent'
  const read = useQuery({ ...donglesQuery({ desktopId: id }), enabled: shown })
  if (!shown) return null
  const items = read.data?.items ?? []
  return (
    <Panel
      title={t('dongles.title')}
      aside={
        may('desktop.write') && (
          <ActionButton
            size="xs"
            variant="default"
            reason={reason}
            leftSection={<Icon of={Usb} small />}
            onClick={() => setBinds(true)}
          >
            {t('dongles.bind')}
          </ActionButton>
        )
      }
    >
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {t('dongles.text')} {read.data && items.length === 0 && t('dongles.empty')}
        </Text>
        <ErrorPanel error={read.error} retry={() => void read.refetch()} />
        <ul className={classes.devices}>
          {items.map(dongle => (
            <DongleLine
              key={dongle.id}
              name={dongle.name}
              of={dongle}
              actions={may('desktop.write') && <UnbindButton dongle={dongle} ask={setAsked} />}
            >
              <DongleStands dongle={dongle} />
            </DongleLine>
          ))}
        </ul>
      </Stack>
      {binds && hostId && (
        <BindDesktop desktop={{ id, name, hostId, hostName: hostName ?? '' }} onClose={() => setBinds(false)} />
      )}
      <ConfirmLoss loss={asked} onClose={() => setAsked(null)} />
    </Panel>
  )
}
