import { Alert, Group, Progress, Text, Title } from '@mantine/core'
import { Trash2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { CopyBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Template, TemplateVersion, VersionCopy } from '../data/nouns.ts'
import { stepWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import type { Loss } from '../ui/ConfirmLoss.tsx'
import { formatBytes } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { copyGoesOn } from './copies.ts'
import classes from './version-copies.module.css'

interface VersionCopiesProps {
  template: Template
  version: TemplateVersion
  ask: (loss: Loss) => void
}

/** Where a version is that not every cluster makes by itself. While it is made its own progress says enough. */
export function VersionCopies({ template, version, ask }: VersionCopiesProps) {
  const { t } = useTranslation()
  if (version.state !== 'sealed' || version.copies.length === 0) return null
  return (
    <div>
      <Title order={3} size="h6" mb="xs">
        {t('copies.title')}
      </Title>
      <ul className={classes.copies}>
        {version.copies.map(copy => (
          <CopyLine key={copy.clusterId} template={template} version={version} copy={copy} ask={ask} />
        ))}
      </ul>
    </div>
  )
}

function CopyLine({ template, version, copy, ask }: VersionCopiesProps & { copy: VersionCopy }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const { clusterId, clusterName: cluster, bytesPerSecond } = copy
  const params = { id: template.id, number: version.number, clusterId }
  const retry = useWrite(() => client.copyMake({ params, body: { bytesPerSecond } }), ['template'])
  const remove = useWrite(() => client.copyRemove({ params }), ['template'])
  const limit = bytesPerSecond !== null && t('copies.atMost', { rate: formatBytes(bytesPerSecond) })
  const named = { name: template.name, number: version.number, cluster }
  return (
    <li className={classes.copy}>
      <Group gap="sm" justify="space-between">
        <Group gap="sm">
          <AnchorLink to="/admin/hosts/clusters/$id" params={{ id: clusterId }} fw={600}>
            {cluster}
          </AnchorLink>
          <CopyBadge copy={copy} />
          {copy.state === 'waiting' && (
            <Text size="sm" c="dimmed">
              {[copy.text && stepWord(t, copy.text), limit].filter(Boolean).join(' · ')}
            </Text>
          )}
        </Group>
        {may('template.write') && (
          <Group gap="xs">
            {copy.state === 'failed' && (
              <ActionButton
                size="xs"
                variant="default"
                reason={refusal(version.actions, 'copy') ?? null}
                loading={retry.isPending}
                onClick={() =>
                  retry.mutate(undefined, {
                    onSuccess: () => notifyDone(t('copies.retried', { cluster })),
                    onError: error => notifyError(error),
                  })
                }
              >
                {t('common.retry')}
              </ActionButton>
            )}
            <ActionButton
              size="xs"
              variant="default"
              danger
              reason={refusal(copy.actions, 'remove') ?? null}
              leftSection={<Icon of={Trash2} small />}
              onClick={() =>
                ask({
                  title: t('copies.removeTitle', named),
                  lost: t('copies.removeLoss', named),
                  instead: t('copies.removeElsewhere'),
                  confirm: t('common.remove'),
                  act: async () => {
                    await remove.mutateAsync(undefined)
                    notifyDone(t('copies.removed', named))
                  },
                })
              }
            >
              {t('copies.remove')}
            </ActionButton>
          </Group>
        )}
      </Group>
      {copy.state === 'copying' && (
        <div>
          <Progress value={Math.max(2, copy.progress)} aria-label={t('copies.progressOf', { cluster })} />
          <Text size="sm" mt="xs">
            {[`${copy.progress} %`, copy.text && stepWord(t, copy.text), limit].filter(Boolean).join(' · ')}
          </Text>
        </div>
      )}
      {copy.trouble && (
        <Alert color="red">
          <Text size="sm">{saidWord(copy.trouble.text)}</Text>
          <Text size="sm" mt="xs">
            {copyGoesOn(copy) ? t('copies.brokeOff', { percent: copy.progress }) : t('copies.again')}
          </Text>
        </Alert>
      )}
    </li>
  )
}
