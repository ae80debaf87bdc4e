/** When a change of one desktop's hardware would hold, said before it is saved. */
import { List, Stack, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import type { TFunction } from 'i18next'
import { useTranslation } from 'react-i18next'
import type { Desktop } from '../data/nouns.ts'
import { hardwareAppliesQuery } from '../data/queries.ts'
import { appliesLines } from './hardware-values.ts'

/** Shorter: a question for each key that is pressed; longer: the answer lags behind. */
const restMs = 400

/** What is wrong with a field is said at the field when it is saved: this only tells what would hold when. */
export function HardwareApplies({ id, hardware }: { id: string; hardware: Partial<Desktop['hardware']> }) {
  const { t } = useTranslation()
  const [asked] = useDebouncedValue(JSON.stringify(hardware), restMs)
  const change: Partial<Desktop['hardware']> = JSON.parse(asked)
  const changes = Object.keys(change).length > 0
  const { data, error } = useQuery({ ...hardwareAppliesQuery(id, change), enabled: changes })
  const lines = data && !error && changes ? appliesLines(t as TFunction, data.applies) : []
  return (
    <Stack gap="xs" role="status">
      {lines.length > 0 && (
        <List size="sm" spacing={4}>
          {lines.map(line => (
            <List.Item key={line}>{line}</List.Item>
          ))}
        </List>
      )}
      {lines.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('desktops.hardwareText')}
        </Text>
      )}
    </Stack>
  )
}
