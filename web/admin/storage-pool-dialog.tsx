import { NumberInput, PasswordInput, Select, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import type { Ask } from '../../api/client.ts'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Cluster } from '../data/nouns.ts'
import type { StoragePool } from '../data/storage.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import { nameForm } from './name-form.ts'
import { FormEnd } from './volume-dialogs.tsx'

type Source = Ask<'storagePoolCreate'>['body']['source']
type Kind = Source['type']

interface Values {
  name: string
  type: Kind
  target: string
  server: string
  path: string
  monitors: string
  pool: string
  user: string
  key: string
  reservePercent: number | string
}

const listed = (text: string) =>
  text
    .split(/[,\s]+/)
    .map(each => each.trim())
    .filter(Boolean)

function sourceOf({ type, target, server, path, monitors, pool, user, key }: Values): Source {
  if (type === 'dir') return { type, target }
  if (type === 'netfs') return { type, server, path, ...(target && { target }) }
  return { type, monitors: listed(monitors), pool, ...(user && { user }), ...(key && { key }) }
}

/** A new storage pool of a cluster, or another place for one that no host has. What its kind does not have is not asked for. */
export function StoragePoolDialog(
  props: { cluster: Cluster; onClose: () => void } | { mend: StoragePool; onClose: () => void },
) {
  const { onClose } = props
  const mend = 'mend' in props ? props.mend : null
  const { t } = useTranslation()
  const needed =
    (kinds: Kind[]) =>
    (value: string, { type }: Values) =>
      kinds.includes(type) && value.trim() === '' ? t('storage.missing') : null
  const form = useForm<Values>({
    validateInputOnBlur: true,
    initialValues: {
      name: mend?.name ?? '',
      type: mend?.source.type ?? 'dir',
      target: mend?.source.target ?? '',
      server: mend?.source.server ?? '',
      path: mend?.source.path ?? '',
      monitors: mend?.source.monitors?.join(', ') ?? '',
      pool: mend?.source.pool ?? '',
      user: mend?.source.user ?? '',
      key: '',
      reservePercent: 5,
    },
    validate: {
      name: value => (nameForm.test(value) ? null : t('pools.form.nameBad')),
      target: needed(['dir']),
      server: needed(['netfs']),
      path: needed(['netfs']),
      monitors: needed(['rbd']),
      pool: needed(['rbd']),
    },
  })
  const save = useWrite(
    async (values: Values) => {
      const source = sourceOf(values)
      if ('mend' in props) return client.storagePoolUpdate({ params: { id: props.mend.id }, body: { source } })
      const reserve = Number(values.reservePercent) / 100
      const body = { name: values.name, clusterId: props.cluster.id, source, reserve }
      return (await client.storagePoolCreate({ body })).storagePool
    },
    ['storagePool'],
  )
  const submit = (values: Values) =>
    save.mutate(values, {
      onSuccess: () => {
        notifyDone(t(mend ? 'storage.mended' : 'storage.made', { name: values.name }))
        onClose()
      },
      onError: error => {
        for (const [path, message] of Object.entries(problemOf(error).fields)) {
          const field = path.replace(/^source\./, '').replace(/\.\d+$/, '')
          form.setFieldError(field === 'reserve' ? 'reservePercent' : field, message)
        }
      },
    })
  const { type } = form.values
  const kinds = ['dir', 'netfs', 'rbd'] as const
  return (
    <Dialog
      onClose={onClose}
      title={
        'mend' in props
          ? t('storage.mendOf', { name: props.mend.name })
          : t('storage.addTo', { cluster: props.cluster.name })
      }
    >
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          {mend ? (
            <Text size="sm">{t('storage.mendText')}</Text>
          ) : (
            <>
              <TextInput
                required
                data-autofocus
                label={t('storage.name')}
                description={t('templates.nameHelp')}
                {...form.getInputProps('name')}
              />
              <Select
                label={t('storage.type')}
                allowDeselect={false}
                data={kinds.map(value => ({ value, label: t(`storage.types.${value}`) }))}
                {...form.getInputProps('type')}
              />
            </>
          )}
          {type === 'netfs' && (
            <>
              <TextInput required label={t('storage.server')} {...form.getInputProps('server')} />
              <TextInput required label={t('storage.path')} {...form.getInputProps('path')} />
            </>
          )}
          {type === 'rbd' && (
            <>
              <TextInput
                required
                label={t('storage.monitors')}
                description={t('storage.monitorsHelp')}
                {...form.getInputProps('monitors')}
              />
              <TextInput required label={t('storage.cephPool')} {...form.getInputProps('pool')} />
              <TextInput label={t('storage.user')} {...form.getInputProps('user')} />
              <PasswordInput
                label={t('storage.key')}
                description={t('storage.keyHelp')}
                autoComplete="off"
                {...form.getInputProps('key')}
              />
            </>
          )}
          {type !== 'rbd' && (
            <TextInput
              required={type === 'dir'}
              label={t('storage.target')}
              description={t('storage.targetHelp')}
              {...form.getInputProps('target')}
            />
          )}
          {!mend && (
            <NumberInput
              min={0}
              max={50}
              label={t('storage.reserve')}
              description={t('storage.reserveHelp')}
              {...form.getInputProps('reservePercent')}
            />
          )}
          <FormEnd error={save.error} busy={save.isPending} onClose={onClose}>
            {mend ? t('common.save') : t('storage.add')}
          </FormEnd>
        </Stack>
      </form>
    </Dialog>
  )
}
