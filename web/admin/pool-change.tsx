import { List, Stack, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { Ask } from '../../api/client.ts'
import type { PoolChanges } from '../data/nouns.ts'
import { poolChangesQuery } from '../data/queries.ts'
import { en } from '../i18n/en.ts'
import { saidWord } from '../i18n/said.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatList, formatNumber } from '../ui/format.ts'

/** Shorter: a question for each key that is pressed; longer: the answer lags behind. */
const restMs = 400
/** More names than this: nobody reads on. */
const mostNamed = 10

type Field = keyof typeof en.poolChange.field

/** What saving would do: of each setting when it holds, and what is made and removed for it. */
export function PoolChange({ id, body }: { id: string; body: NonNullable<Ask<'poolUpdate'>['body']> }) {
  const { t } = useTranslation()
  const [asked] = useDebouncedValue(JSON.stringify(body), restMs)
  const changes = useQuery(poolChangesQuery(id, JSON.parse(asked)))
  return (
    <Stack gap="xs" mt="md" role="status">
      <Text size="sm" fw={600}>
        {t('poolChange.title')}
      </Text>
      <ErrorPanel error={changes.error} />
      {changes.data && !changes.error && <Told changes={changes.data} />}
    </Stack>
  )
}

function Told({ changes: { fields, resize } }: { changes: PoolChanges }) {
  const { t } = useTranslation()
  const counted = (count: number) => ({ count, formatted: formatNumber(count) })
  const names = () => {
    const { remove } = resize
    const first = formatList(remove.slice(0, mostNamed))
    const more = remove.length - mostNamed
    return more > 0 ? t('poolChange.moreNames', { names: first, count: more }) : first
  }
  const sized = (['make', 'start', 'stop', 'remake'] as const).filter(name => resize[name] > 0)
  const told = sized.length + resize.remove.length + resize.over
  if (fields.length === 0 && told === 0) return <Text size="sm">{t('poolChange.nothing')}</Text>
  return (
    <List size="sm" spacing={4}>
      {fields.map(({ field, applies }) => (
        <List.Item key={field}>
          {field in en.poolChange.field ? t(`poolChange.field.${field as Field}`) : field}:{' '}
          {applies
            .map(({ when, desktops }) => {
              const word = t(`poolChange.when.${when}`)
              return desktops === 0 ? word : t('poolChange.of', { when: word, ...counted(desktops) })
            })
            .join('; ')}
        </List.Item>
      ))}
      {sized.map(name => (
        <List.Item key={name}>{t(`poolChange.${name}`, counted(resize[name]))}</List.Item>
      ))}
      {resize.remove.length > 0 && (
        <List.Item>{t('poolChange.remove', { names: names(), ...counted(resize.remove.length) })}</List.Item>
      )}
      {resize.over > 0 && <List.Item>{t('poolChange.over', counted(resize.over))}</List.Item>}
      {resize.short > 0 && (
        <List.Item>
          {t('poolChange.short', { reason: saidWord(resize.shortReason ?? ''), ...counted(resize.short) })}
        </List.Item>
      )}
    </List>
  )
}
