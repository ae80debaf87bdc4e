import { Button, Code, Group, ScrollArea, Select, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { TFunction } from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { logWord } from '../data/log-words.ts'
import { useMay } from '../data/me.ts'
import type { Desktop, DesktopLog } from '../data/nouns.ts'
import { desktopLogQuery } from '../data/queries.ts'
import { phaseWord, stepWord } from '../data/words.ts'
import { en } from '../i18n/en.ts'
import { formatDuration, formatExact, formatNumber, formatSecond } from '../ui/format.ts'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { ScriptDialog } from './script-dialog.tsx'

/** How it was made and customised, life by life of its disk; its scripts are tried here, and run again. */
export function DesktopSetup({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const [life, setLife] = useState<number | null>(null)
  const log = useQuery(desktopLogQuery(desktop.id, life)).data
  const again = desktop.actions.find(({ name }) => name === 'customise')
  const act = useWrite(() => client.desktopAct({ params: { id: desktop.id, name: 'customise' } }), ['desktop', 'pool'])
  const [trying, setTrying] = useState(false)
  const may = useMay()
  // As the API refuses it: its guest answers, or did.
  const triable =
    may('pool.write') && ['ready', 'starting', 'failed'].includes(desktop.phase) && desktop.power === 'running'
  if (!log?.lives.length && !again?.allowed && !triable) return null
  const tryAgain = () =>
    act.mutate(undefined, {
      onSuccess: () => notifyDone(t('customise.asked', { name: desktop.name })),
      onError: error => notifyError(error),
    })
  return (
    <Panel
      title={t('lives.title')}
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
      {log && log.lives.length > 0 && <Lives log={log} onLife={setLife} />}
    </Panel>
  )
}

function Lives({ log, onLife }: { log: DesktopLog; onLife: (life: number | null) => void }) {
  const { t } = useTranslation()
  const told = log.steps.map(({ name, ms, exitCode, attempts }) =>
    [
      `${lifeStep(t, name)} ${formatNumber(ms / 1000, 1)} s`,
      exitCode !== null && t('customise.exit', { code: exitCode }),
      attempts > 1 && t('lives.tries', { count: attempts }),
    ]
      .filter(Boolean)
      .join(', '),
  )
  return (
    <Stack gap="sm">
      <Select
        label={t('lives.which')}
        description={t('lives.help')}
        allowDeselect={false}
        data={log.lives.map(({ life, from, state, ms, userName }) => ({
          value: String(life),
          label: [
            t('lives.one', { number: life, at: formatExact(from) }),
            t(`lives.${state}`, { time: formatDuration(ms) }),
            userName,
          ]
            .filter(Boolean)
            .join(' · '),
        }))}
        value={log.life === null ? null : String(log.life)}
        onChange={value => onLife(value === null || value === String(log.lives[0]?.life) ? null : Number(value))}
      />
      {told.length > 0 && <Text size="sm">{told.join(' · ')}</Text>}
      <ScrollArea.Autosize mah="24rem" viewportProps={{ tabIndex: 0, role: 'log', 'aria-label': t('lives.title') }}>
        <Code block>
          {log.items.map(({ at, text }) => `${formatSecond(at)}  ${logWord(t, text, 'life')}`).join('\n')}
        </Code>
      </ScrollArea.Autosize>
    </Stack>
  )
}

const lifeStep = (t: TFunction, name: string) => (name in en.phase ? phaseWord(t, name) : stepWord(t, name))
