import { Button, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { KeyRound, Pencil, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { DesktopBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { User } from '../data/nouns.ts'
import { desktopsQuery, userQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { DataTable } from '../ui/DataTable.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatList } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { NewPassword, UserDialog } from './user-form.tsx'

export function PersonDetail() {
  const { t } = useTranslation()
  const may = useMay()
  const { id } = useParams({ from: '/person/admin/people/$id' })
  const read = useQuery(userQuery(id))
  const desktops = useQuery({ ...desktopsQuery({ userId: id, limit: 50 }), enabled: may('desktop.read') })
  const user = read.data
  const up = <AnchorLink to="/admin/people">{t('people.title')}</AnchorLink>
  if (!user) return <PageUnread read={read} up={up} />
  return (
    <>
      <PageHead
        up={up}
        title={user.displayName || user.name}
        badge={
          <StateBadge
            size="md"
            look={user.disabled ? 'stopped' : 'good'}
            word={t(user.disabled ? 'userState.disabled' : 'userState.enabled')}
          />
        }
        actions={may('user.write') && <PersonActions user={user} />}
      />
      <Stack gap="lg">
        <Panel title={t('people.one')}>
          <Facts
            of={[
              [t('people.name'), user.name],
              [t('people.email'), user.email ?? t('common.none')],
              [t('people.roles'), user.roles.map(role => `${t(`role.${role}`)} – ${t(`roleHelp.${role}`)}`).join('; ')],
              [t('people.groups'), formatList(user.groups.map(group => group.name))],
              [t('people.lastSeen'), user.lastSeenAt ? <TimeAgo key="s" at={user.lastSeenAt} /> : t('people.never')],
              [t('people.created'), <TimeAgo key="c" at={user.createdAt} />],
            ]}
          />
        </Panel>
        {may('desktop.read') && (
          <Panel flush>
            <Text component="h2" fw={650} p="md">
              {t('people.desktops')}
            </Text>
            <DataTable
              noun={t('desktops.noun')}
              rows={desktops.data?.items}
              rowId={row => row.id}
              rowName={row => row.name}
              state={{ search: '', filters: {}, cursors: [] }}
              onState={() => undefined}
              error={desktops.error}
              empty={
                <Text size="sm" c="dimmed" px="md" pb="md">
                  {t('people.noDesktops')}
                </Text>
              }
              columns={[
                {
                  key: 'name',
                  head: t('desktops.name'),
                  cell: row => (
                    <Link to="/admin/desktops/$id" params={{ id: row.id }}>
                      {row.name}
                    </Link>
                  ),
                  text: row => row.name,
                },
                { key: 'state', head: t('desktops.state'), cell: row => <DesktopBadge desktop={row} /> },
                { key: 'pool', head: t('desktops.pool'), cell: row => row.poolName, text: row => row.poolName },
                {
                  key: 'since',
                  head: t('desktops.assigned'),
                  align: 'right',
                  cell: row => <TimeAgo at={row.assignedAt} />,
                },
              ]}
            />
          </Panel>
        )}
      </Stack>
    </>
  )
}

function PersonActions({ user }: { user: User }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const [dialog, setDialog] = useState<'edit' | 'password' | null>(null)
  const [loss, setLoss] = useState<Loss | null>(null)
  const remove = useWrite(
    (force: boolean) => client.userDelete({ params: { id: user.id }, query: { force } }),
    ['user', 'desktop', 'pool'],
  )
  const ask = () =>
    setLoss({
      title: t('loss.title', { action: t('action.delete'), name: user.name }),
      lost: t('people.deleteLoss'),
      confirm: t('common.delete'),
      act: async () => {
        await remove.mutateAsync(true)
        notifyDone(t('people.deleted', { name: user.name }))
        await navigate({ to: '/admin/people' })
      },
    })
  return (
    <>
      <Button size="xs" variant="default" leftSection={<Icon of={Pencil} small />} onClick={() => setDialog('edit')}>
        {t('common.edit')}
      </Button>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon of={KeyRound} small />}
        onClick={() => setDialog('password')}
      >
        {t('people.reset')}
      </Button>
      <ActionButton
        size="xs"
        variant="default"
        danger
        leftSection={<Icon of={Trash2} small />}
        reason={refusal(user.actions, 'delete') ?? null}
        onClick={ask}
      >
        {t('common.delete')}
      </ActionButton>
      {dialog === 'edit' && <UserDialog user={user} onClose={() => setDialog(null)} />}
      {dialog === 'password' && <ResetPassword user={user} onClose={() => setDialog(null)} />}
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}

function ResetPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation()
  const reset = useWrite(() => client.userPasswordReset({ params: { id: user.id }, body: {} }), ['user'])
  return (
    <Dialog onClose={onClose} title={t('people.resetTitle', { name: user.name })}>
      {reset.data?.password ? (
        <NewPassword name={user.name} password={reset.data.password} onClose={onClose} />
      ) : (
        <Stack>
          <Text size="sm">{t('people.resetText')}</Text>
          <ErrorPanel error={reset.error} />
          <Button data-autofocus loading={reset.isPending} onClick={() => reset.mutate(undefined)}>
            {t('people.reset')}
          </Button>
        </Stack>
      )}
    </Dialog>
  )
}
