/** What one desktop is made of, and its change by hand. */

import { Alert, Button, Group, NumberInput, SimpleGrid, Stack } from '@mantine/core'
import { useForm } from '@mantine/form'
import type { TFunction } from 'i18next'
import { TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { DiscDialog, DiscName } from './desktop-disc.tsx'
import { HardwareApplies } from './hardware-applies.tsx'
import { HardwareKindFields } from './hardware-kinds.tsx'
import { appliesText, hardwareChange, hardwareFields, hardwareValues } from './hardware-values.ts'

export function DesktopHardware({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const may = useMay()
  const [open, setOpen] = useState<'hardware' | 'disc' | null>(null)
  const { hardware, runsWith } = desktop
  const has = (name: 'vcpus' | 'memoryBytes', format: (amount: number) => string) =>
    runsWith === null || runsWith[name] === hardware[name]
      ? format(hardware[name])
      : t('desktops.hardwareHas', { wished: format(hardware[name]), has: format(runsWith[name]) })
  const reason = useRefusal()(desktop.actions, 'change') ?? null
  return (
    <Panel
      title={t('pools.hardware')}
      aside={
        may('desktop.write') && (
          <Group gap="xs">
            <ActionButton size="xs" variant="default" reason={reason} onClick={() => setOpen('disc')}>
              {t('making.discChange')}
            </ActionButton>
            <ActionButton size="xs" variant="default" reason={reason} onClick={() => setOpen('hardware')}>
              {t('desktops.hardwareChange')}
            </ActionButton>
          </Group>
        )
      }
    >
      <Facts
        of={[
          [t('pools.form.vcpus'), has('vcpus', formatNumber)],
          [t('pools.form.memory'), has('memoryBytes', formatBytes)],
          [
            t('templates.disk'),
            hardware.diskBytes === null ? t('desktops.diskOfTemplate') : <Bytes key="d" of={hardware.diskBytes} />,
          ],
          [t('hardware.diskBus'), t(`hardware.${hardware.diskBus}`)],
          [t('hardware.firmware'), t(`hardware.${hardware.firmware}`)],
          [t('pools.form.video'), hardware.video],
          [t('pools.form.sound'), hardware.sound ? t('common.on') : t('common.off')],
          [t('making.disc'), <DiscName key="c" desktop={desktop} />],
        ]}
      />
      {runsWith?.text && (
        <Alert mt="sm" color="yellow" icon={<Icon of={TriangleAlert} />}>
          {saidWord(runsWith.text)}
        </Alert>
      )}
      {open === 'hardware' && <HardwareDialog desktop={desktop} onClose={() => setOpen(null)} />}
      {open === 'disc' && <DiscDialog desktop={desktop} onClose={() => setOpen(null)} />}
    </Panel>
  )
}

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
          form.setFieldError(hardwareFields[field] ?? field, message)
      },
    })
  const number = (name: keyof typeof form.values) => ({
    hideControls: true,
    allowNegative: false,
    ...form.getInputProps(name),
  })
  return (
    <Dialog size="lg" onClose={onClose} title={t('desktops.hardwareTitle', { name: desktop.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <NumberInput data-autofocus label={t('pools.form.vcpus')} allowDecimal={false} {...number('vcpus')} />
            <NumberInput label={t('pools.form.memory')} suffix=" MiB" allowDecimal={false} {...number('memoryMib')} />
            <NumberInput
              label={t('templates.disk')}
              description={t('desktops.diskHelp')}
              placeholder={t('desktops.diskOfTemplate')}
              suffix=" GiB"
              {...number('diskGib')}
            />
            <HardwareKindFields inputs={form.getInputProps} />
          </SimpleGrid>
          <HardwareApplies id={desktop.id} hardware={hardwareChange(desktop.hardware, form.values)} />
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
