import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Usb } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal } from '../data/actions.ts'
import { useMay } from '../data/me.ts'
import type { Dongle, Host, UsbDevice } from '../data/nouns.ts'
import { usageMs, usbDevicesQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { BindDevice } from './dongle-dialog.tsx'
import { DongleLine, DongleStands, UnbindButton, usbName } from './dongle-line.tsx'
import classes from './dongles.module.css'

/** What is plugged into a host, whose it is, and what is bound and not there. */
export function HostUsb({ host }: { host: Host }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const [bound, setBound] = useState<UsbDevice | null>(null)
  const [asked, setAsked] = useState<Loss | null>(null)
  const read = useQuery({ ...usbDevicesQuery(host.id), refetchInterval: usageMs })
  if (!read.data) return <ErrorPanel error={read.error} retry={() => void read.refetch()} />
  const { known, items, absent } = read.data
  const writes = may('desktop.write')
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {known ? (items.length + absent.length > 0 ? t('dongles.usbText') : t('dongles.none')) : t('dongles.notKnown')}
      </Text>
      <ul className={classes.devices}>
        {items.map(device => (
          <DongleLine
            key={device.port}
            name={usbName(device)}
            of={device}
            actions={
              writes &&
              (device.dongle ? (
                <UnbindButton dongle={device.dongle} ask={setAsked} />
              ) : (
                <ActionButton
                  size="xs"
                  variant="default"
                  reason={refusal(device.actions, 'bind') ?? null}
                  leftSection={<Icon of={Usb} small />}
                  onClick={() => setBound(device)}
                >
                  {t('dongles.bind')}
                </ActionButton>
              ))
            }
          >
            {device.dongle && <Whose dongle={device.dongle} />}
          </DongleLine>
        ))}
        {absent.map(dongle => (
          <DongleLine
            key={dongle.id}
            name={dongle.name}
            of={dongle}
            actions={writes && <UnbindButton dongle={dongle} ask={setAsked} />}
          >
            <Whose dongle={dongle} />
          </DongleLine>
        ))}
      </ul>
      {bound && (
        <BindDevice device={bound} place={{ hostId: host.id, hostName: host.name }} onClose={() => setBound(null)} />
      )}
      <ConfirmLoss loss={asked} onClose={() => setAsked(null)} />
    </Stack>
  )
}

function Whose({ dongle }: { dongle: Dongle }) {
  return (
    <>
      <AnchorLink to="/admin/desktops/$id" params={{ id: dongle.desktopId }} underline="always">
        {dongle.desktopName}
      </AnchorLink>
      <DongleStands dongle={dongle} />
    </>
  )
}
