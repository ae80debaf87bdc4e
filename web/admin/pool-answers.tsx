import { Stack, Switch } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { AnswerFields, AnswerPreview } from './answer-fields.tsx'
import { answersShown } from './answers-values.ts'
import { customiseBody } from './pool-customise-values.ts'
import type { PoolValues } from './pool-values.ts'

/** What Windows Setup is answered at the first boot of a generalised guest. */
export function PoolAnswers({ form }: { form: UseFormReturnType<PoolValues> }) {
  const { t } = useTranslation()
  const { answers, byTemplate } = form.values.customise
  const customise = customiseBody(form.values.customise)
  return (
    <Stack>
      <Switch
        label={t('answers.byTemplate')}
        description={t('answers.byTemplateHelp')}
        {...form.getInputProps('customise.byTemplate', { type: 'checkbox' })}
      />
      {!byTemplate && (
        <Switch
          label={t('answers.wished')}
          description={t('answers.help')}
          {...form.getInputProps('customise.answers.wished', { type: 'checkbox' })}
        />
      )}
      {!byTemplate && answers.wished && (
        <>
          <AnswerFields
            values={answers}
            props={(field, type) => form.getInputProps(`customise.answers.${field}`, type && { type })}
            clear={(name, cleared) => form.setFieldValue(`customise.answers.cleared.${name}`, cleared)}
          />
          <AnswerPreview
            customise={customise ? { ...customise, answers: answersShown(answers) } : null}
            desktopName={`${form.values.name || 'pool'}-1`}
          />
        </>
      )}
    </Stack>
  )
}
