import { Alert, Button, List, Select, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { clustersQuery, hostsQuery } from '../data/queries.ts'
import { ButtonLink } from '../frame/links.tsx'
import { CopyField } from '../ui/CopyField.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatTime } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'

/** The one line for the new server, and what happens then; turns green when it arrives. */
export function HostJoin({ clusterId: wanted, onClose }: { clusterId: string | null; onClose: () => void }) {
  const { t } = useTranslation()
  const clusters = useQuery(clustersQuery)
  const hosts = useQuery(hostsQuery({ limit: 500 }))
  const [chosen, setChosen] = useState(wanted)
  const [known, setKnown] = useState<ReadonlySet<string> | null>(null)
  const make = useWrite((id: string | undefined) => client.joinTokenMake({ body: id ? { clusterId: id } : {} }), [])
  const items = clusters.data?.items ?? []
  const clusterId = chosen ?? items[0]?.id ?? null
  const cluster = items.find(({ id }) => id === clusterId)
  const arrived = known && hosts.data?.items.find(host => !known.has(host.id))
  return (
    <Dialog onClose={onClose} size="lg" title={t('hosts.joinTitle')}>
      <Stack>
        {!make.data && (
          <>
            <Text size="sm">{t('hosts.joinText')}</Text>
            <Select
              label={t('hosts.joinCluster')}
              description={t('hosts.joinClusterHelp')}
              data={items.map(({ id, siteName, name }) => ({ value: id, label: `${siteName} / ${name}` }))}
              value={clusterId}
              onChange={setChosen}
            />
            <ErrorPanel error={make.error ?? clusters.error} />
            <Button
              data-autofocus
              loading={make.isPending}
              // Without the hosts of now, one that was there already would look like an arrival.
              disabled={!hosts.data}
              onClick={() => {
                setKnown(new Set(hosts.data?.items.map(host => host.id)))
                make.mutate(clusterId ?? undefined)
              }}
            >
              {t('hosts.joinMake')}
            </Button>
          </>
        )}
        {make.data && (
          <>
            <Text size="sm">{t('hosts.joinPaste', { cluster: cluster?.name ?? '' })}</Text>
            {!make.data.reachable && (
              <Alert color="yellow" icon={<Icon of={TriangleAlert} />} title={t('hosts.joinLoopbackTitle')}>
                {t('hosts.joinLoopback')}
              </Alert>
            )}
            <CopyField value={make.data.command} />
            <Text size="sm">{t('hosts.joinNeeds')}</Text>
            <Text size="sm" c="dimmed">
              {t('hosts.joinExpires', { time: formatTime(make.data.expiresAt) })}
            </Text>
            <div>
              <Text size="sm" fw={600} mb={4}>
                {t('hosts.joinThen')}
              </Text>
              <List type="ordered" size="sm" spacing={4}>
                <List.Item>{t('hosts.joinThenFacts')}</List.Item>
                <List.Item>{t('hosts.joinThenNetwork')}</List.Item>
                <List.Item>{t('hosts.joinThenUse')}</List.Item>
              </List>
            </div>
            <div role="status">
              {arrived ? (
                <StateBadge look="good" size="md" word={t('hosts.joinArrived', { name: arrived.name })} />
              ) : (
                <StateBadge look="busy" size="md" word={t('hosts.joinWaiting')} />
              )}
            </div>
            {arrived ? (
              <ButtonLink to="/admin/hosts/$id" params={{ id: arrived.id }}>
                {t('hosts.joinLook', { name: arrived.name })}
              </ButtonLink>
            ) : (
              <Button variant="default" onClick={onClose}>
                {t('common.done')}
              </Button>
            )}
          </>
        )}
      </Stack>
    </Dialog>
  )
}
