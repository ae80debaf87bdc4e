import { Group, Stack, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { ChevronRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Icon } from './Icon.tsx'

interface PageHeadProps {
  title: string
  /** The list above this page, as a link. */
  up?: ReactNode
  badge?: ReactNode
  text?: ReactNode
  actions?: ReactNode
}

/** What this page is about, its state, and what can be done with it. */
export function PageHead({ title, up, badge, text, actions }: PageHeadProps) {
  const { t } = useTranslation()
  useDocumentTitle(t('app.title', { page: title }))
  return (
    <Stack gap={4} mb="lg">
      {up && (
        <Group gap={4} fz="sm">
          {up}
          <Icon of={ChevronRight} small />
        </Group>
      )}
      <Group justify="space-between" align="flex-start" gap="sm">
        <Group gap="sm">
          {/* Names may be one long word: on a phone it breaks. */}
          <Title order={1} size="h3" style={{ overflowWrap: 'anywhere' }}>
            {title}
          </Title>
          {badge}
        </Group>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {text && (
        <Text size="sm" c="dimmed" component="div">
          {text}
        </Text>
      )}
    </Stack>
  )
}
