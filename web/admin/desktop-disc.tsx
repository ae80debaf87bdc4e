/** The disc in the CD-ROM drive of one desktop. */
import { Button, Group, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { DiscSelect, useDiscs } from './disc-select.tsx'
import { appliesText } from './hardware-values.ts'

/** What is in it, in words. */
export function DiscName({ desktop: { cdrom } }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const discs = useDiscs()
  return cdrom === null
    ? t('making.discNone')
    : (discs.find(({ value }) => value === cdrom)?.label ?? t('common.unknown'))
}

export function DiscDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const [cdrom, setCdrom] = useState(desktop.cdrom)
  const save = useWrite(() => client.desktopUpdate({ params: { id: desktop.id }, body: { cdrom } }), ['desktop'])
  const submit = () =>
    save.mutate(undefined, {
      onSuccess: ({ applies }) => {
        notifyDone(appliesText(t, applies))
        onClose()
      },
    })
  return (
    <Dialog onClose={onClose} title={t('making.discTitle', { name: desktop.name })}>
      <Stack>
        <Text size="sm">{t('making.discText')}</Text>
        <DiscSelect value={cdrom} onChange={setCdrom} />
        <ErrorPanel error={save.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button loading={save.isPending} onClick={submit}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
