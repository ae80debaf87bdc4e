import { Alert, Stack, Tabs, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { CircleAlert, Info, TriangleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { HostBadge } from '../data/badges.tsx'
import { useMay } from '../data/me.ts'
import type { Host } from '../data/nouns.ts'
import { hostQuery, usageMs } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { DesktopTable } from './desktops.tsx'
import { HostActions } from './host-actions.tsx'
import { HostHistory } from './host-history.tsx'
import { EvacuationProgress } from './host-maintenance.tsx'
import { HostOverview } from './host-overview.tsx'
import { Moves } from './moves.tsx'

const tabs = ['overview', 'desktops', 'moves', 'history'] as const

/** One host: what it is, what it carries, what comes and goes. */
export function HostDetail() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const may = useMay()
  const { id } = useParams({ from: '/person/admin/hosts/$id' })
  const { tab = 'overview' } = useSearch({ from: '/person/admin/hosts/$id' })
  const read = useQuery({ ...hostQuery(id), refetchInterval: usageMs })
  const host = read.data
  const up = <AnchorLink to="/admin/hosts">{t('hosts.title')}</AnchorLink>
  if (!host) return <PageUnread read={read} up={up} />
  const words = {
    overview: t('desktops.overview'),
    desktops: t('hosts.desktops'),
    moves: t('moves.title'),
    history: t('desktops.history'),
  }
  return (
    <>
      <PageHead
        up={up}
        title={host.name}
        badge={<HostBadge host={host} size="md" />}
        text={
          <>
            {host.siteName} /{' '}
            <AnchorLink to="/admin/hosts/clusters/$id" params={{ id: host.clusterId }} underline="always">
              {host.clusterName}
            </AnchorLink>{' '}
            · <TimeAgo at={host.since} />
          </>
        }
        actions={may('host.write') && <HostActions host={host} />}
      />
      <Stack gap="lg">
        <HostNotices host={host} />
        {host.state === 'maintenance' && <EvacuationProgress host={host} />}
        <Tabs
          value={tabs.find(name => name === tab) ?? 'overview'}
          keepMounted={false}
          onChange={value =>
            void navigate({ to: '.', search: value && value !== 'overview' ? { tab: value } : {}, replace: true })
          }
        >
          <Tabs.List mb="lg">
            {tabs.map(name => (
              <Tabs.Tab key={name} value={name}>
                {words[name]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="overview">
            <HostOverview host={host} />
          </Tabs.Panel>
          <Tabs.Panel value="desktops">
            <DesktopTable hostId={id} />
          </Tabs.Panel>
          <Tabs.Panel value="moves">
            <Moves query={{ hostId: id }} hostId={id} />
          </Tabs.Panel>
          <Tabs.Panel value="history">
            <HostHistory host={host} />
          </Tabs.Panel>
        </Tabs>
      </Stack>
    </>
  )
}

/** What an administrator should know before anything else. */
function HostNotices({ host }: { host: Host }) {
  const { t } = useTranslation()
  const { facts } = host
  return (
    <>
      {(host.state === 'lost' || host.state === 'suspect') && (
        <Alert
          color={host.state === 'lost' ? 'red' : 'yellow'}
          icon={<Icon of={host.state === 'lost' ? CircleAlert : TriangleAlert} />}
          title={t(host.state === 'lost' ? 'hosts.lostTitle' : 'hosts.suspectTitle')}
        >
          {t(host.state === 'lost' ? 'hosts.lostText' : 'hosts.suspectText')}
        </Alert>
      )}
      {facts?.simulated && (
        <Alert color="blue" icon={<Icon of={Info} />} title={t('hosts.simulated')}>
          {t('hosts.simulatedHelp')}
        </Alert>
      )}
      {facts && !facts.simulated && facts.accelerator === 'tcg' && (
        <Alert color="yellow" icon={<Icon of={TriangleAlert} />} title={t('hosts.slow')}>
          <Text size="sm">{t('hosts.slowText')}</Text>
          {facts.acceleratorReason && (
            <Text size="sm" mt="xs">
              {t('hosts.slowWhy', { reason: saidWord(facts.acceleratorReason) })}
            </Text>
          )}
        </Alert>
      )}
      {host.troubles.map(trouble => (
        <Alert key={trouble.text} color="red" icon={<Icon of={CircleAlert} />} title={t('hosts.troubles')}>
          {saidWord(trouble.text)}
        </Alert>
      ))}
    </>
  )
}
