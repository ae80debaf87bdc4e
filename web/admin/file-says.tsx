import { Alert, List, Skeleton, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { inspectedBytes } from '../../api/client.ts'
import { client } from '../data/client.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Facts } from '../ui/Panel.tsx'

/** What a chosen file says of itself; undefined while it is read, or when none is chosen. */
export function useFileSays(file: File | null) {
  return useQuery({
    queryKey: ['file-says', file?.name, file?.size, file?.lastModified],
    queryFn: () => client.inspect((file ?? new Blob()).slice(0, inspectedBytes)),
    enabled: file !== null,
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  })
}

export type FileSays = ReturnType<typeof useFileSays>

/** Before it is sent: whose it is, and what will come of it. Of a bare disk nothing is known. */
export function FileSaysPanel({ says, fresh }: { says: FileSays; fresh: boolean }) {
  const { t } = useTranslation()
  const { data, error, isLoading } = says
  if (isLoading) return <Skeleton h="4rem" aria-label={t('exports.reading')} />
  if (error) return <ErrorPanel error={error} title={t('exports.cannot')} />
  if (!data) return null
  if (data.kind === 'image') return data.remarks.map(remark => <Alert key={remark} color="yellow" title={remark} />)
  return (
    <Alert color="blue" title={data.kind === 'hdcs' ? t('exports.saysHdcs') : t('exports.saysOva')}>
      <Facts
        of={[
          [t('exports.asName'), data.name ?? undefined],
          [t('exports.asVersion'), data.number === null ? undefined : formatNumber(data.number)],
          [t('exports.asCpus'), data.hardware ? formatNumber(data.hardware.vcpus) : undefined],
          [t('exports.asMemory'), data.hardware ? formatBytes(data.hardware.memoryBytes) : undefined],
          [t('exports.asDisk'), data.virtualBytes === null ? undefined : formatBytes(data.virtualBytes)],
        ]}
      />
      {data.remarks.length > 0 && (
        <List size="sm" mt="xs">
          {data.remarks.map(remark => (
            <List.Item key={remark}>{remark}</List.Item>
          ))}
        </List>
      )}
      <Text size="sm" mt="xs">
        {fresh ? t('exports.takenOver') : t('exports.keptHardware')}
      </Text>
    </Alert>
  )
}
