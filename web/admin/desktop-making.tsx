/** A desktop made by hand, in steps that end in a dry run of the API. */
import { Button, Group, NumberInput, Select, Stack, Stepper, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { DiskBus, Firmware } from '../../lib/hardware.ts'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay, useMe } from '../data/me.ts'
import type { MakingPlan, PersonResult } from '../data/nouns.ts'
import { poolsQuery } from '../data/queries.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { DiscSelect } from './disc-select.tsx'
import { KindSelect } from './hardware-kinds.tsx'
import { MakingReview, PeopleReview } from './making-review.tsx'
import { nameForm } from './name-form.ts'
import { PeopleSelect } from './people-select.tsx'

const MiB = 2 ** 20
const GiB = 2 ** 30
const last = 3

export function MakeDesktop({ poolId = '', onClose }: { poolId?: string; onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const may = useMay()
  const me = useMe()
  const [step, setStep] = useState(0)
  const [plan, setPlan] = useState<MakingPlan | null>(null)
  const [results, setResults] = useState<PersonResult[] | null>(null)
  const [names, setNames] = useState<ReadonlyMap<string, string>>(new Map())
  const pools = useQuery(poolsQuery({ limit: 500 }))
  const form = useForm({
    initialValues: {
      poolId,
      userIds: [me.id],
      name: '',
      vcpus: '' as number | string,
      memoryMib: '' as number | string,
      diskGib: '' as number | string,
      firmware: null as Firmware | null,
      diskBus: null as DiskBus | null,
      cdrom: null as string | null,
    },
    validate: {
      poolId: value => (value ? null : t('making.poolNeeded')),
      userIds: value => (step < 1 || value.length > 0 ? null : t('making.peopleNeeded')),
      name: name => (name === '' || nameForm.test(name) ? null : t('pools.form.nameBad')),
    },
  })
  const { values } = form
  const many = values.userIds.length > 1
  const body = {
    cdrom: values.cdrom,
    hardware: {
      ...(values.vcpus !== '' && { vcpus: Number(values.vcpus) }),
      ...(values.memoryMib !== '' && { memoryBytes: Math.round(Number(values.memoryMib) * MiB) }),
      ...(values.firmware && { firmware: values.firmware }),
      ...(values.diskBus && { diskBus: values.diskBus }),
      ...(values.diskGib !== '' && { diskBytes: Math.round(Number(values.diskGib) * GiB) }),
    },
  }
  const ask = useWrite(
    (dryRun: boolean) =>
      client.desktopMake({
        params: { id: values.poolId },
        body: {
          ...body,
          ...(values.userIds[0] && { userId: values.userIds[0] }),
          ...(values.name && { name: values.name }),
          dryRun,
        },
      }),
    ['desktop', 'pool'],
  )
  const askMany = useWrite(
    (dryRun: boolean) =>
      client.desktopsMake({ params: { id: values.poolId }, body: { ...body, userIds: values.userIds, dryRun } }),
    ['desktop', 'pool'],
  )
  const go = (to: number) => {
    if (to > step && form.validate().hasErrors) return
    setStep(to)
    if (to !== last) return
    setPlan(null)
    setResults(null)
    if (many) askMany.mutate(true, { onSuccess: answer => setResults(answer.results) })
    else ask.mutate(true, { onSuccess: answer => 'plan' in answer && setPlan(answer.plan) })
  }
  const makeMany = () =>
    askMany.mutate(false, {
      onSuccess: answer => {
        if (!('task' in answer)) return
        notifyDone(t('making.begunMany', { count: answer.results.filter(({ desktop }) => desktop).length }))
        void navigate({ to: '/admin/tasks/$id', params: { id: answer.task.id } })
      },
    })
  const make = () =>
    ask.mutate(false, {
      onSuccess: answer => {
        if (!('desktop' in answer)) return
        notifyDone(t('making.begun', { name: answer.desktop.name }))
        void navigate({ to: '/admin/desktops/$id', params: { id: answer.desktop.id } })
      },
    })
  const number = (name: 'vcpus' | 'memoryMib' | 'diskGib') => ({
    hideControls: true,
    allowNegative: false,
    placeholder: t('making.asPool'),
    ...form.getInputProps(name),
  })
  const able = (results ?? []).filter(({ desktop }) => desktop).length
  const persistent = (pools.data?.items ?? []).filter(({ kind }) => kind === 'persistent')
  return (
    <Dialog size="lg" onClose={onClose} title={t('making.title')}>
      <Stack>
        <Stepper active={step} onStepClick={go} size="xs">
          <Stepper.Step label={t('making.stepWhat')}>
            <Select
              searchable
              allowDeselect={false}
              data-autofocus
              // Open at once it would hide the buttons.
              openOnFocus={false}
              label={t('making.pool')}
              description={t('making.poolHelp')}
              data={persistent.map(pool => ({ value: pool.id, label: `${pool.name} – ${pool.templateName}` }))}
              withScrollArea={false}
              nothingFoundMessage={pools.isPending ? t('common.unknown') : t('making.poolNone')}
              {...form.getInputProps('poolId')}
            />
          </Stepper.Step>
          <Stepper.Step label={t('making.stepWhom')}>
            <Stack>
              {may('user.read') && (
                <PeopleSelect
                  value={values.userIds}
                  onChange={(userIds, seen) => {
                    form.setFieldValue('userIds', userIds)
                    setNames(seen)
                  }}
                  error={form.errors.userIds}
                />
              )}
              {!many && (
                <TextInput
                  label={t('making.name')}
                  description={t('making.nameHelp')}
                  {...form.getInputProps('name')}
                />
              )}
            </Stack>
          </Stepper.Step>
          <Stepper.Step label={t('making.stepHardware')}>
            <Stack>
              <NumberInput label={t('pools.form.vcpus')} allowDecimal={false} {...number('vcpus')} />
              <NumberInput label={t('pools.form.memory')} suffix=" MiB" allowDecimal={false} {...number('memoryMib')} />
              <NumberInput label={t('templates.disk')} suffix=" GiB" {...number('diskGib')} />
              {(['firmware', 'diskBus'] as const).map(name => (
                <KindSelect
                  key={name}
                  name={name}
                  clearable
                  placeholder={t('making.asPool')}
                  {...form.getInputProps(name)}
                />
              ))}
              <DiscSelect value={values.cdrom} onChange={cdrom => form.setFieldValue('cdrom', cdrom)} />
            </Stack>
          </Stepper.Step>
          <Stepper.Step label={t('making.stepReview')}>
            {plan && !many && <MakingReview plan={plan} />}
            {results && many && <PeopleReview of={results} names={names} />}
          </Stepper.Step>
        </Stepper>
        <ErrorPanel error={(many ? askMany.error : ask.error) ?? pools.error} />
        <Group justify="space-between">
          <Button variant="default" disabled={step === 0} onClick={() => go(step - 1)}>
            {t('making.back')}
          </Button>
          {step < last ? (
            <Button onClick={() => go(step + 1)}>{t('making.next')}</Button>
          ) : (
            <Button
              disabled={many ? able === 0 : !plan?.ok}
              loading={ask.isPending || askMany.isPending}
              onClick={many ? makeMany : make}
            >
              {many ? t('making.makeMany', { count: able }) : t('making.make')}
            </Button>
          )}
        </Group>
      </Stack>
    </Dialog>
  )
}
