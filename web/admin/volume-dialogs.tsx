import { Button, Group, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'
import { desktopsQuery } from '../data/queries.ts'
import { type StoragePool, type Volume, volumesQuery } from '../data/storage.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import { nameForm } from './name-form.ts'

const GiB = 2 ** 30
const nouns = ['volume', 'storagePool']

/** The end of every form here: what was refused, and the one button. */
export function FormEnd(props: {
  error: unknown
  busy: boolean
  disabled?: boolean
  onClose: () => void
  children: ReactNode
}) {
  const { t } = useTranslation()
  return (
    <>
      <ErrorPanel error={props.error} />
      <Group justify="flex-end">
        <Button variant="default" onClick={props.onClose}>
          {t('common.cancel')}
        </Button>
        <Button type="submit" loading={props.busy} disabled={props.disabled ?? false}>
          {props.children}
        </Button>
      </Group>
    </>
  )
}

/** A new volume; the host is asked for where the pool lies in several places. */
export function VolumeDialog({ pool, onClose }: { pool: StoragePool; onClose: () => void }) {
  const { t } = useTranslation()
  const places = pool.hosts.filter(({ state, hostState }) => state === 'ready' && hostState === 'online')
  const several = new Set(places.map(({ storageId }) => storageId)).size > 1
  const ceph = pool.source.type === 'rbd'
  const form = useForm<{ name: string; sizeGib: number | string; format: string; hostId: string | null }>({
    validateInputOnBlur: true,
    initialValues: { name: '', sizeGib: 10, format: ceph ? 'raw' : 'qcow2', hostId: null },
    validate: {
      name: value => (nameForm.test(value) ? null : t('pools.form.nameBad')),
      sizeGib: value => (Number(value) > 0 ? null : t('volumes.sizeBad')),
      hostId: value => (several && value === null ? t('storage.missing') : null),
    },
  })
  const save = useWrite(({ name, sizeGib, format, hostId }: typeof form.values) => {
    const sizeBytes = Math.round((Number(sizeGib) * GiB) / 512) * 512
    const kind = format === 'raw' ? ('raw' as const) : ('qcow2' as const)
    return client.volumeCreate({
      body: { name, poolId: pool.id, sizeBytes, format: kind, ...(hostId !== null && { hostId }) },
    })
  }, nouns)
  const submit = (values: typeof form.values) =>
    save.mutate(values, {
      onSuccess: () => {
        notifyDone(t('volumes.made', { name: values.name }))
        onClose()
      },
      onError: error => {
        for (const [field, message] of Object.entries(problemOf(error).fields))
          form.setFieldError(field === 'sizeBytes' ? 'sizeGib' : field, message)
      },
    })
  return (
    <Dialog onClose={onClose} title={t('volumes.addOn', { pool: pool.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <TextInput
            required
            data-autofocus
            label={t('storage.name')}
            description={t('templates.nameHelp')}
            {...form.getInputProps('name')}
          />
          <NumberInput
            required
            min={0}
            label={t('volumes.size')}
            description={t('volumes.sizeHelp')}
            {...form.getInputProps('sizeGib')}
          />
          {!ceph && (
            <Select
              label={t('volumes.format')}
              data={['qcow2', 'raw']}
              allowDeselect={false}
              {...form.getInputProps('format')}
            />
          )}
          {several && (
            <Select
              required
              label={t('volumes.host')}
              description={t('volumes.hostHelp')}
              data={places.map(({ hostId, hostName }) => ({ value: hostId, label: hostName }))}
              {...form.getInputProps('hostId')}
            />
          )}
          <FormEnd error={save.error} busy={save.isPending} onClose={onClose}>
            {t('volumes.add')}
          </FormEnd>
        </Stack>
      </form>
    </Dialog>
  )
}

export function GrowDialog({ volume, onClose }: { volume: Volume; onClose: () => void }) {
  const { t } = useTranslation()
  const now = volume.sizeBytes / GiB
  const form = useForm<{ sizeGib: number | string }>({
    validateInputOnBlur: true,
    initialValues: { sizeGib: Math.ceil(now) + 1 },
    validate: { sizeGib: value => (Number(value) > now ? null : t('volumes.sizeBad')) },
  })
  const save = useWrite(
    ({ sizeGib }: typeof form.values) =>
      client.volumeResize({
        params: { id: volume.id },
        body: { sizeBytes: Math.round((Number(sizeGib) * GiB) / 512) * 512 },
      }),
    nouns,
  )
  const submit = (values: typeof form.values) =>
    save.mutate(values, {
      onSuccess: () => {
        notifyDone(t('volumes.grown', { name: volume.name }))
        onClose()
      },
    })
  return (
    <Dialog onClose={onClose} title={t('volumes.growOf', { name: volume.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <NumberInput
            required
            data-autofocus
            label={t('volumes.size')}
            description={t('volumes.sizeHelp')}
            {...form.getInputProps('sizeGib')}
          />
          <FormEnd error={save.error} busy={save.isPending} onClose={onClose}>
            {t('volumes.grow')}
          </FormEnd>
        </Stack>
      </form>
    </Dialog>
  )
}

/** This volume to a desktop that is chosen. */
export function AttachDialog({ volume, onClose }: { volume: Volume; onClose: () => void }) {
  const { t } = useTranslation()
  const [search, setSearch] = useState('')
  const desktops = useQuery(desktopsQuery({ limit: 50, ...(search && { search }) }))
  const choices = (desktops.data?.items ?? []).filter(
    ({ kind, actions }) => kind === 'persistent' && actions.some(({ name, allowed }) => name === 'change' && allowed),
  )
  return (
    <Attaching
      title={t('volumes.attachTo', { name: volume.name })}
      label={t('volumes.desktop')}
      help={t('volumes.desktopHelp')}
      choices={choices.map(({ id, name, hostName }) => ({
        value: id,
        label: hostName ? `${name} · ${hostName}` : name,
      }))}
      onSearch={setSearch}
      ask={desktopId => ({ volumeId: volume.id, name: volume.name, desktopId })}
      onClose={onClose}
    />
  )
}

/** A volume that is chosen to this desktop. */
export function AttachToDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const volumes = useQuery(volumesQuery())
  const free = (volumes.data?.items ?? []).filter(({ actions }) => actions.some(a => a.name === 'attach' && a.allowed))
  return (
    <Attaching
      title={t('volumes.attachOf', { desktop: desktop.name })}
      label={t('volumes.volume')}
      help={volumes.data && free.length === 0 ? t('volumes.noFree') : t('volumes.sizeHelp')}
      choices={free.map(({ id, name, poolName, hostName }) => ({
        value: id,
        label: [name, poolName, hostName].filter(Boolean).join(' · '),
      }))}
      ask={volumeId => {
        return { volumeId, name: free.find(({ id }) => id === volumeId)?.name ?? '', desktopId: desktop.id }
      }}
      onClose={onClose}
    />
  )
}

interface Asked {
  volumeId: string
  name: string
  desktopId: string
}

function Attaching(props: {
  title: string
  label: string
  help: string
  choices: { value: string; label: string }[]
  onSearch?: (text: string) => void
  ask: (chosen: string) => Asked
  onClose: () => void
}) {
  const { t } = useTranslation()
  const [chosen, setChosen] = useState<string | null>(null)
  const save = useWrite(
    ({ volumeId: id, desktopId }: Asked) => client.volumeAttach({ params: { id }, body: { desktopId } }),
    nouns,
  )
  return (
    <Dialog onClose={props.onClose} title={props.title}>
      <form
        noValidate
        onSubmit={event => {
          event.preventDefault()
          if (chosen === null) return
          const asked = props.ask(chosen)
          save.mutate(asked, {
            onSuccess: ({ applies }) => {
              notifyDone(t(`volumes.attached.${applies}`, { name: asked.name }))
              props.onClose()
            },
          })
        }}
      >
        <Stack>
          <Select
            required
            searchable
            data-autofocus
            label={props.label}
            description={props.help}
            data={props.choices}
            value={chosen}
            onChange={setChosen}
            {...(props.onSearch && { onSearchChange: props.onSearch })}
          />
          <Text size="sm" c="dimmed">
            {t('storage.poolsLead')}
          </Text>
          <FormEnd error={save.error} busy={save.isPending} disabled={chosen === null} onClose={props.onClose}>
            {t('volumes.attach')}
          </FormEnd>
        </Stack>
      </form>
    </Dialog>
  )
}
