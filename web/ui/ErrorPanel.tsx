import { Alert, Button, Group, Text } from '@mantine/core'
import { CircleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Icon } from './Icon.tsx'
import { type Problem, problemOf } from './problem.ts'

/** What went wrong in a person's words, then the server's own sentence, then the reference for an administrator. */
export function ErrorPanel({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  const { t } = useTranslation()
  if (!error) return null
  const problem: Problem = problemOf(error)
  return (
    <Alert color="red" icon={<Icon of={CircleAlert} />} title={title ?? t('problem.title')} role="alert">
      <Text size="sm">{problem.known ? t(`problem.code.${problem.known}`) : t('problem.network')}</Text>
      {problem.detail && (
        <Text size="sm" mt="xs">
          {problem.detail}
        </Text>
      )}
      {problem.requestId && (
        <Text size="xs" mt="xs" c="dimmed">
          {t('problem.request', { id: problem.requestId })}
        </Text>
      )}
      {retry && (
        <Group mt="sm">
          <Button size="xs" variant="default" onClick={retry}>
            {t('common.retry')}
          </Button>
        </Group>
      )}
    </Alert>
  )
}
