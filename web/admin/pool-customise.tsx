import {
  Button,
  Group,
  NumberInput,
  PasswordInput,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { Panel } from '../ui/Panel.tsx'
import { PoolAnswers } from './pool-answers.tsx'
import { PoolSecrets } from './pool-secrets.tsx'
import type { PoolValues } from './pool-values.ts'

type Form = UseFormReturnType<PoolValues>

/** To begin from, in the shell that is chosen. */
const examples = {
  sh: {
    before: '# Waits for the network, then installs a program.\nset -e\napt-get update\napt-get install -y vlc\n',
    after:
      '# A home on the file server for who gets this desktop.\nset -e\nmkdir -p "/srv/home/$HDCS_USER"\nmount "files.example:/home/$HDCS_USER" "/srv/home/$HDCS_USER"\n',
  },
  powershell: {
    before: '$ErrorActionPreference = "Stop"\nSet-TimeZone -Id "W. Europe Standard Time"\n',
    after:
      '$ErrorActionPreference = "Stop"\nAdd-LocalGroupMember -Group "Remote Desktop Users" -Member "CORP\\$env:HDCS_USER"\n',
  },
}

/** What is run in a pool's guests before anybody gets them. */
export function PoolCustomise({ form }: { form: Form }) {
  const { t } = useTranslation()
  const { customise } = form.values
  return (
    <Panel title={t('customise.title')}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t('customise.help')}
        </Text>
        <Select
          label={t('customise.shell')}
          data={[
            { value: 'sh', label: t('customise.sh') },
            { value: 'powershell', label: t('customise.powershell') },
          ]}
          allowDeselect={false}
          {...form.getInputProps('customise.shell')}
        />
        {customise.shell === 'powershell' && <PoolAnswers form={form} />}
        <Switch
          label={t('customise.hostName')}
          description={t('customise.hostNameHelp')}
          {...form.getInputProps('customise.hostName', { type: 'checkbox' })}
        />
        <Switch
          label={t('customise.domain')}
          description={t('customise.domainHelp')}
          {...form.getInputProps('customise.joins', { type: 'checkbox' })}
        />
        {customise.joins && (
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <TextInput required label={t('customise.domainName')} {...form.getInputProps('customise.domain.name')} />
            <TextInput label={t('customise.ou')} {...form.getInputProps('customise.domain.ou')} />
            <TextInput required label={t('customise.user')} {...form.getInputProps('customise.domain.user')} />
            <PasswordInput
              required={!customise.passwordSet}
              autoComplete="new-password"
              label={t('customise.password')}
              placeholder={customise.passwordSet ? t('customise.passwordKept') : undefined}
              {...form.getInputProps('customise.domain.password')}
            />
          </SimpleGrid>
        )}
        <Script form={form} name="before" />
        <Script form={form} name="after" />
        <PoolSecrets form={form} />
      </Stack>
    </Panel>
  )
}

function Script({ form, name }: { form: Form; name: 'before' | 'after' }) {
  const { t } = useTranslation()
  const { customise } = form.values
  const text = customise[name].text
  return (
    <Stack gap="xs">
      <Textarea
        autosize
        minRows={3}
        maxRows={16}
        maxLength={32_768}
        spellCheck={false}
        label={t(`customise.${name}`)}
        description={t(`customise.${name}Help`)}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        {...form.getInputProps(`customise.${name}.text`)}
      />
      {text.trim() === '' ? (
        <Group>
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => form.setFieldValue(`customise.${name}.text`, examples[customise.shell][name])}
          >
            {t('customise.example')}
          </Button>
        </Group>
      ) : (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput
            label={t('customise.timeout')}
            suffix=" s"
            min={1}
            max={7200}
            allowDecimal={false}
            {...form.getInputProps(`customise.${name}.timeoutSeconds`)}
          />
          <NumberInput
            label={t('customise.retries')}
            min={0}
            max={5}
            allowDecimal={false}
            {...form.getInputProps(`customise.${name}.retries`)}
          />
        </SimpleGrid>
      )}
    </Stack>
  )
}
