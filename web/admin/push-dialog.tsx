import { Alert, Button, Group, List, NumberInput, Radio, Select, Stack, Switch, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { Info, Rocket, TriangleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { Ask } from '../../api/client.ts'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useLiveness } from '../data/live.ts'
import type { Pool, PushPlan, Template } from '../data/nouns.ts'
import { pushPlanQuery, templateQuery } from '../data/queries.ts'
import { saidWord } from '../i18n/said.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatList, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { PageWait } from '../ui/PageWait.tsx'
import { localZone, timeAsked } from './push-time.ts'

interface Wish {
  version: string | null
  when: 'now' | 'at'
  /** As the box holds it: of the time zone of whoever sits there. */
  at: string
  force: boolean
  notice: number | string
  notes: string
}

/** Which version, when, and how patiently; what it would do stands beneath before anything is done. */
export function PushDialog({ pool, onClose }: { pool: Pool; onClose: () => void }) {
  const { t } = useTranslation()
  const template = useQuery(templateQuery(pool.templateId))
  return (
    <Dialog onClose={onClose} size="lg" title={t('pushes.askTitle', { name: pool.name })}>
      {template.data ? (
        <PushForm pool={pool} versions={template.data.versions} onClose={onClose} />
      ) : template.error ? (
        <ErrorPanel error={template.error} retry={() => void template.refetch()} />
      ) : (
        <PageWait />
      )}
    </Dialog>
  )
}

function PushForm({ pool, versions, onClose }: { pool: Pool; versions: Template['versions']; onClose: () => void }) {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  const other = versions.find(({ number, state }) => state === 'sealed' && number !== pool.currentVersion)
  const form = useForm<Wish>({
    initialValues: {
      version: other ? String(other.number) : null,
      when: 'now',
      at: '',
      force: false,
      notice: 30,
      notes: '',
    },
    validateInputOnBlur: true,
    validate: {
      version: value => (value ? null : t('pushes.versionMissing')),
      at: (value, { when }) => {
        if (when === 'now') return null
        const at = timeAsked(value)
        return at === null ? t('pushes.atMissing') : at.getTime() < Date.now() ? t('pushes.atPast') : null
      },
      notice: (value, { force }) => (!force || isNotice(value) ? null : t('pushes.noticeBad')),
    },
  })
  const wish = form.values
  const body = bodyOf(wish)
  // What it would do does not depend on its time.
  const planned = bodyOf({ ...wish, when: 'now', force: wish.force && isNotice(wish.notice) })
  const plan = useQuery({ ...pushPlanQuery(pool.id, planned ?? { version: 1 }), enabled: planned !== null })
  const push = useWrite(
    (asked: Ask<'pushMake'>['body']) => client.pushMake({ params: { id: pool.id }, body: asked }),
    ['pool', 'desktop'],
  )
  const submit = () => {
    if (!body) return
    push.mutate(body, {
      onSuccess: () => {
        const said = { number: Number(wish.version), name: pool.name }
        notifyDone(t(wish.when === 'now' ? 'pushes.begun' : 'pushes.planned', said))
        onClose()
      },
    })
  }
  const refused = saidWord(plan.data?.actions.find(({ name }) => name === 'push')?.reason)
  return (
    <form onSubmit={form.onSubmit(submit)} noValidate>
      <Stack>
        <Text size="sm">{t(pool.kind === 'floating' ? 'pushes.lead' : 'pushes.leadKept')}</Text>
        <Select
          required
          label={t('pushes.version')}
          data={versions.map(({ number, notes, state }) => ({
            value: String(number),
            label: versionLabel(number, [
              number === pool.currentVersion && t('pushes.current'),
              state !== 'sealed' && t(`versionState.${state}`),
              notes,
            ]),
          }))}
          {...form.getInputProps('version')}
        />
        <Radio.Group label={t('pushes.when')} {...form.getInputProps('when')}>
          <Group mt="xs">
            <Radio value="now" label={t('pushes.now')} />
            <Radio value="at" label={t('pushes.at')} />
          </Group>
        </Radio.Group>
        {wish.when === 'at' && (
          <TextInput
            required
            type="datetime-local"
            label={t('pushes.atField')}
            description={t('pushes.zone', { zone: localZone() })}
            {...form.getInputProps('at')}
          />
        )}
        {pool.kind === 'floating' && (
          <>
            <Switch
              label={t('pushes.force')}
              description={t('pushes.forceHelp')}
              {...form.getInputProps('force', { type: 'checkbox' })}
            />
            {wish.force && (
              <NumberInput
                label={t('pushes.notice')}
                min={0}
                max={10_080}
                allowDecimal={false}
                clampBehavior="none"
                w="12rem"
                {...form.getInputProps('notice')}
              />
            )}
          </>
        )}
        <TextInput label={t('pushes.notes')} maxLength={500} {...form.getInputProps('notes')} />
        <div role="status">
          {plan.data && <Foreseen plan={plan.data} />}
          <ErrorPanel error={plan.error} />
        </div>
        {refused && (
          <Alert color="red" icon={<Icon of={TriangleAlert} />}>
            {refused}
          </Alert>
        )}
        <ErrorPanel error={push.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('common.cancel')}
          </Button>
          <Button
            type="submit"
            disabled={stale || refused !== undefined}
            loading={push.isPending}
            leftSection={<Icon of={Rocket} small />}
          >
            {t(wish.when === 'now' ? 'pushes.begin' : 'pushes.plan')}
          </Button>
        </Group>
      </Stack>
    </form>
  )

  function versionLabel(number: number, told: (string | false)[]) {
    const note = told.filter(text => text).join(', ')
    return note ? t('pushes.versionOf', { number, note }) : t('pushes.versionN', { number })
  }
}

const isNotice = (value: number | string) =>
  value !== '' && Number.isInteger(Number(value)) && Number(value) >= 0 && Number(value) <= 10_080

/** What is asked for; null while something of it is missing. */
function bodyOf({ version, when, at, force, notice, notes }: Wish) {
  const time = when === 'at' ? timeAsked(at) : undefined
  if (version === null || time === null || (force && !isNotice(notice))) return null
  return {
    version: Number(version),
    notes,
    ...(time && { at: time.toISOString() }),
    ...(force && { force: { noticeMinutes: Number(notice) } }),
  }
}

/** More names than this: nobody reads on. */
const mostNamed = 8

function Foreseen({ plan }: { plan: PushPlan }) {
  const { t } = useTranslation()
  const told = (['remadeAtOnce', 'remadeWhenGivenBack', 'givenBackByForce', 'kept', 'already'] as const).filter(
    name => plan[name] > 0,
  )
  const words = {
    remadeAtOnce: 'pushes.remade',
    remadeWhenGivenBack: 'pushes.givenBack',
    givenBackByForce: 'pushes.forced',
    kept: 'pushes.kept',
    already: 'pushes.already',
  } as const
  const names = plan.people.map(({ userName, desktopName }) => `${userName ?? desktopName}`)
  return (
    <Alert color="blue" icon={<Icon of={Info} />} title={t('pushes.foreseen')}>
      <List size="sm" spacing={4}>
        {told.map(name => (
          <List.Item key={name}>{t(words[name], { count: plan[name], formatted: formatNumber(plan[name]) })}</List.Item>
        ))}
        {plan.checks
          .filter(({ ok }) => !ok)
          .map(({ name, text }) => (
            <List.Item key={name}>{saidWord(text)}</List.Item>
          ))}
        {plan.follows && <List.Item>{t('pushes.follows')}</List.Item>}
        {plan.kept === 0 && (
          <List.Item>
            {names.length === 0
              ? t('pushes.nobody')
              : t('pushes.people', { names: formatList(names.slice(0, mostNamed)) })}
            {names.length > mostNamed && ' …'}
          </List.Item>
        )}
      </List>
    </Alert>
  )
}
