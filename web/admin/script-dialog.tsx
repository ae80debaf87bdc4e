import { Button, Checkbox, Group, Select, Stack, Text, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Ask } from '../../api/client.ts'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'
import { poolQuery } from '../data/queries.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'

const choices = ['before', 'after', 'own'] as const
type Choice = (typeof choices)[number]

/** Tries a script in one desktop before a pool gets it; its output comes to the desktop's page and its task's log. */
export function ScriptDialog({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const customise = useQuery(poolQuery(desktop.poolId)).data?.customise
  const [choice, setChoice] = useState<Choice>('own')
  const [shell, setShell] = useState<'sh' | 'powershell' | null>(null)
  const [text, setText] = useState('')
  const [whileUsed, setWhileUsed] = useState(false)
  const used = (desktop.session?.clients ?? 0) > 0
  const run = useWrite(
    (body: NonNullable<Ask<'desktopScriptTry'>['body']>) =>
      client.desktopScriptTry({ params: { id: desktop.id }, body }),
    ['desktop', 'task'],
  )
  const shown = choice === 'own' ? text : (customise?.[choice]?.text ?? '')
  const system = choice === 'own' ? (shell ?? customise?.shell ?? 'sh') : (customise?.shell ?? 'sh')
  const start = () =>
    run.mutate(
      { ...(choice === 'own' ? { text, shell: system } : { script: choice }), whileUsed },
      {
        onSuccess: () => {
          notifyDone(t('trial.asked', { name: desktop.name }))
          onClose()
        },
      },
    )
  return (
    <Dialog title={t('trial.title', { name: desktop.name })} size="lg" onClose={onClose}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t('trial.help')}
        </Text>
        <Group grow align="flex-start">
          <Select
            label={t('trial.which')}
            data={choices
              .filter(name => name === 'own' || customise?.[name])
              .map(name => ({ value: name, label: t(`trial.${name}`) }))}
            allowDeselect={false}
            value={choice}
            onChange={value => setChoice((value ?? 'own') as Choice)}
          />
          <Select
            label={t('customise.shell')}
            data={[
              { value: 'sh', label: t('customise.sh') },
              { value: 'powershell', label: t('customise.powershell') },
            ]}
            allowDeselect={false}
            disabled={choice !== 'own'}
            value={system}
            onChange={value => setShell(value as typeof shell)}
          />
        </Group>
        <Textarea
          autosize
          minRows={6}
          maxRows={16}
          maxLength={32_768}
          spellCheck={false}
          data-autofocus
          label={t('trial.text')}
          readOnly={choice !== 'own'}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          value={shown}
          onChange={event => setText(event.currentTarget.value)}
        />
        {used && (
          <Checkbox
            label={t('trial.whileUsed', { user: desktop.userName ?? '' })}
            checked={whileUsed}
            onChange={event => setWhileUsed(event.currentTarget.checked)}
          />
        )}
        <ErrorPanel error={run.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button disabled={shown.trim() === '' || (used && !whileUsed)} loading={run.isPending} onClick={start}>
            {t('trial.run')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
