/** The disc in the CD-ROM drive of one desktop. */
import { Button, Checkbox, Group, Stack, Text } from '@mantine/core'
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
export function DiscName({ desktop: { cdrom, bootDisc } }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const discs = useDiscs()
  if (cdrom === null) return t('making.discNone')
  const disc = discs.find(({ value }) => value === cdrom)?.label ?? t('common.unknown')
  return bootDisc ? t('making.discFirst', { disc }) : disc
}

export function DiscDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const [cdrom, setCdrom] = useState(desktop.cdrom)
  const [first, setFirst] = useState(desktop.bootDisc)
  const bootDisc = first && cdrom !== null
  const save = useWrite(
    () => client.desktopUpdate({ params: { id: desktop.id }, body: { cdrom, bootDisc } }),
    ['desktop'],
  )
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
        <Checkbox
          label={t('making.bootDisc')}
          description={t('making.bootDiscHelp')}
          disabled={cdrom === null}
          checked={bootDisc}
          onChange={event => setFirst(event.currentTarget.checked)}
        />
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
