import {
  Alert,
  Button,
  FileInput,
  Group,
  Progress,
  SegmentedControl,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
  useMatches,
} from '@mantine/core'
import { useForm } from '@mantine/form'
import { Upload } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { formatNamed, formatRefusal, saidBytes } from '../../lib/image-format.ts'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Template } from '../data/nouns.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatDuration } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import { DesktopSelect, SealSwitch } from './capture-fields.tsx'
import { FileSaysPanel, useFileSays } from './file-says.tsx'
import { nameForm } from './name-form.ts'
import { type UploadState, useUpload } from './upload.ts'

/** What a version may be made of. */
export const versionHows = ['recipe', 'upload', 'desktop'] as const
export type VersionHow = (typeof versionHows)[number]

const words = {
  recipe: {
    name: 'templates.byRecipe',
    text: 'templates.buildText',
    button: 'templates.buildButton',
    started: 'templates.buildStarted',
  },
  upload: {
    name: 'templates.byUpload',
    text: 'templates.uploadText',
    button: 'templates.byUpload',
    started: 'templates.uploaded',
  },
  desktop: {
    name: 'templates.byDesktop',
    text: 'templates.captureText',
    button: 'templates.captureButton',
    started: 'templates.captureBegun',
  },
} as const satisfies Record<VersionHow, object>

interface VersionValues {
  name: string
  description: string
  notes: string
  recipe: 'desktop' | 'tiny'
  readyWhen: 'agent' | 'running'
  file: File | null
  desktopId: string | null
  seal: boolean
}

