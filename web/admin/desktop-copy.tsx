/** What an administrator does with a desktop that stands still: a copy of it, another name. */
import { Button, Group, Stack, Switch, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay, useMe } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import { nameForm } from './name-form.ts'
import { PersonSelect } from './person-select.tsx'

export function CopyDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const may = useMay()
  const me = useMe()
  const form = useForm({
    initialValues: { name: '', userId: me.id, full: false },
    validate: { name: name => (name === '' || nameForm.test(name) ? null : t('pools.form.nameBad')) },
  })
  const copy = useWrite(
    ({ name, ...body }: typeof form.values) =>
      client.desktopClone({ params: { id: desktop.id }, body: { ...body, ...(name && { name }) } }),
    ['desktop', 'pool'],
  )
  const submit = (values: typeof form.values) =>
    copy.mutate(values, {
      onSuccess: made => {
        notifyDone(t('making.begun', { name: made.desktop.name }))
        void navigate({ to: '/admin/desktops/$id', params: { id: made.desktop.id } })
      },
      onError: error => form.setErrors(problemOf(error).fields),
    })
  return (
    <Dialog size="lg" onClose={onClose} title={t('making.copyTitle', { name: desktop.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Text size="sm">{t('making.copyText', { name: desktop.name })}</Text>
          <TextInput
            data-autofocus
            label={t('making.name')}
            description={t('making.nameHelp')}
            {...form.getInputProps('name')}
          />
          {may('user.read') && (
            <PersonSelect
              value={form.values.userId}
              onChange={userId => form.setFieldValue('userId', userId)}
              error={form.errors.userId}
            />
          )}
          <Switch
            label={t('making.full')}
            description={t('making.fullHelp')}
            {...form.getInputProps('full', { type: 'checkbox' })}
          />
          <ErrorPanel error={copy.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button type="submit" loading={copy.isPending}>
              {t('making.copy')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

export function RenameDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const form = useForm({
    initialValues: { name: desktop.name },
    validate: { name: name => (nameForm.test(name) ? null : t('pools.form.nameBad')) },
  })
  const save = useWrite(
    (body: typeof form.values) => client.desktopUpdate({ params: { id: desktop.id }, body }),
    ['desktop'],
  )
  const submit = (values: typeof form.values) =>
    save.mutate(values, {
      onSuccess: ({ desktop: { name } }) => {
        notifyDone(t('making.renamed', { name }))
        onClose()
      },
      onError: error => form.setErrors(problemOf(error).fields),
    })
  return (
    <Dialog onClose={onClose} title={t('making.renameTitle', { name: desktop.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <TextInput
            required
            data-autofocus
            label={t('making.name')}
            description={t('making.renameText')}
            {...form.getInputProps('name')}
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
