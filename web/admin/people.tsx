import { Button, Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Plus, Users } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useMay } from '../data/me.ts'
import type { Role, User } from '../data/nouns.ts'
import { usersQuery } from '../data/queries.ts'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { formatList } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { Groups } from './groups.tsx'
import { given, useListState } from './list-state.ts'
import { roleNames, UserDialog } from './user-form.tsx'

export function People() {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const { tab = 'people', new: wanted } = useSearch({ from: '/person/admin/people' })
  const creating = (opened: boolean) =>
    void navigate({ to: '/admin/people', search: opened ? { new: 'person' } : {}, replace: true })
  const groups = tab === 'groups'
  return (
    <>
      <PageHead
        title={t('people.title')}
        actions={
          may('user.write') && (
            <Button
              leftSection={<Icon of={Plus} />}
              onClick={() =>
                groups
                  ? void navigate({ to: '/admin/people', search: { tab: 'groups', new: 'group' }, replace: true })
                  : creating(true)
              }
            >
              {groups ? t('people.groupNew') : t('people.new')}
            </Button>
          )
        }
      />
      <Tabs
        value={groups ? 'groups' : 'people'}
        keepMounted={false}
        onChange={value =>
          void navigate({ to: '/admin/people', search: value === 'groups' ? { tab: value } : {}, replace: true })
        }
      >
        <Tabs.List mb="lg">
          <Tabs.Tab value="people">{t('people.people')}</Tabs.Tab>
          <Tabs.Tab value="groups">{t('people.groupsTitle')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="people">
          <PeopleTable onNew={() => creating(true)} />
        </Tabs.Panel>
        <Tabs.Panel value="groups">
          <Groups />
        </Tabs.Panel>
      </Tabs>
      {wanted === 'person' && may('user.write') && <UserDialog user={null} onClose={() => creating(false)} />}
    </>
  )
}

function PeopleTable({ onNew }: { onNew: () => void }) {
  const { t } = useTranslation()
  const may = useMay()
  const { state, onState, query } = useListState()
  const { tab: _tab, new: _new, ...filters } = state.filters
  const read = useQuery(
    usersQuery({ ...query, ...given({ search: state.search, role: filters.role as Role | undefined }) }),
  )
  return (
    <Panel flush>
      <DataTable<User>
        noun={t('people.noun')}
        rows={read.data?.items}
        rowId={row => row.id}
        rowName={row => row.name}
        state={{ ...state, filters }}
        onState={onState}
        searchable
        filters={[
          {
            key: 'role',
            label: t('people.filterRole'),
            options: roleNames.map(role => ({ value: role, label: t(`role.${role}`) })),
          },
        ]}
        nextCursor={read.data?.nextCursor}
        error={read.error}
        retry={() => void read.refetch()}
        empty={
          <EmptyState
            icon={Users}
            title={t('people.emptyTitle')}
            text={t('people.emptyText')}
            action={may('user.write') && <Button onClick={onNew}>{t('people.new')}</Button>}
          />
        }
        columns={[
          {
            key: 'name',
            head: t('people.name'),
            cell: row => (
              <Link to="/admin/people/$id" params={{ id: row.id }}>
                {row.name}
              </Link>
            ),
            text: row => row.name,
          },
          {
            key: 'displayName',
            head: t('people.displayName'),
            cell: row => row.displayName,
            text: row => row.displayName,
          },
          {
            key: 'roles',
            head: t('people.roles'),
            cell: row => formatList(row.roles.map(role => t(`role.${role}`))),
            text: row => row.roles.join(' '),
          },
          {
            key: 'groups',
            head: t('people.groups'),
            cell: row => formatList(row.groups.map(group => group.name)),
            text: row => row.groups.map(group => group.name).join(' '),
          },
          {
            key: 'state',
            head: t('people.state'),
            cell: row => (
              <StateBadge
                look={row.disabled ? 'stopped' : 'good'}
                word={t(row.disabled ? 'userState.disabled' : 'userState.enabled')}
              />
            ),
            text: row => (row.disabled ? 'disabled' : 'enabled'),
          },
          {
            key: 'seen',
            head: t('people.lastSeen'),
            align: 'right',
            cell: row => (row.lastSeenAt ? <TimeAgo at={row.lastSeenAt} /> : t('people.never')),
            text: row => row.lastSeenAt ?? '',
          },
        ]}
      />
    </Panel>
  )
}