/** A new template, or a new version of one: by recipe, by upload or of a desktop. `template` null: a new one. */
export function VersionDialog(props: {
  template: Template | null
  how: VersionHow
  onClose: () => void
  onMade: (templateId: string) => void
}) {
  const { t } = useTranslation()
  const { template } = props
  const [how, setHow] = useState<VersionHow>(props.how)
  const upload = useUpload()
  // Three do not stand side by side on a phone.
  const orientation = useMatches({ base: 'vertical', xs: 'horizontal' } as const, { getInitialValueInEffect: false })
  const form = useForm<VersionValues>({
    validateInputOnBlur: true,
    initialValues: {
      name: template?.name ?? (props.how === 'recipe' ? 'debian-desktop' : ''),
      description: '',
      notes: '',
      recipe: 'desktop',
      readyWhen: 'agent',
      file: null,
      desktopId: null,
      seal: true,
    },
    validate: {
      name: value => (template || nameForm.test(value) ? null : t('pools.form.nameBad')),
      file: value =>
        how !== 'upload'
          ? null
          : value
            ? formatNamed(value.name)
              ? null
              : t('templates.fileBad')
            : t('templates.fileMissing'),
      desktopId: value => (how !== 'desktop' || value ? null : t('templates.capturedMissing')),
    },
  })

  const says = useFileSays(how === 'upload' ? form.values.file : null)
  const proposed = says.data
  const taken = useRef<typeof proposed>(undefined)
  // Once for each file, and only into fields that hold nothing of the person's own.
  useEffect(() => {
    const before = taken.current
    if (!proposed || proposed.kind === 'image' || proposed === before) return
    taken.current = proposed
    const { name, description, notes, readyWhen } = proposed
    const isFree = (field: 'name' | 'description' | 'notes') =>
      ['', before?.[field] ?? ''].includes(form.getValues()[field])
    if (name !== null && isFree('name')) form.setFieldValue('name', name)
    if (isFree('description')) form.setFieldValue('description', description)
    if (isFree('notes')) form.setFieldValue('notes', notes)
    if (readyWhen !== null) form.setFieldValue('readyWhen', readyWhen)
  }, [proposed, form.setFieldValue, form.getValues])

  type Source = Parameters<typeof client.versionAdd>[0]['body']['source']
  const announce = async (values: VersionValues, source: Source) => {
    const made = template
      ? await client.versionAdd({ params: { id: template.id }, body: { source, notes: values.notes } })
      : await client.templateCreate({
          body: {
            name: values.name,
            description: values.description,
            // Of a desktop it is known.
            ...(source.kind !== 'desktop' && { readyWhen: values.readyWhen }),
            ...(source.kind === 'upload' && proposed?.hardware && { hardware: proposed.hardware }),
            source,
            notes: values.notes,
          },
        })
    const numbers = made.template.versions.map(version => version.number)
    return { templateId: made.template.id, number: Math.max(...numbers) }
  }
  const build = useWrite(
    ({ values, source }: { values: VersionValues; source: Source }) => announce(values, source),
    ['template', 'desktop'],
  )

  const submit = async (values: VersionValues) => {
    const { file, recipe, desktopId, seal } = values
    if (how !== 'upload') {
      const source = how === 'recipe' ? { kind: how, recipe } : { kind: how, desktopId: desktopId ?? '', seal }
      build.mutate(
        { values, source },
        {
          onSuccess: made => {
            notifyDone(t(words[how].started))
            props.onMade(made.templateId)
          },
          onError: error => {
            for (const [field, message] of Object.entries(problemOf(error).fields))
              form.setFieldError(field.replace('source.', ''), message)
          },
        },
      )
      return
    }
    const format = file && formatNamed(file.name)
    if (!file || !format) return
    const refused = formatRefusal(new Uint8Array(await file.slice(0, saidBytes).arrayBuffer()), format)
    if (refused !== null) {
      form.setFieldError('file', t('templates.fileNot', { format }))
      return
    }
    let madeId = ''
    const arrived = await upload.start(file, async sha256 => {
      const made = await announce(values, { kind: 'upload', format, sizeBytes: file.size, sha256 })
      madeId = made.templateId
      return made
    })
    if (!arrived) return
    notifyDone(t(words.upload.started))
    props.onMade(madeId)
  }

  const title = template ? `${t('templates.newVersion')}: ${template.name}` : t('templates.createTitle')
  const busy = upload.state !== null
  return (
    <Dialog
      size="lg"
      onClose={() => {
        upload.cancel()
        props.onClose()
      }}
      closeOnClickOutside={!busy}
      closeOnEscape={!busy}
      title={title}
    >
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <SegmentedControl
            fullWidth
            orientation={orientation}
            disabled={busy}
            aria-label={t('templates.kind')}
            value={how}
            onChange={value => setHow(value as VersionHow)}
            data={versionHows.map(value => ({ value, label: t(words[value].name) }))}
          />
          <Text size="sm" c="dimmed">
            {t(words[how].text)}
          </Text>
          {!template && (
            <>
              <TextInput
                required
                data-autofocus
                disabled={busy}
                label={t('templates.name')}
                description={t('templates.nameHelp')}
                {...form.getInputProps('name')}
              />
              <TextInput disabled={busy} label={t('templates.description')} {...form.getInputProps('description')} />
            </>
          )}
          {how === 'recipe' && (
            <Select
              label={t('templates.recipe')}
              data={[
                { value: 'desktop', label: t('templates.desktop') },
                { value: 'tiny', label: t('templates.tiny') },
              ]}
              {...form.getInputProps('recipe')}
            />
          )}
          {how === 'desktop' && (
            <>
              <DesktopSelect {...form.getInputProps('desktopId')} />
              <SealSwitch {...form.getInputProps('seal', { type: 'checkbox' })} />
            </>
          )}
          {how === 'upload' && (
            <>
              <FileInput
                required
                disabled={busy}
                label={t('templates.file')}
                placeholder={t('templates.fileChoose')}
                leftSection={<Icon of={Upload} small />}
                {...form.getInputProps('file')}
              />
              <FileSaysPanel says={says} fresh={template === null} />
              {!template && (
                <Select
                  disabled={busy}
                  label={t('templates.readyWhen')}
                  data={[
                    { value: 'agent', label: t('templates.readyAgent') },
                    { value: 'running', label: t('templates.readyRunning') },
                  ]}
                  {...form.getInputProps('readyWhen')}
                />
              )}
            </>
          )}
          <Textarea
            autosize
            disabled={busy}
            label={t('templates.notes')}
            description={t('templates.notesHelp')}
            {...form.getInputProps('notes')}
          />
          {upload.state && <UploadProgress state={upload.state} />}
          <ErrorPanel error={build.error} />
          <ErrorPanel error={upload.error} title={t('templates.uploadFailed')} />
          <Group justify="flex-end">
            {busy ? (
              <Button variant="default" onClick={upload.cancel}>
                {t('templates.cancelUpload')}
              </Button>
            ) : (
              <>
                <Button variant="default" onClick={props.onClose}>
                  {t('common.cancel')}
                </Button>
                <Button type="submit" loading={build.isPending}>
                  {t(words[how].button)}
                </Button>
              </>
            )}
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

/** How far a file is, how fast, and how long it still takes. */
export function UploadProgress({ state }: { state: UploadState }) {
  const { t } = useTranslation()
  const { doneBytes, wholeBytes, bytesPerSecond } = state
  const restMs = bytesPerSecond > 0 ? ((wholeBytes - doneBytes) / bytesPerSecond) * 1000 : 0
  const word = state.step === 'hashing' ? t('templates.hashing') : t('templates.uploading')
  return (
    <Alert color="blue" title={word}>
      <Progress value={wholeBytes ? (doneBytes / wholeBytes) * 100 : 0} aria-label={word} />
      <Group justify="space-between" mt="xs">
        <Text size="sm">
          {t('templates.rest', {
            done: formatBytes(doneBytes),
            whole: formatBytes(wholeBytes),
            rate: formatBytes(bytesPerSecond),
          })}
        </Text>
        {restMs > 0 && <Text size="sm">{t('templates.remaining', { time: formatDuration(restMs) })}</Text>}
      </Group>
      <Text size="sm" mt="xs">
        {t('templates.uploadStay')}
      </Text>
    </Alert>
  )
}
