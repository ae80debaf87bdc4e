import { Button, Group } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Plus, SearchX, Server } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useMay } from '../data/me.ts'
import type { Host } from '../data/nouns.ts'
import { clustersQuery, hostsQuery, sitesQuery, usageMs } from '../data/queries.ts'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { FilterChip } from '../ui/FilterChip.tsx'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { SearchBox } from '../ui/SearchBox.tsx'
import { ClusterDialog } from './cluster-form.tsx'
import { HostJoin } from './host-join.tsx'
import { HostTree } from './host-tree.tsx'
import { useListState } from './list-state.ts'
import { SiteDialog } from './site-dialog.tsx'

/** More hosts than this: the tree says so, and the search finds the others by name. */
const shownHosts = 500
const states = ['online', 'suspect', 'lost', 'maintenance', 'joining'] as const satisfies Host['state'][]

/** The tree site → cluster → host, each with how full it is. */
export function Hosts() {
  const { t } = useTranslation()
  const writable = useMay()('host.write')
  const navigate = useNavigate()
  const { new: wanted, cluster, site } = useSearch({ from: '/person/admin/hosts' })
  const { state, onState } = useListState()
  const sites = useQuery(sitesQuery)
  const clusters = useQuery(clustersQuery)
  const hosts = useQuery({ ...hostsQuery({ limit: shownHosts }), refetchInterval: usageMs })
  const show = (search: Record<string, string>) => void navigate({ to: '/admin/hosts', search, replace: true })
  const close = () => show({})
  const error = sites.error ?? clusters.error ?? hosts.error
  const ready = sites.data && clusters.data && hosts.data
  const narrow = { search: state.search, state: state.filters.state }
  const fits = (host: Host) =>
    (!narrow.search || host.name.toLowerCase().includes(narrow.search.toLowerCase())) &&
    (!narrow.state || host.state === narrow.state)
  const shown = hosts.data?.items.filter(fits) ?? []
  const narrowed = Boolean(narrow.search || narrow.state)
  const join = writable && (
    <Button leftSection={<Icon of={Plus} />} onClick={() => show({ new: 'host' })}>
      {t('hosts.join')}
    </Button>
  )
  return (
    <>
      <PageHead
        title={t('hosts.title')}
        text={t('hosts.lead')}
        actions={
          writable && (
            <>
              <Button variant="default" onClick={() => show({ new: 'site' })}>
                {t('sites.new')}
              </Button>
              <Button variant="default" onClick={() => show({ new: 'cluster' })}>
                {t('clusters.new')}
              </Button>
              {join}
            </>
          )
        }
      />
      {!ready ? (
        error ? (
          <ErrorPanel error={error} retry={() => void hosts.refetch()} />
        ) : (
          <PageWait />
        )
      ) : (
        <>
          {hosts.data.items.length > 0 && (
            <Group gap="xs" mb="md">
              <SearchBox
                label={t('table.searchIn', { noun: t('hosts.noun') })}
                value={state.search}
                onChange={search => onState({ ...state, search })}
              />
              <FilterChip
                filter={{
                  key: 'state',
                  label: t('hosts.state'),
                  options: states.map(value => ({ value, label: t(`hostState.${value}`) })),
                }}
                value={narrow.state}
                onChange={value => onState({ ...state, filters: { ...state.filters, state: value } })}
              />
              {narrowed && (
                <Button size="xs" variant="subtle" onClick={close}>
                  {t('table.clearFilters')}
                </Button>
              )}
            </Group>
          )}
          {narrowed && shown.length === 0 ? (
            <EmptyState icon={SearchX} title={t('table.noMatch')} text={t('table.noMatchText')} />
          ) : (
            <HostTree
              sites={sites.data.items}
              clusters={clusters.data.items}
              hosts={shown}
              narrowed={narrowed}
              onJoin={id => show({ new: 'host', cluster: id })}
              onCluster={id => show({ new: 'cluster', site: id })}
              onSite={id => show({ new: 'site', site: id })}
            />
          )}
          {hosts.data.items.length === 0 && (
            <EmptyState icon={Server} title={t('hosts.emptyTitle')} text={t('hosts.emptyText')} action={join} />
          )}
          {writable && wanted === 'host' && <HostJoin clusterId={cluster ?? null} onClose={close} />}
          {writable && wanted === 'site' && (
            <SiteDialog site={sites.data.items.find(({ id }) => id === site) ?? null} onClose={close} />
          )}
          {writable && wanted === 'cluster' && (
            <ClusterDialog
              cluster={null}
              sites={sites.data.items}
              siteId={site ?? null}
              onClose={close}
              onMade={made => void navigate({ to: '/admin/hosts/clusters/$id', params: { id: made.id } })}
            />
          )}
        </>
      )}
    </>
  )
}
