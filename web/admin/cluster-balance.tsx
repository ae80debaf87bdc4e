import { Button, Group, List, NumberInput, SimpleGrid, Stack, Switch, Text } from '@mantine/core'
import { ArrowRightLeft, Power, PowerOff, Telescope, Undo2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import { useMay } from '../data/me.ts'
import type { Balance, BalancePlan, Cluster } from '../data/nouns.ts'
import { saidWord } from '../i18n/said.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Panel } from '../ui/Panel.tsx'
import { balanceFields, balanceRules, wrongInBalance } from './balance-values.ts'

/** What the cluster does by itself: both off until somebody has seen beforehand what they would do. */
export function ClusterBalance({ cluster }: { cluster: Cluster }) {
  const { t } = useTranslation()
  const writable = useMay()('host.write')
  const stale = useLiveness() === 'stale'
  const [wish, setWish] = useState<Balance | null>(null)
  const now = wish ?? cluster.balance
  const wrong = wrongInBalance(now)
  const save = useWrite(
    (balance: Balance) => client.clusterUpdate({ params: { id: cluster.id }, body: { balance } }),
    ['cluster'],
  )
  const plan = useWrite(() => client.clusterBalance({ params: { id: cluster.id }, body: { dryRun: true } }), [])
  return (
    <Panel title={t('balance.title')}>
      <Stack gap="lg">
        <Text size="sm" c="dimmed">
          {t('balance.lead')}
        </Text>
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          {balanceRules.map(rule => (
            <Stack key={rule} gap="sm">
              <Switch
                label={t(`balance.${rule}`)}
                description={t(`balance.${rule}Help`)}
                disabled={!writable}
                checked={now[rule].enabled}
                onChange={event =>
                  setWish({ ...now, [rule]: { ...now[rule], enabled: event.currentTarget.checked } } as Balance)
                }
              />
              <SimpleGrid cols={{ base: 1, xs: 2 }}>
                {balanceFields[rule].map(({ field, unit }) => (
                  <NumberInput
                    key={field}
                    label={t(`balanceField.${rule}_${field}` as 'balanceField.rebalance_maxMoves')}
                    suffix={unit ? ` ${t(`balanceUnit.${unit}`)}` : ''}
                    hideControls
                    allowDecimal={false}
                    clampBehavior="none"
                    disabled={!writable}
                    value={(now[rule] as Record<string, number | string | boolean>)[field] as number | string}
                    error={wrong.has(`${rule}.${field}`) && t('balance.outOfLimits')}
                    onChange={value => setWish({ ...now, [rule]: { ...now[rule], [field]: value } } as Balance)}
                  />
                ))}
              </SimpleGrid>
            </Stack>
          ))}
        </SimpleGrid>
        <ErrorPanel error={save.error ?? plan.error} />
        {writable && (
          <Group>
            {wish && (
              <>
                <Button
                  loading={save.isPending}
                  disabled={stale || wrong.size > 0}
                  onClick={() =>
                    save.mutate(wish, {
                      onSuccess: () => {
                        setWish(null)
                        plan.reset()
                        notifyDone(t('clusters.saved', { name: cluster.name }))
                      },
                    })
                  }
                >
                  {t('common.save')}
                </Button>
                <Button variant="default" onClick={() => setWish(null)}>
                  {t('common.cancel')}
                </Button>
              </>
            )}
            <Button
              variant="default"
              leftSection={<Icon of={Telescope} small />}
              loading={plan.isPending}
              disabled={stale || wish !== null}
              onClick={() => plan.mutate(undefined)}
            >
              {t('balance.preview')}
            </Button>
          </Group>
        )}
        <div role="status">{plan.data && !wish && <Preview plan={plan.data} />}</div>
      </Stack>
    </Panel>
  )
}

const stepIcons = { move: ArrowRightLeft, off: PowerOff, on: Power, keep: Undo2 }
const hostSteps = { off: 'balance.stepOff', on: 'balance.stepOn', keep: 'balance.stepKeep' } as const

function Preview({ plan }: { plan: BalancePlan }) {
  const { t } = useTranslation()
  return (
    <Stack gap="xs">
      <Text size="sm" fw={600}>
        {plan.steps.length ? t('balance.would', { count: plan.steps.length }) : t('balance.wouldNothing')}
      </Text>
      {plan.steps.map(step => (
        <Group key={`${step.do} ${step.desktopId ?? step.hostId}`} gap="xs" wrap="nowrap" align="flex-start">
          <Icon of={stepIcons[step.do]} small />
          <div>
            <Text size="sm">
              {step.do === 'move'
                ? t('balance.stepMove', {
                    name: step.desktopName ?? '',
                    from: step.fromHostName ?? '',
                    to: step.toHostName ?? '',
                  })
                : t(hostSteps[step.do], { host: step.hostName ?? '' })}
            </Text>
            <Text size="xs" c="dimmed">
              {saidWord(step.because)}
            </Text>
          </div>
        </Group>
      ))}
      <List size="sm" c="dimmed">
        {plan.notes.map(note => (
          <List.Item key={note}>{saidWord(note)}</List.Item>
        ))}
      </List>
    </Stack>
  )
}
