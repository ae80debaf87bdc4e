import { Stack, Text, ThemeIcon, Title } from '@mantine/core'
import type { LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'
import { Icon } from './Icon.tsx'

/** What would stand here, why it does not, and the one button that changes it. */
export function EmptyState(props: { icon: LucideIcon; title: string; text: string; action?: ReactNode }) {
  return (
    <Stack align="center" gap="xs" py="xl" px="md" ta="center">
      <ThemeIcon size="xl" radius="xl" variant="light" color="gray" c="dimmed">
        <Icon of={props.icon} />
      </ThemeIcon>
      <Title order={3} size="h5">
        {props.title}
      </Title>
      <Text c="dimmed" size="sm" maw="46ch">
        {props.text}
      </Text>
      {props.action}
    </Stack>
  )
}
