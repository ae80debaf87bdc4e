import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import { useMay } from '../data/me.ts'
import type { Template, TemplateVersion } from '../data/nouns.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'

/** As long as the API takes them. */
const longest = 2000

/** What was noted of a version, changed where it stands. */
export function VersionNotes({ template, version }: { template: Template; version: TemplateVersion }) {
  const { t } = useTranslation()
  const may = useMay()
  const stale = useLiveness() === 'stale'
  const [text, setText] = useState<string | null>(null)
  const params = { id: template.id, number: version.number }
  const save = useWrite((notes: string) => client.versionUpdate({ params, body: { notes } }), ['template'])
  const label = t('templates.notesOf', { number: version.number })
  if (text === null)
    return (
      <Group gap="xs" align="flex-start">
        <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
          {version.notes || t('common.none')}
        </Text>
        {may('template.write') && (
          <ActionButton
            size="compact-xs"
            variant="subtle"
            aria-label={`${t('common.edit')}: ${label}`}
            reason={stale ? t('frame.offlineAction') : null}
            onClick={() => setText(version.notes)}
          >
            {t('common.edit')}
          </ActionButton>
        )}
      </Group>
    )
  const keep = () => {
    save.mutate(text.trim(), {
      onSuccess: () => {
        setText(null)
        notifyDone(t('templates.notesSaved', { number: version.number }))
      },
    })
  }
  return (
    <Stack gap="xs">
      <Textarea
        autosize
        minRows={2}
        maxRows={10}
        maxLength={longest}
        data-autofocus
        autoFocus
        aria-label={label}
        description={t('templates.notesHelp')}
        value={text}
        onChange={event => setText(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key !== 'Escape') return
          event.stopPropagation()
          setText(null)
        }}
      />
      <ErrorPanel error={save.error} />
      <Group gap="xs">
        <Button size="xs" loading={save.isPending} onClick={keep}>
          {t('common.save')}
        </Button>
        <Button size="xs" variant="default" onClick={() => setText(null)}>
          {t('common.cancel')}
        </Button>
      </Group>
    </Stack>
  )
}
