import { Alert, Button, Checkbox, Group, PasswordInput, Stack, Switch, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Role, User } from '../data/nouns.ts'
import { CopyField } from '../ui/CopyField.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'

export const roleNames = [
  'person',
  'instructor',
  'auditor',
  'userAdministrator',
  'infrastructureAdministrator',
] as const satisfies Role[]

/** As the API wants it: letters, digits and . _ @ - inside. */
const nameForm = /^[a-z0-9]([a-z0-9._@-]{0,62}[a-z0-9])?$/i
const emailForm = /^\S+@\S+\.\S+$/

interface UserValues {
  name: string
  displayName: string
  email: string
  password: string
  roles: Role[]
  enabled: boolean
}

/** Adds a person, or changes one. A generated password is shown once, then gone. */
export function UserDialog({ user, onClose }: { user: User | null; onClose: () => void }) {
  const { t } = useTranslation()
  const form = useForm<UserValues>({
    validateInputOnBlur: true,
    initialValues: {
      name: user?.name ?? '',
      displayName: user?.displayName ?? '',
      email: user?.email ?? '',
      password: '',
      roles: user?.roles ?? ['person'],
      enabled: !user?.disabled,
    },
    validate: {
      name: value => (value ? (nameForm.test(value.trim()) ? null : t('people.nameBad')) : t('people.nameMissing')),
      email: value => (!value || emailForm.test(value) ? null : t('people.emailBad')),
      password: value => (!value || value.length >= 8 ? null : t('account.tooShort')),
    },
  })
  const save = useWrite(
    async (values: UserValues): Promise<string | null> => {
      const body = {
        displayName: values.displayName.trim() || values.name,
        email: values.email || null,
        roles: values.roles,
        disabled: !values.enabled,
      }
      if (user) {
        await client.userUpdate({ params: { id: user.id }, body })
        return null
      }
      const made = await client.userCreate({
        body: { ...body, name: values.name, ...(values.password && { password: values.password }) },
      })
      return made.password
    },
    ['user', 'group'],
  )
  const submit = (values: UserValues) =>
    save.mutate(values, {
      onSuccess: password => {
        notifyDone(user ? t('people.saved') : t('people.createdNote', { name: values.name }))
        if (!password) onClose()
      },
      onError: error => {
        for (const [field, message] of Object.entries(problemOf(error).fields)) form.setFieldError(field, message)
      },
    })
  const title = user ? t('people.editTitle', { name: user.name }) : t('people.createTitle')
  return (
    <Dialog onClose={onClose} title={title}>
      {save.data ? (
        <NewPassword name={form.values.name} password={save.data} onClose={onClose} />
      ) : (
        <form onSubmit={form.onSubmit(submit)} noValidate>
          <Stack>
            <TextInput
              required
              data-autofocus
              disabled={!!user}
              label={t('people.name')}
              autoCapitalize="none"
              {...form.getInputProps('name')}
            />
            <TextInput label={t('people.displayName')} {...form.getInputProps('displayName')} />
            <TextInput type="email" label={t('people.email')} {...form.getInputProps('email')} />
            {!user && (
              <PasswordInput
                label={t('people.password')}
                description={t('people.passwordHelp')}
                autoComplete="new-password"
                {...form.getInputProps('password')}
              />
            )}
            <Checkbox.Group
              label={t('people.roles')}
              description={t('people.rolesHelp')}
              {...form.getInputProps('roles')}
            >
              <Stack gap="xs" mt="xs">
                {roleNames.map(role => (
                  <Checkbox key={role} value={role} label={t(`role.${role}`)} description={t(`roleHelp.${role}`)} />
                ))}
              </Stack>
            </Checkbox.Group>
            <Switch
              label={t('people.enabled')}
              description={t('people.enabledHelp')}
              {...form.getInputProps('enabled', { type: 'checkbox' })}
            />
            <ErrorPanel error={save.error} />
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                {t('common.cancel')}
              </Button>
              <Button type="submit" loading={save.isPending}>
                {user ? t('common.save') : t('common.add')}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Dialog>
  )
}

/** A password that nobody will see again. */
export function NewPassword({ name, password, onClose }: { name: string; password: string; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Stack>
      <Alert color="yellow" title={t('people.passwordTitle', { name })}>
        {t('people.passwordOnce')}
      </Alert>
      <CopyField value={password} />
      <Button onClick={onClose}>{t('common.done')}</Button>
    </Stack>
  )
}
