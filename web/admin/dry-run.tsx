import { Button, Group, NumberInput, Stack, Text } from '@mantine/core'
import { MapPin, Waypoints } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import type { PlacementDryRun } from '../data/nouns.ts'
import { saidWord } from '../i18n/said.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { Bar } from '../ui/Meter.tsx'
import { StateBadge } from '../ui/StateBadge.tsx'
import classes from './DryRun.module.css'
import { placedByHost } from './placed-by-host.ts'
import { PlacementTable } from './why-here.tsx'

/** As many as the API tries at once. */
const most = 200

/** Where would so many more desktops go? Nothing is made. `changed` tells answers apart: another one, and the old answer goes. */
export function DryRun(props: { act: (count: number) => Promise<PlacementDryRun>; changed?: string }) {
  const { t } = useTranslation()
  const [count, setCount] = useState<number | string>(10)
  const [answer, setAnswer] = useState<{ of: string | undefined; wanted: number; told: PlacementDryRun } | null>(null)
  const ask = useWrite(props.act, [])
  const wanted = Number(count)
  const able = Number.isInteger(wanted) && wanted >= 1 && wanted <= most
  const show = () => able && ask.mutate(wanted, { onSuccess: told => setAnswer({ of: props.changed, wanted, told }) })
  return (
    <Stack>
      <Group align="flex-end" gap="xs">
        <NumberInput
          label={t('dryRun.count')}
          w="9rem"
          min={1}
          max={most}
          allowDecimal={false}
          value={count}
          onChange={setCount}
          onKeyDown={event => {
            if (event.key !== 'Enter') return
            // It may stand in a form, which Enter would send off.
            event.preventDefault()
            show()
          }}
        />
        <Button
          variant="default"
          leftSection={<Icon of={MapPin} small />}
          loading={ask.isPending}
          disabled={!able}
          onClick={show}
        >
          {t('dryRun.ask')}
        </Button>
      </Group>
      <ErrorPanel error={ask.error} />
      <div role="status">
        {answer && answer.of === props.changed && <Foreseen wanted={answer.wanted} told={answer.told} />}
      </div>
    </Stack>
  )
}

function Foreseen({ wanted, told }: { wanted: number; told: PlacementDryRun }) {
  const { t } = useTranslation()
  const [why, setWhy] = useState(false)
  const missing = wanted - told.desktops.length
  const first = told.desktops[0]
  return (
    <Stack gap="sm">
      {missing > 0 ? (
        <>
          <div>
            <StateBadge look="warn" size="md" word={t('dryRun.short', { count: missing })} />
          </div>
          <Text size="sm">{saidWord(told.shortReason)}</Text>
        </>
      ) : (
        <div>
          <StateBadge look="good" size="md" word={t('dryRun.all')} />
        </div>
      )}
      <dl className={classes.hosts}>
        {placedByHost(told.desktops).map(({ hostName, count }) => (
          <div key={hostName}>
            <dt>{hostName}</dt>
            <dd>
              <Bar
                text={t('dryRun.there', { count, formatted: formatNumber(count) })}
                whole={wanted}
                parts={[{ value: count, tone: 'busy' }]}
              />
            </dd>
          </div>
        ))}
      </dl>
      {first && (
        <>
          <Group>
            <Button
              size="xs"
              variant="default"
              leftSection={<Icon of={Waypoints} small />}
              onClick={() => setWhy(true)}
            >
              {t('dryRun.why')}
            </Button>
          </Group>
          {why && (
            <Dialog size="xl" title={t('dryRun.whyFirst')} onClose={() => setWhy(false)}>
              <Stack>
                <Text size="sm">{saidWord(first.why)}</Text>
                <PlacementTable hosts={first.hosts} hostId={first.hostId} />
              </Stack>
            </Dialog>
          )}
        </>
      )}
    </Stack>
  )
}
