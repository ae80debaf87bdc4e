/** A machine or a host in libvirt's own words: read when somebody wants to see them, never from before. */
import { Button, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Desktop, Host } from '../data/nouns.ts'
import { desktopXmlQuery, hostXmlQuery } from '../data/queries.ts'
import { CopyField } from '../ui/CopyField.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'

export function DesktopXml({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const read = useQuery({ ...desktopXmlQuery(desktop), enabled: open })
  const { data } = read
  return (
    <Words read={read} open={open} onOpen={() => setOpen(true)}>
      {data && (
        <>
          <ReadAt text={t(data.live ? 'xml.live' : 'xml.next', { host: data.hostName ?? '' })} at={data.readAt} />
          <CopyField value={data.xml} />
        </>
      )}
    </Words>
  )
}

export function HostXml({ host }: { host: Host }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const read = useQuery({ ...hostXmlQuery(host.id), enabled: open })
  const { data } = read
  return (
    <Words read={read} open={open} onOpen={() => setOpen(true)}>
      {data && (
        <>
          <ReadAt text={t('xml.host')} at={data.readAt} />
          <Facts
            of={[
              [
                t('xml.node'),
                t('xml.nodeText', {
                  model: data.node.model,
                  cpus: formatNumber(data.node.cpus),
                  mhz: formatNumber(data.node.mhz),
                  memory: formatBytes(data.node.memoryKib * 1024),
                  shape: [data.node.nodes, data.node.sockets, data.node.cores, data.node.threads].join(' × '),
                }),
              ],
            ]}
          />
          <Text size="sm" fw={600}>
            {t('xml.capabilities')}
          </Text>
          <CopyField value={data.capabilities} />
        </>
      )}
    </Words>
  )
}

function ReadAt({ text, at }: { text: string; at: string }) {
  return (
    <Group justify="space-between" gap="xs">
      <Text size="sm">{text}</Text>
      <Text size="sm" c="dimmed">
        <TimeAgo at={at} />
      </Text>
    </Group>
  )
}

interface Read {
  error: unknown
  isFetching: boolean
  refetch(): unknown
}

/** Closed until somebody asks: each look asks the host. */
function Words(props: { read: Read; open: boolean; onOpen: () => void; children: ReactNode }) {
  const { t } = useTranslation()
  const { read, open, onOpen, children } = props
  return (
    <Panel
      title={t('xml.title')}
      aside={
        <Group gap="xs">
          <Button
            size="xs"
            variant="default"
            loading={read.isFetching}
            onClick={() => (open ? void read.refetch() : onOpen())}
          >
            {t(open ? 'xml.again' : 'xml.show')}
          </Button>
        </Group>
      }
    >
      {open && (
        <Stack gap="sm">
          <ErrorPanel error={read.error} />
          {children}
        </Stack>
      )}
    </Panel>
  )
}
