import { Alert, Button, Checkbox, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Host } from '../data/nouns.ts'
import { clusterQuery } from '../data/queries.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'

/** A lost host is made sure to be off, by the cluster's command or by a person who looked: only then its desktops return. */
export function Fence({ host, onClose }: { host: Host; onClose: () => void }) {
  const { t } = useTranslation()
  const [sure, setSure] = useState(false)
  const command = useQuery(clusterQuery(host.clusterId)).data?.fenceCommand
  const fence = useWrite(
    (confirmed: boolean) => client.hostFence({ params: { id: host.id }, body: { confirmed } }),
    ['host', 'desktop'],
  )
  const act = (confirmed: boolean) =>
    fence.mutate(confirmed, {
      onSuccess: () => {
        notifyDone(t(confirmed ? 'fence.done' : 'fence.asked', { name: host.name }))
        onClose()
      },
    })
  return (
    <Dialog onClose={onClose} title={t('fence.title', { name: host.name })}>
      <Stack>
        <Text size="sm">{t('fence.text')}</Text>
        <Alert color="red" icon={<Icon of={TriangleAlert} />} title={t('fence.riskTitle')}>
          {t('fence.risk')}
        </Alert>
        <Checkbox
          label={t('fence.sure', { name: host.name })}
          checked={sure}
          onChange={event => setSure(event.currentTarget.checked)}
        />
        <ErrorPanel error={fence.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('common.cancel')}
          </Button>
          {command && (
            <Button variant="default" disabled={sure} loading={fence.isPending && !sure} onClick={() => act(false)}>
              {t('fence.byCommand')}
            </Button>
          )}
          <Button color="red" disabled={!sure} loading={fence.isPending && sure} onClick={() => act(true)}>
            {t('fence.confirm')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
