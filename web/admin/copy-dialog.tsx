import { Alert, Button, Group, NumberInput, Select, Skeleton, Stack, Text } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { Copy, Server } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import { useMay } from '../data/me.ts'
import type { Cluster, Template, TemplateVersion } from '../data/nouns.ts'
import { clustersQuery } from '../data/queries.ts'
import { ButtonLink } from '../frame/links.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import { bytesPerSecondOf, clustersWithout, copyFieldOf, limitMiB, tooLargeFor } from './copies.ts'
import { CopyForeseen } from './copy-plan.tsx'

interface CopyDialogProps {
  template: Template
  version: TemplateVersion
  onClose: () => void
}

/** Brings a version to a cluster that does not have it; without one it says how there would be. */
export function CopyDialog({ template, version, onClose }: CopyDialogProps) {
  const { t } = useTranslation()
  const may = useMay()
  const clusters = useQuery(clustersQuery)
  const others = clusters.data && clustersWithout(clusters.data.items, version.copies)
  return (
    <Dialog onClose={onClose} size="lg" title={t('copies.ask', { name: template.name, number: version.number })}>
      {!others ? (
        clusters.error ? (
          <ErrorPanel error={clusters.error} retry={() => void clusters.refetch()} />
        ) : (
          <Skeleton h="8rem" />
        )
      ) : others.length > 0 ? (
        <CopyForm template={template} version={version} onClose={onClose} clusters={others} />
      ) : (
        <EmptyState
          icon={Server}
          title={t('copies.noOther')}
          text={t('copies.noOtherText')}
          action={
            may('host.write') && (
              <ButtonLink to="/admin/hosts" search={{ new: 'cluster' }}>
                {t('clusters.new')}
              </ButtonLink>
            )
          }
        />
      )}
    </Dialog>
  )
}

function CopyForm({ template, version, clusters, onClose }: CopyDialogProps & { clusters: readonly Cluster[] }) {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  const [only, ...more] = clusters
  const form = useForm<{ clusterId: string | null; limit: number | string }>({
    validateInputOnBlur: true,
    // Where there is one choice, it is made.
    initialValues: { clusterId: more.length === 0 ? (only?.id ?? null) : null, limit: '' },
    validate: {
      clusterId: value => (value ? null : t('copies.clusterMissing')),
      limit: value =>
        bytesPerSecondOf(value) === undefined
          ? t('copies.limitBad', { least: formatNumber(limitMiB.least, 2), most: formatNumber(limitMiB.most) })
          : null,
    },
  })
  const paramsOf = (clusterId: string) => ({ id: template.id, number: version.number, clusterId })
  const copy = useWrite(
    ({ clusterId, limit }: typeof form.values) => {
      return client.copyMake({
        params: paramsOf(clusterId ?? ''),
        body: { bytesPerSecond: bytesPerSecondOf(limit) ?? null },
      })
    },
    ['template'],
  )
  const limit = bytesPerSecondOf(form.values.limit)
  const chosen = clusters.find(({ id }) => id === form.values.clusterId)
  const submit = (values: typeof form.values) =>
    copy.mutate(values, {
      onSuccess: () => {
        notifyDone(t('copies.begun', { cluster: chosen?.name ?? '' }))
        onClose()
      },
      onError: error => {
        for (const [path, message] of Object.entries(problemOf(error).fields))
          form.setFieldError(copyFieldOf(path), message)
      },
    })
  // A problem that stands at its fields is not told a second time.
  const wrongFields = Object.keys(problemOf(copy.error).fields).map(copyFieldOf)
  const told = wrongFields.length > 0 && wrongFields.every(field => Object.hasOwn(form.values, field))
  return (
    <form onSubmit={form.onSubmit(submit)} noValidate>
      <Stack>
        <Text size="sm">{t('copies.lead')}</Text>
        <Select
          required
          label={t('clusters.one')}
          description={chosen?.hosts === 0 ? t('copies.noHost') : t('copies.clusterHelp')}
          placeholder={t('copies.clusterChoose')}
          data={clusters.map(({ id, name, siteName }) => ({
            value: id,
            label: t('copies.clusterOf', { name, site: siteName }),
          }))}
          {...form.getInputProps('clusterId')}
        />
        <NumberInput
          label={t('copies.limit')}
          description={t('copies.limitHelp')}
          placeholder={t('copies.noLimit')}
          suffix={` ${t('copies.limitUnit')}`}
          hideControls
          clampBehavior="none"
          {...form.getInputProps('limit')}
        />
        {chosen && <Mapping cluster={chosen} template={template} />}
        {chosen && limit !== undefined && <CopyForeseen params={paramsOf(chosen.id)} bytesPerSecond={limit} />}
        {!told && <ErrorPanel error={copy.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button type="submit" disabled={stale} loading={copy.isPending} leftSection={<Icon of={Copy} small />}>
            {t('copies.submit')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** How desktops made of it there will be: by the cluster's own network and storage, if its hosts are large enough. */
function Mapping({ cluster, template }: { cluster: Cluster; template: Template }) {
  const { t } = useTranslation()
  const { largest, supernet } = cluster
  const { vcpus, memoryBytes } = template.hardware
  const lacks = tooLargeFor(cluster, template.hardware)
  return (
    <>
      <Text size="sm" c="dimmed">
        {t('copies.mapped', { network: supernet })}
      </Text>
      {lacks.length > 0 && largest && (
        <Alert color="yellow" title={t('copies.tooLarge')}>
          <Text size="sm">
            {t('copies.tooLargeText', {
              needed: t('copies.machine', { cpus: formatNumber(vcpus), memory: formatBytes(memoryBytes) }),
              largest: t('copies.machine', {
                cpus: formatNumber(largest.vcpus),
                memory: formatBytes(largest.memoryBytes),
              }),
            })}
          </Text>
        </Alert>
      )}
    </>
  )
}
