import { Button, Modal, MultiSelect, Group as Row, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { UsersRound } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Group } from '../data/nouns.ts'
import { groupsQuery, usersQuery } from '../data/queries.ts'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'

/** Names listed in a row; the rest is a number. */
const namesShown = 4

export function Groups() {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const search = useSearch({ from: '/person/admin/people' })
  const read = useQuery(groupsQuery({ limit: 200 }))
  const show = (value: string | undefined) =>
    void navigate({ to: '/admin/people', search: { tab: 'groups', ...(value && { new: value }) }, replace: true })
  const wanted = search.new
  const edited = read.data?.items.find(group => group.id === wanted)
  const members = (group: Group) => {
    const names = group.members.slice(0, namesShown).map(member => member.displayName || member.name)
    const rest = group.members.length - names.length
    return [...names, ...(rest > 0 ? [`+${rest}`] : [])].join(', ') || t('common.none')
  }
  return (
    <Panel flush>
      <DataTable
        noun={t('people.groupsTitle')}
        rows={read.data?.items}
        rowId={row => row.id}
        rowName={row => row.name}
        state={{ search: '', filters: {}, cursors: [] }}
        onState={() => undefined}
        error={read.error}
        retry={() => void read.refetch()}
        empty={
          <EmptyState
            icon={UsersRound}
            title={t('people.groupsEmptyTitle')}
            text={t('people.groupsEmptyText')}
            action={may('user.write') && <Button onClick={() => show('group')}>{t('people.groupNew')}</Button>}
          />
        }
        columns={[
          {
            key: 'name',
            head: t('people.groupName'),
            cell: row => (
              <Link to="/admin/people" search={{ tab: 'groups', new: row.id }}>
                {row.name}
              </Link>
            ),
            text: row => row.name,
          },
          {
            key: 'description',
            head: t('people.groupDescription'),
            cell: row => row.description || t('common.none'),
            text: row => row.description,
          },
          { key: 'members', head: t('people.groupMembers'), cell: members, text: members },
          {
            key: 'count',
            head: t('people.people'),
            align: 'right',
            cell: row => t('people.memberCount', { count: row.members.length }),
            text: row => String(row.members.length),
          },
        ]}
      />
      {wanted === 'group' && <GroupDialog group={null} onClose={() => show(undefined)} />}
      {edited && <GroupDialog group={edited} onClose={() => show(undefined)} />}
    </Panel>
  )
}

function GroupDialog({ group, onClose }: { group: Group | null; onClose: () => void }) {
  const { t } = useTranslation()
  const writable = useMay()('user.write')
  const users = useQuery(usersQuery({ limit: 500 }))
  const [loss, setLoss] = useState<Loss | null>(null)
  const form = useForm({
    initialValues: {
      name: group?.name ?? '',
      description: group?.description ?? '',
      userIds: group?.members.map(member => member.id) ?? [],
    },
  })
  const nouns = ['group', 'user', 'pool']
  const save = useWrite(
    (body: typeof form.values) =>
      group ? client.groupUpdate({ params: { id: group.id }, body }) : client.groupCreate({ body }),
    nouns,
  )
  const remove = useWrite((id: string) => client.groupDelete({ params: { id } }), nouns)
  const submit = (values: typeof form.values) =>
    save.mutate(values, {
      onSuccess: () => {
        notifyDone(t('people.saved'))
        onClose()
      },
      onError: error => {
        for (const [field, message] of Object.entries(problemOf(error).fields)) form.setFieldError(field, message)
      },
    })
  const people = new Map(
    [...(group?.members ?? []), ...(users.data?.items ?? [])].map(user => [user.id, user.displayName || user.name]),
  )
  return (
    <>
      <Modal
        opened={!loss}
        onClose={onClose}
        title={group ? t('people.groupEdit', { name: group.name }) : t('people.groupNew')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <form onSubmit={form.onSubmit(submit)}>
          <Stack>
            <TextInput
              required
              data-autofocus
              disabled={!writable}
              label={t('people.groupName')}
              description={t('templates.nameHelp')}
              {...form.getInputProps('name')}
            />
            <TextInput
              disabled={!writable}
              label={t('people.groupDescription')}
              {...form.getInputProps('description')}
            />
            <MultiSelect
              searchable
              disabled={!writable}
              label={t('people.groupMembers')}
              description={t('pools.peopleHelp')}
              data={[...people].map(([value, label]) => ({ value, label }))}
              {...form.getInputProps('userIds')}
            />
            <ErrorPanel error={save.error} />
            {writable && (
              <Row justify="space-between">
                {group ? (
                  <Button
                    variant="default"
                    c="var(--mantine-color-error)"
                    onClick={() =>
                      setLoss({
                        title: t('loss.title', { action: t('action.delete'), name: group.name }),
                        lost: t('people.groupDeleteLoss'),
                        confirm: t('common.delete'),
                        act: async () => {
                          await remove.mutateAsync(group.id)
                          onClose()
                        },
                      })
                    }
                  >
                    {t('common.delete')}
                  </Button>
                ) : (
                  <span />
                )}
                <Button type="submit" loading={save.isPending}>
                  {t('common.save')}
                </Button>
              </Row>
            )}
          </Stack>
        </form>
      </Modal>
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}
