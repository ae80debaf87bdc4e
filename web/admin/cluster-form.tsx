import { Button, Collapse, Group, NumberInput, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { ChevronDown, ChevronRight } from 'lucide-react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Cluster, Site } from '../data/nouns.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import {
  type ClusterValues,
  clusterCreateBody,
  clusterFieldOf,
  clusterUpdateBody,
  clusterValuesOf,
  emptyCluster,
  wrongInCluster,
} from './cluster-values.ts'

export const placements = ['spread', 'pack', 'balanced'] as const satisfies Cluster['placement'][]

/** A new cluster, or the settings of one. `cluster` null: a new one, of which only the name must be given. */
export function ClusterDialog(props: {
  cluster: Cluster | null
  sites: readonly Site[]
  siteId: string | null
  onClose: () => void
  onMade: (cluster: Cluster) => void
}) {
  const { t } = useTranslation()
  const { cluster, sites } = props
  const [all, { toggle, open }] = useDisclosure(cluster !== null)
  const form = useForm<ClusterValues>({
    initialValues: cluster ? clusterValuesOf(cluster) : emptyCluster(props.siteId ?? sites[0]?.id ?? ''),
    validateInputOnBlur: true,
    validate: wished =>
      Object.fromEntries(Object.entries(wrongInCluster(wished)).map(([field, key]) => [field, t(key)])),
  })
  const save = useWrite(
    (values: ClusterValues) =>
      cluster
        ? client.clusterUpdate({ params: { id: cluster.id }, body: clusterUpdateBody(values) })
        : client.clusterCreate({ body: clusterCreateBody(values) }),
    ['cluster', 'site', 'host'],
  )
  /** Brings the first field that is wrong into sight: it may be far down, or in the part that is folded away. */
  const reveal = ([first]: readonly string[]) => {
    if (first === undefined) return
    flushSync(open)
    form.getInputNode(first)?.focus()
  }
  const submit = (values: ClusterValues) =>
    save.mutate(values, {
      onSuccess: saved => {
        notifyDone(t(cluster ? 'clusters.saved' : 'clusters.made', { name: saved.name }))
        props.onMade(saved)
      },
      onError: error => {
        const fields = Object.entries(problemOf(error).fields)
        for (const [path, message] of fields) form.setFieldError(clusterFieldOf(path), message)
        reveal(fields.map(([path]) => clusterFieldOf(path)))
      },
    })
  // A problem that stands at its fields is not told a second time.
  const wrongFields = Object.keys(problemOf(save.error).fields).map(clusterFieldOf)
  const told = wrongFields.length > 0 && wrongFields.every(field => field in form.values)
  const number = (field: keyof ClusterValues) => ({
    hideControls: true,
    clampBehavior: 'none' as const,
    ...form.getInputProps(field),
  })
  return (
    <Dialog
      onClose={props.onClose}
      size="lg"
      title={cluster ? t('clusters.edit', { name: cluster.name }) : t('clusters.new')}
    >
      <form onSubmit={form.onSubmit(submit, wrong => reveal(Object.keys(wrong)))} noValidate>
        <Stack>
          {!cluster && <Text size="sm">{t('clusters.lead')}</Text>}
          <TextInput
            required
            data-autofocus
            label={t('clusters.name')}
            description={t('templates.nameHelp')}
            {...form.getInputProps('name')}
          />
          <Select
            required
            label={t('sites.one')}
            data={sites.map(({ id, name }) => ({ value: id, label: name }))}
            {...form.getInputProps('siteId')}
          />
          <Select
            label={t('clusters.placement')}
            description={t(`placementHelp.${form.values.placement}`)}
            data={placements.map(value => ({ value, label: t(`placement.${value}`) }))}
            {...form.getInputProps('placement')}
          />
          {!cluster && (
            <Group>
              <Button
                variant="subtle"
                size="compact-sm"
                aria-expanded={all}
                leftSection={<Icon of={all ? ChevronDown : ChevronRight} small />}
                onClick={toggle}
              >
                {t('clusters.form.more')}
              </Button>
            </Group>
          )}
          {/* At once: what is still unfolding cannot have the focus. */}
          <Collapse expanded={all} transitionDuration={0}>
            <Stack>
              <SimpleGrid cols={{ base: 1, xs: 2 }}>
                <NumberInput
                  label={t('clusters.perCore')}
                  description={t('clusters.form.perCoreHelp')}
                  placeholder={t('clusters.perCoreAuto')}
                  {...number('vcpusPerCore')}
                />
                <NumberInput
                  label={t('clusters.memoryReserve')}
                  description={t('clusters.form.reserveHelp')}
                  suffix=" %"
                  {...number('memoryReservePercent')}
                />
                <NumberInput
                  label={t('clusters.personReserve')}
                  description={t('clusters.form.personReserveHelp')}
                  suffix=" %"
                  {...number('personReservePercent')}
                />
                <NumberInput
                  label={t('clusters.suspect')}
                  description={t('clusters.form.suspectHelp')}
                  suffix=" s"
                  {...number('suspectSeconds')}
                />
                <NumberInput
                  label={t('clusters.lost')}
                  description={t('clusters.form.lostHelp')}
                  suffix=" s"
                  {...number('lostSeconds')}
                />
                <NumberInput
                  label={t('bin.days')}
                  description={t('bin.daysHelp')}
                  min={0}
                  max={3650}
                  suffix={` ${t('bin.daysUnit')}`}
                  {...number('binDays')}
                />
                <NumberInput
                  label={t('clusters.imageLimit')}
                  description={t('clusters.form.imageLimitHelp')}
                  decimalScale={2}
                  suffix={` ${t('copies.limitUnit')}`}
                  {...number('imageLimit')}
                />
              </SimpleGrid>
              <TextInput
                label={t('clusters.supernet')}
                description={t('clusters.form.supernetHelp')}
                placeholder={t('clusters.form.supernetAuto')}
                {...form.getInputProps('supernet')}
              />
              <SimpleGrid cols={{ base: 1, xs: 2 }}>
                <NumberInput
                  label={t('clusters.form.portFrom')}
                  description={t('clusters.form.portHelp')}
                  {...number('portFrom')}
                />
                <NumberInput
                  label={t('clusters.form.portTo')}
                  description={t('clusters.form.portToHelp')}
                  {...number('portTo')}
                />
              </SimpleGrid>
              <TextInput
                label={t('clusters.fence')}
                description={t('clusters.form.fenceHelp')}
                {...form.getInputProps('fenceCommand')}
              />
              <TextInput
                label={t('clusters.power')}
                description={t('clusters.form.powerHelp')}
                {...form.getInputProps('powerCommand')}
              />
            </Stack>
          </Collapse>
          {!told && <ErrorPanel error={save.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={props.onClose}>
              {t('common.cancel')}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {cluster ? t('common.save') : t('clusters.form.submit')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
