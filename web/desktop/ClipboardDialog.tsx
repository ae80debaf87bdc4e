import { Alert, Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Session } from '../../spice/session.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { notifyDone } from '../ui/notify.tsx'

interface ClipboardProps {
  session: Session | null
  copied: string | null
  works: boolean
  onClose: () => void
}

/** Text between here and there, also where the browser gives a page no clipboard. */
export function ClipboardDialog({ session, copied, works, onClose }: ClipboardProps) {
  const { t } = useTranslation()
  const [text, setText] = useState(copied ?? '')
  const send = () => {
    session?.clipboardOffer(text)
    notifyDone(t('screen.clipboardSent'))
    onClose()
  }
  return (
    <Dialog onClose={onClose} title={t('screen.clipboard')}>
      <Stack>
        {!works && <Alert color="yellow">{t('screen.clipboardNoAgent')}</Alert>}
        <Text size="sm">{t('screen.clipboardHelp')}</Text>
        <Textarea
          data-autofocus
          autosize
          minRows={4}
          maxRows={12}
          label={t('screen.clipboardText')}
          value={text}
          onChange={event => setText(event.currentTarget.value)}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.close')}
          </Button>
          <Button disabled={!works || !text} onClick={send}>
            {t('screen.clipboardSend')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
