import { Button, Code, Group, ScrollArea, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { desktopSetupQuery } from '../data/queries.ts'
import { stepWord } from '../data/words.ts'
import { formatNumber, formatTime } from '../ui/format.ts'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { ScriptDialog } from './script-dialog.tsx'

/** What was run in its guest before anybody got it, newest first; nothing for one where nothing was. */
export function DesktopSetup({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const runs = useQuery(desktopSetupQuery(desktop.id)).data?.items ?? []
  const again = desktop.actions.find(({ name }) => name === 'customise')
  const act = useWrite(() => client.desktopAct({ params: { id: desktop.id, name: 'customise' } }), ['desktop', 'pool'])
  const [trying, setTrying] = useState(false)
  const may = useMay()
  // As the API refuses it: its guest answers, or did.
  const triable =
    may('pool.write') && ['ready', 'starting', 'failed'].includes(desktop.phase) && desktop.power === 'running'
  if (runs.length === 0 && !again?.allowed && !triable) return null
  const tryAgain = () =>
    act.mutate(undefined, {
      onSuccess: () => notifyDone(t('customise.asked', { name: desktop.name })),
      onError: error => notifyError(error),
    })
  return (
    <Panel
      title={t('customise.runs')}
      aside={
        <Group gap="xs">
          {triable && (
            <Button size="xs" variant="default" onClick={() => setTrying(true)}>
              {t('trial.button')}
            </Button>
          )}
          {again?.allowed && (
            <Button size="xs" loading={act.isPending} onClick={tryAgain}>
              {t('customise.again')}
            </Button>
          )}
        </Group>
      }
    >
      {trying && <ScriptDialog desktop={desktop} onClose={() => setTrying(false)} />}
      {runs.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('customise.noRuns')}
        </Text>
      )}
      <ScrollArea.Autosize mah="24rem">
        <Stack gap="md">
          {runs.map(run => (
            <div key={`${run.step} ${run.startedAt} ${run.attempt}`}>
              <Group gap="sm" mb={4}>
                <Text size="sm" fw={600}>
                  {stepWord(t, run.step)}
                  {run.attempt > 1 && ` · ${t('customise.attempt', { number: run.attempt })}`}
                </Text>
                <Text size="sm" c={run.state === 'failed' ? 'var(--mantine-color-error)' : 'dimmed'}>
                  {run.state === 'running'
                    ? t('customise.running')
                    : run.exitCode === null
                      ? t('customise.cut')
                      : t('customise.exit', { code: run.exitCode })}
                  {` · ${formatNumber(run.ms / 1000, 1)} s · ${formatTime(run.startedAt)}`}
                </Text>
              </Group>
              {(run.output || run.text) && (
                <Code block>{[run.output.trimEnd(), run.text].filter(Boolean).join('\n')}</Code>
              )}
            </div>
          ))}
        </Stack>
      </ScrollArea.Autosize>
    </Panel>
  )
}
