import { Alert, Button, Checkbox, Group, Stack, Text, TextInput } from '@mantine/core'
import { TriangleAlert } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Dialog } from './Dialog.tsx'
import { ErrorPanel } from './ErrorPanel.tsx'
import { Icon } from './Icon.tsx'
import { Facts } from './Panel.tsx'

export interface Loss {
  /** The question: names the act and the thing. */
  title: string
  /** Who has it, in which state. */
  facts?: [name: string, value: ReactNode][]
  /** What is gone afterwards, in one or two sentences. */
  lost: string
  /** Instead: nothing is lost yet, and until when it can be undone. */
  kept?: string
  /** A gentler way, said beneath. */
  instead?: string
  confirm: string
  keep?: string
  /** Only for many things at once: the word to type. */
  typeName?: string
  /** A further consent, handed to `act`. */
  also?: string
  act(also: boolean): Promise<unknown>
}

/** A destructive question. It stays open, with the reason, when the act is refused. */
export function ConfirmLoss({ loss, onClose }: { loss: Loss | null; onClose: () => void }) {
  return loss && <Question key={loss.title} loss={loss} onClose={onClose} />
}

function Question({ loss, onClose }: { loss: Loss; onClose: () => void }) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState('')
  const [also, setAlso] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const act = async () => {
    setBusy(true)
    setError(null)
    try {
      await loss.act(also)
      onClose()
    } catch (thrown) {
      setError(thrown)
      setBusy(false)
    }
  }
  return (
    <Dialog onClose={onClose} title={loss.title}>
      <Stack gap="md">
        {loss.facts && <Facts of={loss.facts} />}
        {loss.kept ? (
          <Text size="sm">{loss.kept}</Text>
        ) : (
          <Alert color="red" variant="light" icon={<Icon of={TriangleAlert} />} title={t('loss.lost')}>
            <Text size="sm">{loss.lost}</Text>
            <Text size="sm" fw={600} mt="xs">
              {t('loss.final')}
            </Text>
          </Alert>
        )}
        {loss.instead && <Text size="sm">{loss.instead}</Text>}
        {loss.also && (
          <Checkbox label={loss.also} checked={also} onChange={event => setAlso(event.currentTarget.checked)} />
        )}
        {loss.typeName && (
          <TextInput
            label={t('loss.typeName', { name: loss.typeName })}
            value={typed}
            onChange={event => setTyped(event.currentTarget.value)}
          />
        )}
        <ErrorPanel error={error} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose} data-autofocus>
            {loss.keep ?? t('common.cancel')}
          </Button>
          <Button color="red" loading={busy} disabled={!!loss.typeName && typed !== loss.typeName} onClick={act}>
            {loss.confirm}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
