import { Alert, Button, Group, Progress, Radio, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Package, TriangleAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Desktop } from '../data/nouns.ts'
import { poolQuery, templateQuery } from '../data/queries.ts'
import { stepWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import { SealSwitch } from './capture-fields.tsx'
import { nameForm } from './name-form.ts'

/** Makes a version of this desktop's disk: of the template it stands on, or of a new one. */
export function CaptureDesktop({ desktop, onClose }: { desktop: Desktop; onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const pool = useQuery(poolQuery(desktop.poolId))
  const form = useForm({
    validateInputOnBlur: true,
    initialValues: { into: 'version', name: '', seal: true, notes: '' },
    validate: {
      name: (name, { into }) => (into === 'version' || nameForm.test(name) ? null : t('pools.form.nameBad')),
    },
  })
  const make = useWrite(
    ({ into, name, seal, notes, templateId }: typeof form.values & { templateId: string }) => {
      const body = { source: { kind: 'desktop' as const, desktopId: desktop.id, seal }, notes }
      return into === 'version'
        ? client.versionAdd({ params: { id: templateId }, body })
        : client.templateCreate({ body: { ...body, name } })
    },
    ['template', 'desktop'],
  )
  const submit = (values: typeof form.values) => {
    if (!pool.data) return
    make.mutate(
      { ...values, templateId: pool.data.templateId },
      {
        onSuccess: ({ template }) => {
          notifyDone(t('templates.captureStarted', { name: desktop.name }))
          void navigate({ to: '/admin/templates/$id', params: { id: template.id } })
        },
        onError: error => {
          for (const [field, message] of Object.entries(problemOf(error).fields)) form.setFieldError(field, message)
        },
      },
    )
  }
  const reason = refusal(desktop.actions, 'capture') ?? null
  return (
    <Dialog size="lg" onClose={onClose} title={t('templates.captureTitle', { name: desktop.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Text size="sm">{t('templates.captureText')}</Text>
          <Radio.Group label={t('templates.into')} {...form.getInputProps('into')}>
            <Stack gap="xs" mt="xs">
              <Radio
                value="version"
                data-autofocus
                label={t('templates.intoVersion', { name: pool.data?.templateName ?? t('common.unknown') })}
                description={t('templates.intoVersionHelp')}
              />
              <Radio
                value="template"
                label={t('templates.intoTemplate')}
                description={t('templates.intoTemplateHelp')}
              />
            </Stack>
          </Radio.Group>
          {form.values.into === 'template' && (
            <TextInput
              required
              label={t('templates.name')}
              description={t('templates.nameHelp')}
              {...form.getInputProps('name')}
            />
          )}
          <SealSwitch {...form.getInputProps('seal', { type: 'checkbox' })} />
          <Textarea
            autosize
            label={t('templates.notes')}
            description={t('templates.notesHelp')}
            {...form.getInputProps('notes')}
          />
          {reason && !make.isPending && (
            <Alert color="yellow" icon={<Icon of={TriangleAlert} />} title={t('templates.captureRefused')}>
              {reason}
            </Alert>
          )}
          <ErrorPanel error={make.error ?? pool.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button
              type="submit"
              disabled={reason !== null || !pool.data}
              loading={make.isPending}
              leftSection={<Icon of={Package} small />}
            >
              {t('templates.captureButton')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

/** That a version is being made of it, which keeps it as it is; nothing while none is. */
export function BeingCaptured({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const { capturedBy } = desktop
  const read = useQuery({ ...templateQuery(capturedBy?.templateId ?? ''), enabled: capturedBy !== null })
  if (!capturedBy) return null
  const { templateId, templateName: name, number } = capturedBy
  const version = read.data?.versions.find(one => one.number === number)
  return (
    <Alert color="blue" icon={<Icon of={Package} />} title={t('templates.beingCaptured', { name, number })}>
      {version && (
        <>
          <Progress value={Math.max(2, version.progress)} aria-label={t('templates.versionName', { number })} />
          <Text size="sm" my="xs">
            {version.progress} % {version.text && `· ${stepWord(t, version.text)}`}
          </Text>
        </>
      )}
      <Text size="sm" mb="xs">
        {t('templates.beingCapturedText')}
      </Text>
      <AnchorLink to="/admin/templates/$id" params={{ id: templateId }}>
        {t('templates.toTemplate')}
      </AnchorLink>
    </Alert>
  )
}
