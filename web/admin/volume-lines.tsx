import { Alert, Group, Text } from '@mantine/core'
import { Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Volume } from '../data/storage.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { formatBytes } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import type { Look } from '../ui/look.ts'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import classes from './version-copies.module.css'
import { AttachDialog, GrowDialog } from './volume-dialogs.tsx'

const looks = {
  making: 'busy',
  ready: 'good',
  growing: 'busy',
  failed: 'bad',
  unknown: 'unknown',
  removing: 'busy',
} satisfies Record<Volume['state'], Look>

/** Volumes, each with what may be done with it. @param here what the page is about: it is not said again. */
export function VolumeLines({ volumes, here }: { volumes: readonly Volume[]; here: 'pool' | 'desktop' }) {
  return (
    <ul className={classes.copies}>
      {volumes.map(volume => (
        <VolumeLine key={volume.id} volume={volume} here={here} />
      ))}
    </ul>
  )
}

function VolumeLine({ volume, here }: { volume: Volume; here: 'pool' | 'desktop' }) {
  const { t } = useTranslation()
  const { name, sizeBytes, storedBytes, desktopId, usedById } = volume
  const sizes = { size: formatBytes(sizeBytes), stored: formatBytes(storedBytes ?? 0) }
  return (
    <li className={classes.copy}>
      <Group gap="sm" justify="space-between">
        <Group gap="sm">
          <Text fw={600}>{name}</Text>
          <StateBadge look={looks[volume.state]} word={t(`volumes.state.${volume.state}`)} />
          <Text size="sm" c="dimmed">
            {[
              storedBytes === null ? sizes.size : t('volumes.sized', sizes),
              here === 'desktop' && volume.poolName,
              volume.hostName && t('volumes.on', { host: volume.hostName }),
            ]
              .filter(Boolean)
              .join(' · ')}
          </Text>
          {here === 'pool' && desktopId && (
            <Text size="sm">
              {t('volumes.attachedTo')}{' '}
              <AnchorLink to="/admin/desktops/$id" params={{ id: desktopId }} underline="always">
                {volume.desktopName}
              </AnchorLink>
            </Text>
          )}
          {usedById && usedById !== desktopId && (
            <Text size="sm">{t('volumes.usedBy', { name: volume.usedByName ?? '' })}</Text>
          )}
        </Group>
        <VolumeActions volume={volume} />
      </Group>
      {here === 'desktop' && (
        <Text size="xs" c="dimmed">
          {t('volumes.serial', { serial: volume.serial })}
        </Text>
      )}
      {volume.trouble && (
        <Alert color="red">
          <Text size="sm">{saidWord(volume.trouble.text)}</Text>
        </Alert>
      )}
    </li>
  )
}

function VolumeActions({ volume }: { volume: Volume }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const [ask, setAsk] = useState<'attach' | 'grow' | null>(null)
  const [loss, setLoss] = useState<Loss | null>(null)
  const { id, name, actions } = volume
  const detach = useWrite(() => client.volumeDetach({ params: { id } }), ['volume', 'storagePool'])
  const remove = useWrite(() => client.volumeDelete({ params: { id } }), ['volume', 'storagePool'])
  if (!may('host.write')) return null
  const attached = volume.desktopId !== null
  return (
    <Group gap="xs">
      {attached ? (
        <ActionButton
          size="xs"
          variant="default"
          reason={refusal(actions, 'detach') ?? null}
          loading={detach.isPending}
          onClick={() =>
            detach.mutate(undefined, {
              onSuccess: ({ applies }) => notifyDone(t(`volumes.detached.${applies}`, { name })),
              onError: error => notifyError(error),
            })
          }
        >
          {t('volumes.detach')}
        </ActionButton>
      ) : (
        <ActionButton
          size="xs"
          variant="default"
          reason={refusal(actions, 'attach') ?? null}
          onClick={() => setAsk('attach')}
        >
          {t('volumes.attach')}
        </ActionButton>
      )}
      <ActionButton
        size="xs"
        variant="default"
        reason={refusal(actions, 'resize') ?? null}
        onClick={() => setAsk('grow')}
      >
        {t('volumes.grow')}
      </ActionButton>
      <ActionButton
        size="xs"
        variant="default"
        danger
        leftSection={<Icon of={Trash2} small />}
        reason={refusal(actions, 'delete') ?? null}
        onClick={() =>
          setLoss({
            title: t('loss.title', { action: t('volumes.delete'), name }),
            lost: t('volumes.deleteLoss', { name, size: formatBytes(volume.sizeBytes) }),
            confirm: t('volumes.delete'),
            act: async () => {
              await remove.mutateAsync(undefined)
              notifyDone(t('volumes.deleted', { name }))
            },
          })
        }
      >
        {t('volumes.delete')}
      </ActionButton>
      {ask === 'attach' && <AttachDialog volume={volume} onClose={() => setAsk(null)} />}
      {ask === 'grow' && <GrowDialog volume={volume} onClose={() => setAsk(null)} />}
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </Group>
  )
}
