import { Alert, Button, Group, NumberInput, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure, useDocumentTitle } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { KeyRound, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { ApiError, client } from '../data/client.ts'
import { useMe } from '../data/me.ts'
import { tokensQuery } from '../data/queries.ts'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { CopyField } from '../ui/CopyField.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatList } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'

const shortestPassword = 8

export function Account() {
  const { t } = useTranslation()
  const me = useMe()
  useDocumentTitle(t('app.title', { page: t('account.title') }))
  return (
    <Stack gap="lg">
      <Title order={1} size="h2">
        {t('account.title')}
      </Title>
      <Panel title={t('account.you')}>
        <Facts
          of={[
            [t('people.displayName'), me.displayName || t('common.none')],
            [t('people.name'), me.name],
            [t('people.email'), me.email ?? t('common.none')],
            [t('account.roles'), formatList(me.roles.map(role => t(`role.${role}`)))],
            [t('account.groups'), formatList(me.groups.map(group => group.name))],
          ]}
        />
      </Panel>
      <Panel title={t('account.passwordTitle')}>
        {me.passwordTemporary && (
          <Alert color="yellow" mb="md">
            {t('account.temporary')}
          </Alert>
        )}
        <PasswordForm />
      </Panel>
      <Tokens />
    </Stack>
  )
}

function PasswordForm() {
  const { t } = useTranslation()
  const change = useWrite(
    (password: { old: string; new: string }) => client.meUpdate({ body: { password } }),
    ['token', 'me'],
  )
  const form = useForm({
    initialValues: { current: '', next: '', repeat: '' },
    validateInputOnBlur: true,
    validate: {
      next: value => (value.length < shortestPassword ? t('account.tooShort') : null),
      repeat: (value, values) => (value === values.next ? null : t('account.mismatch')),
    },
  })
  const submit = ({ current, next }: { current: string; next: string }) =>
    change.mutate(
      { old: current, new: next },
      {
        onSuccess: () => {
          form.reset()
          notifyDone(t('account.changed'))
        },
        onError: error => {
          if (
            error instanceof ApiError &&
            (error.code === 'forbidden' || error.errors.some(({ field }) => field.endsWith('old')))
          )
            form.setFieldError('current', t('account.wrongCurrent'))
        },
      },
    )
  return (
    <form onSubmit={form.onSubmit(submit)}>
      <Stack maw="26rem">
        <PasswordInput
          required
          label={t('account.current')}
          autoComplete="current-password"
          {...form.getInputProps('current')}
        />
        <PasswordInput
          required
          label={t('account.next')}
          description={t('account.nextHelp')}
          autoComplete="new-password"
          {...form.getInputProps('next')}
        />
        <PasswordInput
          required
          label={t('account.repeat')}
          autoComplete="new-password"
          {...form.getInputProps('repeat')}
        />
        {!form.errors.current && <ErrorPanel error={change.error} />}
        <Button type="submit" w="fit-content" loading={change.isPending}>
          {t('account.change')}
        </Button>
      </Stack>
    </form>
  )
}

function Tokens() {
  const { t } = useTranslation()
  const tokens = useQuery(tokensQuery)
  const [opened, dialog] = useDisclosure(false)
  const [loss, setLoss] = useState<Loss | null>(null)
  const remove = useWrite((id: string) => client.tokenDelete({ params: { id } }), ['token'])
  const items = tokens.data?.items ?? []
  return (
    <Panel
      title={t('account.tokensTitle')}
      aside={
        <Button size="xs" variant="default" leftSection={<Icon of={Plus} small />} onClick={dialog.open}>
          {t('account.tokenMake')}
        </Button>
      }
    >
      <Text size="sm" c="dimmed" mb="md">
        {t('account.tokensText')}
      </Text>
      <ErrorPanel error={tokens.error} />
      {tokens.data && items.length === 0 && (
        <EmptyState icon={KeyRound} title={t('account.tokensEmpty')} text={t('account.tokenNameHelp')} />
      )}
      <Stack gap="sm">
        {items.map(token => (
          <Group key={token.id} justify="space-between" wrap="nowrap">
            <div>
              <Text size="sm" fw={600}>
                {token.name}
              </Text>
              <Text size="xs" c="dimmed">
                {t('account.tokenUsed')}:{' '}
                {token.lastUsedAt ? <TimeAgo at={token.lastUsedAt} /> : t('account.tokenNever')}
                {' · '}
                {t('account.tokenExpires')}: <TimeAgo at={token.expiresAt} />
              </Text>
            </div>
            <Button
              size="xs"
              variant="default"
              leftSection={<Icon of={Trash2} small />}
              aria-label={`${t('common.delete')} – ${token.name}`}
              onClick={() =>
                setLoss({
                  title: t('account.tokenDelete', { name: token.name }),
                  lost: t('account.tokenLoss'),
                  confirm: t('common.delete'),
                  act: () => remove.mutateAsync(token.id),
                })
              }
            >
              {t('common.delete')}
            </Button>
          </Group>
        ))}
      </Stack>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
      {opened && <TokenDialog onClose={dialog.close} />}
    </Panel>
  )
}

function TokenDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const make = useWrite((body: { name: string; days: number }) => client.tokenCreate({ body }), ['token'])
  const form = useForm({ initialValues: { name: '', days: 90 } })
  return (
    <Dialog onClose={onClose} title={t('account.tokenMake')}>
      {make.data ? (
        <Stack>
          <Alert color="yellow">{t('account.tokenMade')}</Alert>
          <CopyField value={make.data.token} />
          <Button onClick={onClose}>{t('common.done')}</Button>
        </Stack>
      ) : (
        <form onSubmit={form.onSubmit(values => make.mutate(values))}>
          <Stack>
            <TextInput
              required
              data-autofocus
              label={t('account.tokenName')}
              description={t('account.tokenNameHelp')}
              {...form.getInputProps('name')}
            />
            <NumberInput label={t('account.tokenDays')} min={1} max={730} {...form.getInputProps('days')} />
            <ErrorPanel error={make.error} />
            <Button type="submit" loading={make.isPending}>
              {t('account.tokenMake')}
            </Button>
          </Stack>
        </form>
      )}
    </Dialog>
  )
}
