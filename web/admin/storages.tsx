import { Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { HardDrive } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { clustersQuery } from '../data/queries.ts'
import { ButtonLink } from '../frame/links.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { ClusterStorage } from './cluster-storage.tsx'

/** The storages, storage pools and volumes of all clusters, with how full they are. */
export function Storages() {
  const { t } = useTranslation()
  const { data, error, refetch } = useQuery(clustersQuery)
  return (
    <>
      <PageHead title={t('storage.title')} text={t('storage.lead')} />
      <ErrorPanel error={error} retry={() => void refetch()} />
      {!data && !error && <PageWait />}
      {data?.items.length === 0 && (
        <EmptyState
          icon={HardDrive}
          title={t('storage.noClusterTitle')}
          text={t('storage.noClusterText')}
          action={<ButtonLink to="/admin/hosts">{t('hosts.title')}</ButtonLink>}
        />
      )}
      <Stack gap="lg">
        {data?.items.map(cluster => (
          <ClusterStorage key={cluster.id} cluster={cluster} among />
        ))}
      </Stack>
    </>
  )
}
