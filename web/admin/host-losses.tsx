import { Group, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { HostLoss } from '../data/nouns.ts'
import { ButtonLink } from '../frame/links.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'

/** For whoever opens the console in the morning: which hosts were lost, and what became of their desktops. */
export function HostLosses({ losses }: { losses: readonly HostLoss[] }) {
  const { t } = useTranslation()
  if (losses.length === 0) return null
  const outcome = ({ returned, waiting }: HostLoss) =>
    [
      ...(returned > 0 ? [t('losses.returned', { count: returned })] : []),
      ...(waiting > 0 ? [t('losses.waiting', { count: waiting })] : []),
    ].join(' · ') || t('losses.none')
  return (
    <Panel title={t('losses.title')}>
      <Stack gap="sm">
        {losses.map(loss => (
          <Group key={loss.id} justify="space-between" wrap="nowrap">
            <div>
              <Text size="sm" fw={600}>
                {t(loss.backAt ? 'losses.back' : 'losses.gone', { host: loss.hostName })}
              </Text>
              <Text size="sm" c="dimmed">
                <TimeAgo at={loss.at} /> · {outcome(loss)}
              </Text>
            </div>
            <ButtonLink
              to="/admin/hosts/$id"
              params={{ id: loss.hostId }}
              search={{ tab: 'history' }}
              size="compact-sm"
              variant="default"
              aria-label={t('losses.history', { host: loss.hostName })}
            >
              {t('desktops.history')}
            </ButtonLink>
          </Group>
        ))}
      </Stack>
    </Panel>
  )
}
