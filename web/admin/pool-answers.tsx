import { Button, Code, Group, PasswordInput, SimpleGrid, Stack, Switch, Text, Textarea, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { customiseBody } from './pool-customise-values.ts'
import type { PoolValues } from './pool-values.ts'

type Form = UseFormReturnType<PoolValues>

/** As English Windows calls it: an account, and no word of ours. */
const windowsOwn = 'Administrator'
const monospace = { input: { fontFamily: 'var(--mantine-font-family-monospace)' } }

/** What Windows Setup is answered at the first boot of a generalised guest. */
export function PoolAnswers({ form }: { form: Form }) {
  const { t } = useTranslation()
  const { wished, own } = form.values.customise.answers
  return (
    <Stack>
      <Switch
        label={t('answers.wished')}
        description={t('answers.help')}
        {...form.getInputProps('customise.answers.wished', { type: 'checkbox' })}
      />
      {wished && (
        <>
          <Switch
            label={t('answers.own')}
            description={t('answers.ownHelp')}
            {...form.getInputProps('customise.answers.own', { type: 'checkbox' })}
          />
          {own ? (
            <Textarea
              autosize
              required
              minRows={6}
              maxRows={20}
              maxLength={32_768}
              spellCheck={false}
              label={t('answers.unattend')}
              description={t('answers.unattendHelp')}
              styles={monospace}
              {...form.getInputProps('customise.answers.unattend')}
            />
          ) : (
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              <TextInput required label={t('answers.language')} {...form.getInputProps('customise.answers.language')} />
              <TextInput
                label={t('answers.timeZone')}
                placeholder="W. Europe Standard Time"
                {...form.getInputProps('customise.answers.timeZone')}
              />
              <TextInput
                label={t('answers.keyboard')}
                placeholder="0407:00000407"
                {...form.getInputProps('customise.answers.keyboard')}
              />
              <TextInput
                label={t('answers.administrator')}
                placeholder={windowsOwn}
                {...form.getInputProps('customise.answers.administrator')}
              />
            </SimpleGrid>
          )}
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <Kept form={form} name="password" />
            <Kept form={form} name="productKey" />
          </SimpleGrid>
          <Preview form={form} />
        </>
      )}
    </Stack>
  )
}

function Kept({ form, name }: { form: Form; name: 'password' | 'productKey' }) {
  const { t } = useTranslation()
  return (
    <PasswordInput
      autoComplete="new-password"
      label={t(`answers.${name}`)}
      placeholder={form.values.customise.answers.kept[name] ? t('customise.passwordKept') : undefined}
      {...form.getInputProps(`customise.answers.${name}`)}
    />
  )
}

/** The file as one desktop would get it; what is typed afterwards makes it another. */
function Preview({ form }: { form: Form }) {
  const { t } = useTranslation()
  const customise = customiseBody(form.values.customise)
  const desktopName = `${form.values.name || 'pool'}-1`
  const asked = JSON.stringify(customise)
  const show = useWrite(async (of: string) => {
    if (!customise) return null
    return { of, ...(await client.answerFilePreview({ body: { customise, desktopName } })) }
  }, [])
  const shown = show.data?.of === asked ? show.data : null
  return (
    <Stack gap="xs">
      <Group gap="sm">
        <Button size="compact-sm" variant="default" loading={show.isPending} onClick={() => show.mutate(asked)}>
          {t('answers.preview')}
        </Button>
        {shown && (
          <Text size="sm" c="dimmed">
            {t('answers.previewOf', { desktop: desktopName, computer: shown.computerName })}
          </Text>
        )}
      </Group>
      <ErrorPanel error={show.error} />
      {shown && (
        <Code block mah="24rem" style={{ overflow: 'auto' }}>
          {shown.text}
        </Code>
      )}
    </Stack>
  )
}
