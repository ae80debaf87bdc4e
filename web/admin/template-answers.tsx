import { Button, Group, Stack, Switch, Text } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Template } from '../data/nouns.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { AnswerFields, AnswerPreview } from './answer-fields.tsx'
import { answersBody, answersShown, answersValues } from './answers-values.ts'

/** What Windows Setup is answered in guests of a template, where a pool says nothing else. */
export function TemplateAnswers({ template }: { template: Template }) {
  const { t } = useTranslation()
  const [editing, setEditing] = useState(false)
  if (!useMay()('template.write') || template.readyWhen === 'running') return null
  const { answers } = template
  const kept = (is: boolean) => t(is ? 'answers.isKept' : 'common.none')
  return (
    <Panel
      title={t('answers.title')}
      aside={
        <Button size="xs" variant="default" onClick={() => setEditing(true)}>
          {t('answers.edit')}
        </Button>
      }
    >
      {answers ? (
        <Facts
          of={[
            [t('answers.unattend'), answers.unattend ? t('answers.ownFile') : t('answers.written')],
            [t('answers.language'), answers.unattend ? undefined : answers.language],
            [t('answers.timeZone'), answers.timeZone ?? undefined],
            [t('answers.administrator'), answers.administrator ?? undefined],
            [t('answers.password'), kept(answers.passwordSet)],
            [t('answers.productKey'), kept(answers.productKeySet)],
          ]}
        />
      ) : (
        <Text size="sm" c="dimmed">
          {t('answers.none')}
        </Text>
      )}
      {editing && <AnswersDialog template={template} onClose={() => setEditing(false)} />}
    </Panel>
  )
}

function AnswersDialog({ template, onClose }: { template: Template; onClose: () => void }) {
  const { t } = useTranslation()
  const form = useForm({ initialValues: { answers: answersValues(template.answers) } })
  const { answers } = form.values
  const body = answersBody(answers)
  const save = useWrite(
    () => client.templateUpdate({ params: { id: template.id }, body: { answers: body } }),
    ['template', 'pool'],
  )
  const submit = () =>
    save.mutate(undefined, {
      onSuccess: () => {
        notifyDone(t('answers.saved', { name: template.name }))
        onClose()
      },
      onError: error => form.setErrors(problemOf(error).fields),
    })
  const customise = { shell: 'powershell' as const, answers: answersShown(answers) }
  return (
    <Dialog onClose={onClose} size="lg" title={t('answers.editOf', { name: template.name })}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          <Text size="sm">{t('answers.templateHelp')}</Text>
          <Switch
            label={t('answers.wished')}
            description={t('answers.help')}
            {...form.getInputProps('answers.wished', { type: 'checkbox' })}
          />
          {answers.wished && (
            <>
              <AnswerFields
                values={answers}
                props={(field, type) => form.getInputProps(`answers.${field}`, type && { type })}
                clear={(name, cleared) => form.setFieldValue(`answers.cleared.${name}`, cleared)}
              />
              <AnswerPreview customise={customise} desktopName={`${template.name}-1`} />
            </>
          )}
          <ErrorPanel error={save.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('common.cancel')}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {t('common.save')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
