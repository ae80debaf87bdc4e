import {
  Alert,
  Button,
  Group,
  NumberInput,
  Radio,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import { useMay } from '../data/me.ts'
import type { Pool, Template } from '../data/nouns.ts'
import { poolQuery, templatesQuery } from '../data/queries.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { notifyDone } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { DryRun } from './dry-run.tsx'
import { HardwareKindFields } from './hardware-kinds.tsx'
import { PoolChange } from './pool-change.tsx'
import { PoolCustomise } from './pool-customise.tsx'
import { customiseOfTemplate } from './pool-customise-values.ts'
import { PoolPlacement } from './pool-placement.tsx'
import {
  createBody,
  dryRunBody,
  emptyPool,
  fieldOf,
  type PoolValues,
  placedSpecially,
  updateBody,
  valuesOf,
  wrongIn,
} from './pool-values.ts'

export function PoolNew() {
  const { t } = useTranslation()
  const { templateId } = useSearch({ from: '/person/admin/pools/new' })
  const templates = useQuery(templatesQuery({ limit: 200 }))
  const up = <AnchorLink to="/admin/pools">{t('pools.title')}</AnchorLink>
  if (!templates.data) return <PageUnread read={templates} up={up} />
  return (
    <>
      <PageHead up={up} title={t('pools.createTitle')} />
      <PoolForm templates={templates.data.items} values={emptyPool(templates.data.items, templateId)} pool={null} />
    </>
  )
}

export function PoolEdit() {
  const { t } = useTranslation()
  const { id } = useParams({ from: '/person/admin/pools/$id/edit' })
  const pool = useQuery({ ...poolQuery(id), staleTime: 0 })
  const templates = useQuery(templatesQuery({ limit: 200 }))
  const list = <AnchorLink to="/admin/pools">{t('pools.title')}</AnchorLink>
  if (!pool.data) return <PageUnread read={pool} up={list} />
  if (!templates.data) return <PageUnread read={templates} up={list} />
  return (
    <>
      <PageHead
        up={
          <AnchorLink to="/admin/pools/$id" params={{ id }}>
            {pool.data.name}
          </AnchorLink>
        }
        title={t('pools.edit', { name: pool.data.name })}
      />
      <PoolForm templates={templates.data.items} values={valuesOf(pool.data)} pool={pool.data} />
    </>
  )
}

function PoolForm({ templates, values, pool }: { templates: Template[]; values: PoolValues; pool: Pool | null }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const stale = useLiveness() === 'stale'
  const may = useMay()
  const [placing, place] = useDisclosure(pool !== null && placedSpecially(values))
  const form = useForm<PoolValues>({
    initialValues: values,
    validateInputOnBlur: true,
    validate: wished =>
      Object.fromEntries(Object.entries(wrongIn(wished)).map(([field, key]) => [field, key && t(key)])),
  })
  const save = useWrite(
    (wished: PoolValues) =>
      pool
        ? client.poolUpdate({ params: { id: pool.id }, body: updateBody(wished) })
        : client.poolCreate({ body: createBody(wished) }),
    ['pool'],
  )
  const submit = (wished: PoolValues) =>
    save.mutate(wished, {
      onSuccess: saved => {
        notifyDone(pool ? t('pools.saved') : t('pools.created', { name: saved.name }))
        void navigate({ to: '/admin/pools/$id', params: { id: saved.id } })
      },
      onError: error => {
        const fields = Object.entries(problemOf(error).fields)
        for (const [path, message] of fields) form.setFieldError(fieldOf(path), message)
        if (fields.some(([path]) => fieldOf(path) !== 'name')) place.open()
      },
    })
  const template = templates.find(candidate => candidate.id === form.values.templateId)
  const sealed = (template?.versions ?? []).filter(version => version.state === 'sealed').map(version => version.number)
  const newest = sealed.length ? Math.max(...sealed) : null

  /** A new pool takes the hardware its template asks for, until somebody changes it. */
  const chooseTemplate = (templateId: string | null) => {
    const chosen = templates.find(candidate => candidate.id === templateId)
    if (!chosen) return
    form.setFieldValue('templateId', chosen.id)
    form.setFieldValue('templateVersion', 'newest')
    if (form.isTouched('memoryMib') || form.isTouched('vcpus')) return
    form.setFieldValue('customise', customiseOfTemplate(chosen))
    form.setFieldValue('vcpus', chosen.hardware.vcpus)
    form.setFieldValue('memoryMib', chosen.hardware.memoryBytes / 2 ** 20)
    form.setFieldValue('video', chosen.hardware.video)
    form.setFieldValue('sound', chosen.hardware.sound)
    form.setFieldValue('firmware', chosen.hardware.firmware)
    form.setFieldValue('diskBus', chosen.hardware.diskBus)
  }

  const number = (field: keyof PoolValues, min: number) => ({
    min,
    allowDecimal: false,
    clampBehavior: 'none' as const,
    ...form.getInputProps(field),
  })
  const wished = form.values
  const memoryBytes = Number(wished.memoryMib) * 2 ** 20
  return (
    // What is wrong may stand in the part that is folded away.
    <form onSubmit={form.onSubmit(submit, place.open)} noValidate>
      <Stack gap="lg" maw="44rem">
        <Panel title={t('pools.form.basics')}>
          <Stack>
            <TextInput
              required
              label={t('pools.name')}
              description={t('pools.form.nameHelp')}
              {...form.getInputProps('name')}
            />
            <Textarea
              autosize
              label={t('pools.form.description')}
              description={t('pools.form.descriptionHelp')}
              maxLength={500}
              {...form.getInputProps('description')}
            />
            {!pool && (
              <>
                <Radio.Group
                  label={t('pools.kind')}
                  description={t('pools.form.kindHelp')}
                  {...form.getInputProps('kind')}
                >
                  <Stack gap="xs" mt="xs">
                    <Radio value="floating" label={t('kind.floating')} description={t('pools.form.floatingHelp')} />
                    <Radio
                      value="persistent"
                      label={t('kind.persistent')}
                      description={t('pools.form.persistentHelp')}
                    />
                  </Stack>
                </Radio.Group>
                {templates.length === 0 && <Alert color="yellow">{t('pools.form.templateNone')}</Alert>}
                <Select
                  required
                  label={t('pools.template')}
                  description={t('pools.form.templateHelp')}
                  data={templates.map(({ id, name, description }) => ({
                    value: id,
                    label: description ? `${name} – ${description}` : name,
                  }))}
                  {...form.getInputProps('templateId')}
                  onChange={chooseTemplate}
                />
              </>
            )}
            <Select
              label={t('pools.form.versionLabel')}
              description={t('pools.form.versionHelp')}
              data={[
                {
                  value: 'newest',
                  label: newest ? t('pools.form.newest', { number: newest }) : t('pools.form.newestNone'),
                },
                ...sealed.map(number => ({ value: String(number), label: t('pools.form.versionN', { number }) })),
              ]}
              {...form.getInputProps('templateVersion')}
            />
            <Switch
              label={t('pools.form.enabled')}
              description={t('pools.form.enabledHelp')}
              {...form.getInputProps('enabled', { type: 'checkbox' })}
            />
          </Stack>
        </Panel>
        <Panel title={t('pools.form.sizes')}>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <NumberInput label={t('pools.form.min')} description={t('pools.form.minHelp')} {...number('minSize', 0)} />
            <NumberInput
              label={t('pools.form.maxLabel')}
              description={t('pools.form.maxHelp')}
              {...number('maxSize', 0)}
            />
            <NumberInput
              label={t('pools.form.warmLabel')}
              description={t('pools.form.warmHelp')}
              {...number('warm', 0)}
            />
            <NumberInput
              label={t('pools.form.coldLabel')}
              description={t('pools.form.coldHelp')}
              {...number('cold', 0)}
            />
            <NumberInput
              label={t('pools.form.perUserLabel')}
              description={t('pools.form.perUserHelp')}
              {...number('maxPerUser', 1)}
            />
          </SimpleGrid>
        </Panel>
        <Panel title={t('pools.form.hardwareTitle')}>
          <Text size="sm" c="dimmed" mb="md">
            {t('pools.form.hardwareNote')}
          </Text>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <NumberInput
              label={t('pools.form.vcpus')}
              description={t('pools.form.vcpusHelp')}
              {...number('vcpus', 1)}
            />
            <NumberInput
              label={t('pools.form.memory')}
              description={t('pools.form.memoryHelp')}
              suffix=" MiB"
              step={256}
              {...number('memoryMib', 64)}
            />
            <HardwareKindFields inputs={form.getInputProps} />
          </SimpleGrid>
        </Panel>
        <PoolCustomise form={form} />
        <PoolPlacement form={form} opened={placing} onToggle={place.toggle} />
        <Panel title={t('pools.form.review')}>
          <Text size="sm">
            {t('pools.form.reviewText', {
              max: formatNumber(Number(wished.maxSize)),
              template: template?.name ?? pool?.templateName ?? t('common.unknown'),
              warm: formatNumber(Number(wished.warm)),
            })}
          </Text>
          <Text size="sm" mt="xs">
            {t('pools.form.reviewMemory', {
              memory: formatBytes(memoryBytes * Number(wished.warm)),
              all: formatBytes(memoryBytes * Number(wished.maxSize)),
            })}
          </Text>
          {pool && Object.keys(wrongIn(wished)).length === 0 && (
            <PoolChange id={pool.id} body={updateBody(wished) ?? {}} />
          )}
          {may('host.read') && wished.templateId && (
            <Stack mt="md" gap="xs">
              <Text size="sm" fw={600}>
                {t('dryRun.title')}
              </Text>
              <DryRun
                act={count => client.placementDryRun({ body: { ...dryRunBody(wished), count } })}
                changed={JSON.stringify(dryRunBody(wished))}
              />
            </Stack>
          )}
          <Stack mt="md">
            <ErrorPanel error={save.error} />
            <Group>
              <Button type="submit" loading={save.isPending} disabled={stale}>
                {pool ? t('pools.form.save') : t('pools.form.submit')}
              </Button>
              {pool ? (
                <ButtonLink to="/admin/pools/$id" params={{ id: pool.id }} variant="default">
                  {t('common.cancel')}
                </ButtonLink>
              ) : (
                <ButtonLink to="/admin/pools" variant="default">
                  {t('common.cancel')}
                </ButtonLink>
              )}
            </Group>
          </Stack>
        </Panel>
      </Stack>
    </form>
  )
}
