import { Button, Group, Select, Stack, Text } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { Usb } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import type { UsbDevice } from '../data/nouns.ts'
import { desktopsQuery, usbDevicesQuery } from '../data/queries.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { usbName } from './dongle-line.tsx'

interface Place {
  hostId: string
  hostName: string
}
interface Choice {
  value: string
  label: string
}

const useBind = () =>
  useWrite(
    (ask: { hostId: string; desktopId: string; device: UsbDevice }) => {
      const { vendor, product, port } = ask.device
      return client.dongleBind({
        body: { hostId: ask.hostId, desktopId: ask.desktopId, vendor, product, port },
      })
    },
    ['dongle', 'desktop'],
  )

/** A device of a host goes to one of the desktops there. */
export function BindDevice({ device, place, onClose }: { device: UsbDevice; place: Place; onClose: () => void }) {
  const { t } = useTranslation()
  const bind = useBind()
  const read = useQuery(desktopsQuery({ hostId: place.hostId, limit: 500 }))
  const desktops = read.data?.items.filter(({ kind }) => kind === 'persistent')
  const choices = desktops?.map(({ id, name, userName }) => ({
    value: id,
    label: userName ? `${name} (${userName})` : name,
  }))
  const name = usbName(device)
  return (
    <BindForm
      title={t('dongles.bindTo', { name })}
      host={place.hostName}
      label={t('dongles.desktop')}
      help={t('dongles.desktopHelp', { host: place.hostName })}
      placeholder={t('dongles.desktopChoose')}
      missing={t('dongles.desktopMissing')}
      none={t('dongles.noDesktop', { host: place.hostName })}
      choices={choices}
      error={bind.error ?? read.error}
      busy={bind.isPending}
      onClose={onClose}
      submit={desktopId =>
        bind.mutate(
          { hostId: place.hostId, desktopId, device },
          {
            onSuccess: dongle => {
              notifyDone(t('dongles.bound', { name, desktop: dongle.desktopName }))
              onClose()
            },
          },
        )
      }
    />
  )
}

/** A desktop gets one of the devices of its host. */
export function BindDesktop({
  desktop,
  onClose,
}: {
  desktop: Place & { id: string; name: string }
  onClose: () => void
}) {
  const { t } = useTranslation()
  const bind = useBind()
  const { hostId, hostName: host } = desktop
  const read = useQuery(usbDevicesQuery(hostId))
  const free = read.data?.items.filter(({ dongle }) => dongle === null)
  const choices = free?.map(device => ({
    value: device.port,
    label: [usbName(device), device.serial ?? t('dongles.port', { port: device.port })].join(' · '),
  }))
  return (
    <BindForm
      title={t('dongles.bindOf', { name: desktop.name })}
      host={host}
      label={t('dongles.device')}
      help={t('dongles.deviceHelp', { host })}
      placeholder={t('dongles.deviceChoose')}
      missing={t('dongles.deviceMissing')}
      none={t('dongles.noDevice', { host })}
      choices={choices}
      error={bind.error ?? read.error}
      busy={bind.isPending}
      onClose={onClose}
      submit={port => {
        const device = free?.find(one => one.port === port)
        if (!device) return
        bind.mutate(
          { hostId, desktopId: desktop.id, device },
          {
            onSuccess: dongle => {
              notifyDone(t('dongles.bound', { name: dongle.name, desktop: desktop.name }))
              onClose()
            },
          },
        )
      }}
    />
  )
}

function BindForm(props: {
  title: string
  host: string
  label: string
  help: string
  placeholder: string
  missing: string
  none: string
  choices: Choice[] | undefined
  error: unknown
  busy: boolean
  submit: (value: string) => void
  onClose: () => void
}) {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  const { choices, onClose } = props
  const form = useForm<{ chosen: string | null }>({
    initialValues: { chosen: null },
    validate: { chosen: value => (value ? null : props.missing) },
  })
  return (
    <Dialog size="lg" onClose={onClose} title={props.title}>
      <form onSubmit={form.onSubmit(({ chosen }) => props.submit(chosen ?? ''))} noValidate>
        <Stack>
          <Text size="sm">{t('dongles.lead', { host: props.host })}</Text>
          <Select
            required
            searchable
            // Open at once it would hide the buttons.
            openOnFocus={false}
            data-autofocus
            label={props.label}
            description={choices?.length === 0 ? props.none : props.help}
            placeholder={props.placeholder}
            disabled={choices?.length === 0}
            data={choices ?? []}
            {...form.getInputProps('chosen')}
          />
          <ErrorPanel error={props.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button
              type="submit"
              disabled={stale || !choices || choices.length === 0}
              loading={props.busy}
              leftSection={<Icon of={Usb} small />}
            >
              {t('dongles.submit')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
