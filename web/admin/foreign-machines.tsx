import { Alert, Button, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Import, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { ForeignMachine, Host } from '../data/nouns.ts'
import { foreignMachinesQuery, usersQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { StateBadge } from '../ui/StateBadge.tsx'
import { nameForm } from './name-form.ts'

const looks = { running: 'running', paused: 'paused', stopped: 'stopped' } as const

/** Machines of a host that were made without HDCS; where there are none, nothing is shown. */
export function ForeignMachines({ host }: { host: Host }) {
  const { t } = useTranslation()
  const [adopting, setAdopting] = useState<ForeignMachine | null>(null)
  const read = useQuery(foreignMachinesQuery(host.id))
  if (read.error) return <ErrorPanel error={read.error} retry={() => void read.refetch()} />
  const machines = read.data?.items ?? []
  if (machines.length === 0) return null
  return (
    <Panel title={t('foreign.title')}>
      <Stack gap="md">
        <Text size="sm" c="dimmed">
          {t('foreign.text')}
        </Text>
        {machines.map(machine => (
          <Machine key={machine.id} machine={machine} onAdopt={() => setAdopting(machine)} />
        ))}
      </Stack>
      {adopting && <AdoptDialog host={host} machine={adopting} onClose={() => setAdopting(null)} />}
    </Panel>
  )
}

function Machine({ machine, onAdopt }: { machine: ForeignMachine; onAdopt: () => void }) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const reason = refusal(machine.actions, 'adopt')
  const sizes = machine.disks.map(({ sizeBytes, format }) =>
    sizeBytes === null ? format : `${formatBytes(sizeBytes)} ${format}`,
  )
  return (
    <Group justify="space-between" align="flex-start" wrap="nowrap" gap="md">
      <div style={{ minWidth: 0, overflowWrap: 'anywhere' }}>
        <Group gap="xs">
          <Text fw={600}>{machine.name}</Text>
          <StateBadge look={looks[machine.power]} word={t(`foreign.${machine.power}`)} />
        </Group>
        <Text size="sm" c="dimmed">
          {[t('foreign.vcpus', { count: machine.vcpus }), formatBytes(machine.memoryBytes), ...sizes].join(' · ')}
        </Text>
        {machine.desktop ? (
          <Text size="sm">
            {t('foreign.becomes')}{' '}
            <AnchorLink to="/admin/desktops/$id" params={{ id: machine.desktop.id }} underline="always">
              {machine.desktop.name}
            </AnchorLink>
          </Text>
        ) : (
          machine.obstacles.map(obstacle => (
            <Text key={obstacle} size="sm">
              {t('foreign.not', { why: saidWord(obstacle) })}
            </Text>
          ))
        )}
      </div>
      {reason !== undefined && (
        <ActionButton
          variant="default"
          size="sm"
          style={{ flexShrink: 0 }}
          leftSection={<Icon of={Import} small />}
          reason={reason}
          onClick={onAdopt}
        >
          {t('foreign.adopt')}
        </ActionButton>
      )}
    </Group>
  )
}

/** What its system finds otherwise, besides its card. */
function Changes({ machine: { disks, diskBus, firmware } }: { machine: ForeignMachine }) {
  const { t } = useTranslation()
  const was = disks[0]?.bus
  const changes = [
    diskBus && was && was !== diskBus
      ? t('hardware.changesBus', { bus: t(`hardware.${diskBus}`), was: was.toUpperCase() })
      : undefined,
    firmware === 'uefi' ? t('hardware.changesUefi') : undefined,
  ].filter(change => change !== undefined)
  if (changes.length === 0) return null
  return (
    <Alert color="yellow" icon={<Icon of={TriangleAlert} />} title={t('hardware.changes')}>
      {changes.map(change => (
        <Text key={change} size="sm">
          {change}
        </Text>
      ))}
    </Alert>
  )
}

/** As much of its own name as a desktop's may have. */
const nameOf = (name: string) =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '')

/** Persons offered at once; the search finds the others. */
const offered = 50

function AdoptDialog({ host, machine, onClose }: { host: Host; machine: ForeignMachine; onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [search, setSearch] = useState('')
  const [asked] = useDebouncedValue(search.trim(), 250)
  const people = useQuery(usersQuery({ limit: offered, ...(asked && { search: asked }) }))
  const form = useForm({
    validateInputOnBlur: true,
    initialValues: { name: nameOf(machine.name), userId: '' },
    validate: {
      name: name => (nameForm.test(name) ? null : t('pools.form.nameBad')),
      userId: userId => (userId === '' ? t('foreign.personNeeded') : null),
    },
  })
  const adopt = useWrite(
    (body: typeof form.values) => client.foreignMachineAdopt({ params: { id: host.id, foreignId: machine.id }, body }),
    ['host', 'desktop', 'pool', 'template'],
  )
  const submit = (values: typeof form.values) =>
    adopt.mutate(values, {
      onSuccess: ({ desktop }) => {
        notifyDone(t('foreign.begun', { name: machine.name }))
        void navigate({ to: '/admin/desktops/$id', params: { id: desktop.id } })
      },
      onError: error => {
        for (const [field, message] of Object.entries(problemOf(error).fields)) form.setFieldError(field, message)
      },
    })
  const path = machine.disks[0]?.path ?? t('common.none')
  return (
    <Dialog size="lg" onClose={onClose} title={t('foreign.adoptTitle', { name: machine.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Text size="sm">{t('foreign.adoptText')}</Text>
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            {t('foreign.stays', { path })}
          </Text>
          <Changes machine={machine} />
          <TextInput
            required
            data-autofocus
            label={t('foreign.name')}
            description={t('foreign.nameHelp')}
            {...form.getInputProps('name')}
          />
          <Select
            required
            searchable
            label={t('foreign.person')}
            description={t('foreign.personHelp')}
            data={(people.data?.items ?? []).map(user => ({ value: user.id, label: user.displayName || user.name }))}
            onSearchChange={setSearch}
            withScrollArea={false}
            nothingFoundMessage={people.isPending ? t('common.unknown') : t('foreign.personNone')}
            {...form.getInputProps('userId')}
          />
          <ErrorPanel error={adopt.error ?? people.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button type="submit" loading={adopt.isPending} leftSection={<Icon of={Import} small />}>
              {t('foreign.adopt')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
