/** The snapshots of a persistent desktop's disk: taken, reverted to, removed. */
import { Button, Group, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Desktop, Snapshot } from '../data/nouns.ts'
import { snapshotsQuery } from '../data/queries.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { DataTable } from '../ui/DataTable.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { TimeAgo } from '../ui/TimeAgo.tsx'

export function DesktopSnapshots({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const read = useQuery(snapshotsQuery(desktop.id))
  const [taking, setTaking] = useState(false)
  const { data } = read
  const take = data && may('desktop.write') ? refusal(data.actions, 'take') : undefined
  return (
    <Panel
      title={t('snapshots.title')}
      aside={
        take !== undefined && (
          <ActionButton size="xs" variant="default" reason={take} onClick={() => setTaking(true)}>
            {t('snapshots.take')}
          </ActionButton>
        )
      }
    >
      <ErrorPanel error={read.error} />
      {data && data.items.length === 0 && <Text size="sm">{t('snapshots.none', { most: data.most })}</Text>}
      {data && data.items.length > 0 && <Rows desktop={desktop} items={data.items} />}
      {taking && <TakeDialog desktop={desktop} onClose={() => setTaking(false)} />}
    </Panel>
  )
}

function Rows({ desktop, items }: { desktop: Desktop; items: Snapshot[] }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const [loss, setLoss] = useState<Loss | null>(null)
  const remove = useWrite((name: string) => client.snapshotRemove({ params: { id: desktop.id, name } }), ['desktop'])
  const revert = useWrite((name: string) => client.snapshotRevert({ params: { id: desktop.id, name } }), ['desktop'])
  const ask = (snapshot: Snapshot, what: 'revert' | 'remove') => {
    const word = t(`snapshots.${what}`)
    setLoss({
      title: t('loss.title', { action: word, name: snapshot.name }),
      lost: t(what === 'revert' ? 'snapshots.revertLoss' : 'snapshots.removeLoss'),
      confirm: word,
      act: async () => {
        await (what === 'revert' ? revert : remove).mutateAsync(snapshot.name)
        notifyDone(t('actionDone.asked', { action: word, name: snapshot.name }))
      },
    })
  }
  const guest = ({ state, frozen }: Snapshot) =>
    state !== 'ready'
      ? t(`snapshots.${state}`)
      : t(frozen === null ? 'snapshots.stood' : frozen ? 'snapshots.frozen' : 'snapshots.notFrozen')
  const buttons = (snapshot: Snapshot) => (
    <Group gap="xs">
      {(['revert', 'remove'] as const).map(what => (
        <ActionButton
          key={what}
          size="xs"
          variant="default"
          danger={what === 'remove'}
          reason={refusal(snapshot.actions, what) ?? null}
          onClick={() => ask(snapshot, what)}
        >
          {t(`snapshots.${what}`)}
        </ActionButton>
      ))}
    </Group>
  )
  return (
    <>
      <DataTable
        part
        noun={t('snapshots.title')}
        rows={items}
        rowId={row => row.id}
        rowName={row => row.name}
        state={{ search: '', filters: {}, cursors: [] }}
        onState={() => undefined}
        empty={null}
        columns={[
          {
            key: 'name',
            head: t('desktops.name'),
            cell: row => (
              <>
                {row.name}
                {row.note && (
                  <Text size="xs" c="dimmed">
                    {row.note}
                  </Text>
                )}
              </>
            ),
          },
          {
            key: 'taken',
            head: t('snapshots.taken'),
            cell: row => (row.takenAt ? <TimeAgo at={row.takenAt} /> : t('common.none')),
          },
          { key: 'guest', head: t('snapshots.guest'), cell: guest },
          {
            key: 'disk',
            head: t('templates.disk'),
            cell: row => (row.diskBytes === null ? t('common.none') : <Bytes of={row.diskBytes} />),
          },
          { key: 'by', head: t('desktops.by'), cell: row => row.takenBy ?? t('common.none') },
          ...(may('desktop.write') ? [{ key: 'actions', head: t('snapshots.actions'), cell: buttons }] : []),
        ]}
      />
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}

function TakeDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const form = useForm({ initialValues: { name: '', note: '' } })
  const take = useWrite(
    (body: typeof form.values) => client.snapshotTake({ params: { id: desktop.id }, body }),
    ['desktop'],
  )
  const submit = (values: typeof form.values) =>
    take.mutate(values, {
      onSuccess: () => {
        notifyDone(t('actionDone.asked', { action: t('snapshots.take'), name: desktop.name }))
        onClose()
      },
      onError: error => form.setErrors(problemOf(error).fields),
    })
  return (
    <Dialog onClose={onClose} title={t('snapshots.takeTitle', { name: desktop.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Text size="sm">{t('snapshots.takeText')}</Text>
          <TextInput data-autofocus label={t('desktops.name')} {...form.getInputProps('name')} />
          <Textarea label={t('snapshots.note')} autosize maxRows={4} {...form.getInputProps('note')} />
          <ErrorPanel error={take.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button type="submit" loading={take.isPending}>
              {t('snapshots.take')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
