/** The hardware that desktops of a template get, and its change. */
import { Button, Group, NumberInput, SimpleGrid, Stack, Text } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Template } from '../data/nouns.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatNumber } from '../ui/format.ts'
import { notifyDone } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { HardwareKindFields } from './hardware-kinds.tsx'
import { hardwareChange, hardwareFields, hardwareValues } from './hardware-values.ts'

export function TemplateHardware({ template }: { template: Template }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const reason = useRefusal()(template.actions, 'update')
  const { hardware } = template
  return (
    <Panel
      title={t('templates.defaultHardware')}
      aside={
        reason !== undefined && (
          <ActionButton size="xs" variant="default" reason={reason} onClick={() => setOpen(true)}>
            {t('hardware.change')}
          </ActionButton>
        )
      }
    >
      <Facts
        of={[
          [t('pools.form.vcpus'), formatNumber(hardware.vcpus)],
          [t('pools.form.memory'), <Bytes key="m" of={hardware.memoryBytes} />],
          [t('templates.disk'), <Bytes key="d" of={hardware.diskBytes} />],
          [t('hardware.diskBus'), t(`hardware.${hardware.diskBus}`)],
          [t('hardware.firmware'), t(`hardware.${hardware.firmware}`)],
          [t('pools.form.video'), hardware.video],
          [t('pools.form.sound'), hardware.sound ? t('common.on') : t('common.off')],
        ]}
      />
      {open && <HardwareDialog template={template} onClose={() => setOpen(false)} />}
    </Panel>
  )
}

function HardwareDialog({ template, onClose }: { template: Template; onClose: () => void }) {
  const { t } = useTranslation()
  const form = useForm({ validateInputOnBlur: true, initialValues: hardwareValues(template.hardware) })
  const save = useWrite(
    (values: typeof form.values) =>
      client.templateUpdate({
        params: { id: template.id },
        body: { hardware: hardwareChange(template.hardware, values) },
      }),
    ['template'],
  )
  const submit = (values: typeof form.values) =>
    save.mutate(values, {
      onSuccess: () => {
        notifyDone(t('hardware.templateSaved', { name: template.name }))
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
    <Dialog size="lg" onClose={onClose} title={t('hardware.templateTitle', { name: template.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Text size="sm">{t('hardware.templateText')}</Text>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <NumberInput data-autofocus label={t('pools.form.vcpus')} allowDecimal={false} {...number('vcpus')} />
            <NumberInput label={t('pools.form.memory')} suffix=" MiB" allowDecimal={false} {...number('memoryMib')} />
            <NumberInput label={t('templates.disk')} suffix=" GiB" {...number('diskGib')} />
            <HardwareKindFields inputs={form.getInputProps} />
          </SimpleGrid>
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
