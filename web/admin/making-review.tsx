import { Alert, Group, Stack, Text } from '@mantine/core'
import { CircleCheck, CircleX } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { MakingPlan, PersonResult } from '../data/nouns.ts'
import { saidWord } from '../i18n/said.ts'
import { Icon } from '../ui/Icon.tsx'

function Mark({ ok }: { ok: boolean }) {
  return (
    <Text component="span" c={ok ? 'green.8' : 'red.8'}>
      <Icon of={ok ? CircleCheck : CircleX} small />
    </Text>
  )
}

/** What speaks for one desktop and against it. */
export function MakingReview({ plan }: { plan: MakingPlan }) {
  const { t } = useTranslation()
  return (
    <Stack gap="xs" role="status">
      {plan.checks.map(({ name, ok, text }) => (
        <Group key={name} gap="xs" wrap="nowrap" align="flex-start">
          <Mark ok={ok} />
          <Text size="sm">
            <strong>{t(`making.checks.${name}`)}</strong> – {ok ? t('making.ok') : t('making.refused')}:{' '}
            {saidWord(text)}
          </Text>
        </Group>
      ))}
      {plan.host && <Alert color="blue">{t('making.wouldGo', { host: plan.host.name })}</Alert>}
    </Stack>
  )
}

/** Of many: who would get which, and who none and why. */
export function PeopleReview({ of, names }: { of: readonly PersonResult[]; names: ReadonlyMap<string, string> }) {
  const { t } = useTranslation()
  const refused = of.filter(({ error }) => error !== null).length
  return (
    <Stack gap="xs" role="status">
      {refused > 0 && (
        <Alert color="yellow">{t('making.someRefused', { part: of.length - refused, whole: of.length })}</Alert>
      )}
      {of.map(({ userId, userName, desktop, error }) => (
        <Group key={userId} gap="xs" wrap="nowrap" align="flex-start">
          <Mark ok={error === null} />
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            <strong>{names.get(userId) ?? userName ?? userId}</strong> –{' '}
            {desktop
              ? t('making.wouldGet', { desktop: desktop.name, host: desktop.hostName ?? t('common.unknown') })
              : `${t('making.refused')}: ${saidWord(error?.text)}`}
          </Text>
        </Group>
      ))}
    </Stack>
  )
}
