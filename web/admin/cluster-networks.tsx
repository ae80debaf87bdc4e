import { ActionIcon, Autocomplete, Button, Group, NumberInput, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Plus, X } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import { useMay } from '../data/me.ts'
import type { Cluster } from '../data/nouns.ts'
import { hostsQuery, poolsQuery } from '../data/queries.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import classes from './cluster-networks.module.css'
import { type ClusterNetwork, linesOf, type NetworkLine, networksOf, wrongInLines } from './cluster-networks-values.ts'

/** Where a cluster has the networks that pools name. */
export function ClusterNetworks({ cluster }: { cluster: Cluster }) {
  const { t } = useTranslation()
  const writable = useMay()('host.write')
  const stale = useLiveness() === 'stale'
  const [lines, setLines] = useState<NetworkLine[] | null>(null)
  return (
    <Panel
      title={t('networks.title')}
      aside={
        writable &&
        !lines && (
          <Button size="xs" variant="default" disabled={stale} onClick={() => setLines(linesOf(cluster.networks))}>
            {t('networks.edit')}
          </Button>
        )
      }
    >
      <Stack>
        <Text size="sm" c="dimmed">
          {t('networks.lead')}
        </Text>
        {lines ? (
          <NetworkForm cluster={cluster} lines={lines} setLines={setLines} />
        ) : cluster.networks.length > 0 ? (
          <Facts of={cluster.networks.map(network => [network.name, <Here key={network.name} network={network} />])} />
        ) : (
          <Text size="sm">{t('networks.none')}</Text>
        )}
      </Stack>
    </Panel>
  )
}

function Here({ network: { interface: here, vlan } }: { network: ClusterNetwork }) {
  const { t } = useTranslation()
  if (vlan === undefined) return here
  return vlan === null ? t('networks.untagged', { here }) : t('networks.tagged', { here, vlan })
}

interface FormProps {
  cluster: Cluster
  lines: NetworkLine[]
  setLines: (lines: NetworkLine[] | null) => void
}

function NetworkForm({ cluster, lines, setLines }: FormProps) {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  const may = useMay()
  const [told, setTold] = useState(false)
  const pools = useQuery({ ...poolsQuery({ limit: 500 }), enabled: may('pool.write') })
  const hosts = useQuery(hostsQuery({ clusterId: cluster.id, limit: 500 }))
  const names = (of: readonly (string | undefined)[]) => [...new Set(of.filter(name => name !== undefined))].toSorted()
  const asked = names((pools.data?.items ?? []).map(({ network }) => network.interface))
  const there = names((hosts.data?.items ?? []).flatMap(({ facts }) => facts?.bridges ?? []))
  const wrong = wrongInLines(lines)
  const save = useWrite(
    () => client.clusterUpdate({ params: { id: cluster.id }, body: { networks: networksOf(lines) } }),
    ['cluster'],
  )
  const set = (at: number, field: keyof NetworkLine, value: string | number) =>
    setLines(lines.map((line, index) => (index === at ? { ...line, [field]: value } : line)))
  const error = (at: number, field: keyof NetworkLine) => {
    const key = told ? wrong[at]?.[field] : undefined
    return key && t(`networks.${key}`)
  }
  const submit = () => {
    setTold(true)
    if (wrong.some(line => Object.keys(line).length > 0)) return
    save.mutate(undefined, {
      onSuccess: () => {
        setLines(null)
        notifyDone(t('clusters.saved', { name: cluster.name }))
      },
    })
  }
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        submit()
      }}
      noValidate
    >
      <Stack>
        {lines.map((line, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name of its own while it is written
          <div key={at} className={classes.line}>
            <Autocomplete
              label={t('networks.name')}
              description={at === 0 ? t('networks.nameHelp') : undefined}
              data={asked}
              value={line.name}
              onChange={value => set(at, 'name', value)}
              error={error(at, 'name')}
            />
            <Autocomplete
              label={t('networks.here')}
              description={at === 0 ? t('networks.hereHelp') : undefined}
              data={there}
              value={line.interface}
              onChange={value => set(at, 'interface', value)}
              error={error(at, 'interface')}
            />
            <NumberInput
              label={t('networks.vlan')}
              description={at === 0 ? t('networks.vlanHelp') : undefined}
              hideControls
              clampBehavior="none"
              value={line.vlan}
              onChange={value => set(at, 'vlan', value)}
              error={error(at, 'vlan')}
            />
            <ActionIcon
              variant="default"
              size="input-sm"
              aria-label={t('networks.remove', { name: line.name })}
              onClick={() => setLines(lines.toSpliced(at, 1))}
            >
              <Icon of={X} small />
            </ActionIcon>
          </div>
        ))}
        <Group>
          <Button
            size="xs"
            variant="default"
            leftSection={<Icon of={Plus} small />}
            onClick={() => setLines([...lines, { name: '', interface: '', vlan: '' }])}
          >
            {t('networks.add')}
          </Button>
        </Group>
        <ErrorPanel error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={stale}>
            {t('common.save')}
          </Button>
          <Button variant="default" onClick={() => setLines(null)}>
            {t('common.cancel')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
