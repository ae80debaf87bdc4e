import { Button, Code, CopyButton, Group } from '@mantine/core'
import { Check, Copy } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Icon } from './Icon.tsx'

/** Something to take away: a password, a token, a command line. */
export function CopyField({ value }: { value: string }) {
  const { t } = useTranslation()
  return (
    <Group gap="xs" wrap="nowrap" align="flex-start">
      <Code
        block
        flex={1}
        fz="sm"
        mah="24rem"
        tabIndex={0}
        style={{ whiteSpace: 'pre-wrap', wordBreak: 'break-all', overflowY: 'auto' }}
      >
        {value}
      </Code>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Button variant="default" onClick={copy} leftSection={<Icon of={copied ? Check : Copy} small />}>
            {copied ? t('common.copied') : t('common.copy')}
          </Button>
        )}
      </CopyButton>
    </Group>
  )
}
