import { Alert, Button, Group, MultiSelect, Stack, Switch, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { EyeOff } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Entitlements, Pool } from '../data/nouns.ts'
import { entitlementQuery, groupsQuery, usersQuery } from '../data/queries.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'

/** People offered at once; the search finds the others. */
const offered = 50

/** Who may use a pool: everyone, or named people and groups. */
export function PoolAccess({ pool }: { pool: Pool }) {
  const { t } = useTranslation()
  const may = useMay()
  const writable = may('entitlement.write')
  const [search, setSearch] = useState('')
  const [asked] = useDebouncedValue(search, 250)
  const read = useQuery(entitlementQuery(pool.id))
  const users = useQuery({
    ...usersQuery({ limit: offered, ...(asked && { search: asked }) }),
    enabled: may('user.read'),
  })
  const groups = useQuery({ ...groupsQuery({ limit: 500 }), enabled: may('user.read') })
  const [wish, setWish] = useState<Entitlements | null>(null)
  const [names, setNames] = useState<Record<string, string>>({})
  const save = useWrite((body: Entitlements) => client.entitlementSet({ params: { id: pool.id }, body }), ['pool'])

  useEffect(() => {
    // Names stay known when a search narrows the list: a chosen person must not turn into an id.
    const seen = Object.fromEntries((users.data?.items ?? []).map(user => [user.id, user.displayName || user.name]))
    setNames(known => ({ ...known, ...seen }))
  }, [users.data])

  const now = wish ?? read.data
  if (!now) return <ErrorPanel error={read.error} retry={() => void read.refetch()} />
  const change = (part: Partial<Entitlements>) => setWish({ ...now, ...part })
  const people = [...new Set([...now.userIds, ...(users.data?.items ?? []).map(user => user.id)])]
  const nobody = !now.everyone && !now.userIds.length && !now.groupIds.length
  return (
    <Panel title={t('pools.access')}>
      <Stack maw="40rem">
        <Text size="sm" c="dimmed">
          {t('pools.accessText')}
        </Text>
        {!writable && <Alert color="blue">{t('pools.accessReadOnly')}</Alert>}
        <Switch
          label={t('pools.everyone')}
          checked={now.everyone}
          disabled={!writable}
          onChange={event => change({ everyone: event.currentTarget.checked })}
        />
        <MultiSelect
          label={t('pools.people')}
          description={t('pools.peopleHelp')}
          data={people.map(id => ({ value: id, label: names[id] ?? id }))}
          value={now.userIds}
          onChange={userIds => change({ userIds })}
          disabled={!writable || now.everyone}
          searchable
          searchValue={search}
          onSearchChange={setSearch}
          clearable
          clearButtonProps={{ 'aria-label': t('common.clear') }}
        />
        <MultiSelect
          label={t('pools.groups')}
          data={(groups.data?.items ?? []).map(group => ({ value: group.id, label: group.name }))}
          value={now.groupIds}
          onChange={groupIds => change({ groupIds })}
          disabled={!writable || now.everyone}
          searchable
          clearable
          clearButtonProps={{ 'aria-label': t('common.clear') }}
        />
        {nobody && (
          <Alert color="yellow" icon={<Icon of={EyeOff} />}>
            {t('pools.accessNobody')}
          </Alert>
        )}
        <ErrorPanel error={save.error} />
        {writable && (
          <Group>
            <Button
              disabled={!wish}
              loading={save.isPending}
              onClick={() =>
                save.mutate(now, {
                  onSuccess: () => {
                    setWish(null)
                    notifyDone(t('pools.accessSaved', { name: pool.name }))
                  },
                })
              }
            >
              {t('pools.accessSave')}
            </Button>
          </Group>
        )}
      </Stack>
    </Panel>
  )
}
