import { ActionIcon, Button, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { Plus, X } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Icon } from '../ui/Icon.tsx'
import type { PoolValues } from './pool-values.ts'

/** Passwords and keys for a pool's own scripts: kept sealed, given to them as variables. */
export function PoolSecrets({ form }: { form: UseFormReturnType<PoolValues> }) {
  const { t } = useTranslation()
  const { secrets } = form.values.customise
  return (
    <Stack gap="xs">
      <div>
        <Text size="sm" fw={500}>
          {t('secrets.title')}
        </Text>
        <Text size="xs" c="dimmed">
          {t('secrets.help')}
        </Text>
      </div>
      {secrets.map((secret, index) => (
        <Group key={secret.key} align="flex-start" gap="xs" wrap="nowrap">
          <TextInput
            flex={1}
            maxLength={64}
            spellCheck={false}
            aria-label={t('secrets.name')}
            placeholder="LICENCE_KEY"
            {...form.getInputProps(`customise.secrets.${index}.name`)}
          />
          <PasswordInput
            flex={1}
            maxLength={4096}
            autoComplete="new-password"
            aria-label={t('secrets.value', { name: secret.name })}
            placeholder={secret.kept ? t('customise.passwordKept') : t('secrets.valuePlace')}
            {...form.getInputProps(`customise.secrets.${index}.value`)}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            mt={4}
            aria-label={t('secrets.remove', { name: secret.name })}
            onClick={() => form.removeListItem('customise.secrets', index)}
          >
            <Icon of={X} small />
          </ActionIcon>
        </Group>
      ))}
      <Group>
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<Icon of={Plus} small />}
          onClick={() =>
            form.insertListItem('customise.secrets', { key: crypto.randomUUID(), name: '', value: '', kept: false })
          }
        >
          {t('secrets.add')}
        </Button>
      </Group>
    </Stack>
  )
}
