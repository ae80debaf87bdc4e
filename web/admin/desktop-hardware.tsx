/** What one desktop is made of, and its change by hand. */
import { Button, Group, NumberInput, Stack, Text } from '@mantine/core'
import { useForm } from '@mantine/form'
import type { TFunction } from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { Bytes } from '../ui/Bytes.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatNumber } from '../ui/format.ts'
import { notifyDone } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { appliesText, hardwareChange, hardwareValues } from './hardware-values.ts'

export function DesktopHardware({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const may = useMay()
  const [open, setOpen] = useState(false)
  const { hardware } = desktop
  return (
    <Panel
      title={t('pools.hardware')}
      aside={
        may('desktop.write') && (
          <Button size="xs" variant="default" onClick={() => setOpen(true)}>
            {t('desktops.hardwareChange')}
          </Button>
        )
      }
    >
      <Facts
        of={[
          [t('pools.form.vcpus'), formatNumber(hardware.vcpus)],
          [t('pools.form.memory'), <Bytes key="m" of={hardware.memoryBytes} />],
          [
            t('templates.disk'),
            hardware.diskBytes === null ? t('desktops.diskOfTemplate') : <Bytes key="d" of={hardware.diskBytes} />,
          ],
        ]}
      />
      {open && <HardwareDialog desktop={desktop} onClose={() => setOpen(false)} />}
    </Panel>
  )
}

const fields = { 'hardware.vcpus': 'vcpus', 'hardware.memoryBytes': 'memoryMib', 'hardware.diskBytes': 'diskGib' }

function HardwareDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const form = useForm({ validateInputOnBlur: true, initialValues: hardwareValues(desktop.hardware) })
  const save = useWrite(
    (values: typeof form.values) =>
      client.desktopUpdate({
        params: { id: desktop.id },
        body: { hardware: hardwareChange(desktop.hardware, values) },
      }),
    ['desktop'],
  )
  const submit = (values: typeof form.values) =>
    save.mutate(values, {
      onSuccess: ({ applies }) => {
        notifyDone(appliesText(t as TFunction, applies))
        onClose()
      },
      onError: error => {
        for (const [field, message] of Object.entries(problemOf(error).fields))
          form.setFieldError(fields[field as keyof typeof fields] ?? field, message)
      },
    })
  const number = (name: keyof typeof form.values) => ({
    hideControls: true,
    allowNegative: false,
    ...form.getInputProps(name),
  })
  return (
    <Dialog onClose={onClose} title={t('desktops.hardwareTitle', { name: desktop.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Text size="sm">{t('desktops.hardwareText')}</Text>
          <NumberInput data-autofocus label={t('pools.form.vcpus')} allowDecimal={false} {...number('vcpus')} />
          <NumberInput label={t('pools.form.memory')} suffix=" MiB" allowDecimal={false} {...number('memoryMib')} />
          <NumberInput
            label={t('templates.disk')}
            description={t('desktops.diskHelp')}
            placeholder={t('desktops.diskOfTemplate')}
            suffix=" GiB"
            {...number('diskGib')}
          />
          <ErrorPanel error={save.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {t('common.save')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
