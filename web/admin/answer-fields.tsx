import {
  Button,
  Code,
  Group,
  PasswordInput,
  ScrollArea,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import type { GetInputPropsReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import type { Ask } from '../../api/client.ts'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import type { AnswersSecret, AnswersValues } from './answers-values.ts'

/** As English Windows calls it: an account, and no word of ours. */
const windowsOwn = 'Administrator'
const monospace = { input: { fontFamily: 'var(--mantine-font-family-monospace)' } }

interface FieldsProps {
  values: AnswersValues
  /** Of the field in the form that it stands in. */
  props: (field: keyof AnswersValues, type?: 'checkbox') => GetInputPropsReturnType
  clear: (name: AnswersSecret, cleared: boolean) => void
}

/** The settings of an answer file, or the administrator's own one, and its secrets. */
export function AnswerFields({ values, props, clear }: FieldsProps) {
  const { t } = useTranslation()
  return (
    <>
      <Switch label={t('answers.own')} description={t('answers.ownHelp')} {...props('own', 'checkbox')} />
      {values.own ? (
        <Textarea
          autosize
          required
          minRows={6}
          maxRows={20}
          maxLength={32_768}
          spellCheck={false}
          label={t('answers.unattend')}
          description={t('answers.unattendHelp')}
          styles={monospace}
          {...props('unattend')}
        />
      ) : (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <TextInput required label={t('answers.language')} {...props('language')} />
          <TextInput label={t('answers.timeZone')} placeholder="W. Europe Standard Time" {...props('timeZone')} />
          <TextInput label={t('answers.keyboard')} placeholder="0407:00000407" {...props('keyboard')} />
          <TextInput label={t('answers.administrator')} placeholder={windowsOwn} {...props('administrator')} />
        </SimpleGrid>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <Kept values={values} props={props} clear={clear} name="password" />
        <Kept values={values} props={props} clear={clear} name="productKey" />
      </SimpleGrid>
    </>
  )
}

/** A secret: what is kept of it is never shown; it is typed anew, or goes. */
function Kept({ values, props, clear, name }: FieldsProps & { name: AnswersSecret }) {
  const { t } = useTranslation()
  const kept = values.kept[name]
  const cleared = values.cleared[name]
  return (
    <Stack gap={4} align="flex-start">
      <PasswordInput
        w="100%"
        autoComplete="new-password"
        label={t(`answers.${name}`)}
        placeholder={kept ? t(cleared ? 'answers.goes' : 'customise.passwordKept') : undefined}
        {...props(name)}
      />
      {kept && (
        <Button size="compact-xs" variant="default" onClick={() => clear(name, !cleared)}>
          {t(cleared ? 'answers.keep' : 'answers.clear', { name: t(`answers.${name}`) })}
        </Button>
      )}
    </Stack>
  )
}

/** The file as one desktop would get it; what is typed afterwards makes it another. */
export function AnswerPreview(props: {
  customise: Ask<'answerFilePreview'>['body']['customise'] | null
  desktopName: string
}) {
  const { t } = useTranslation()
  const { customise, desktopName } = props
  const asked = JSON.stringify(customise)
  const show = useWrite(async (of: string) => {
    if (!customise) return null
    return { of, ...(await client.answerFilePreview({ body: { customise, desktopName } })) }
  }, [])
  const shown = show.data?.of === asked ? show.data : null
  return (
    <Stack gap="xs">
      <Group gap="sm">
        <Button size="compact-sm" variant="default" loading={show.isPending} onClick={() => show.mutate(asked)}>
          {t('answers.preview')}
        </Button>
        {shown && (
          <Text size="sm" c="dimmed">
            {t('answers.previewOf', { desktop: desktopName, computer: shown.computerName })}
          </Text>
        )}
      </Group>
      <ErrorPanel error={show.error} />
      {shown && (
        <ScrollArea.Autosize
          mah="24rem"
          viewportProps={{ tabIndex: 0, role: 'region', 'aria-label': t('answers.file') }}
        >
          <Code block>{shown.text}</Code>
        </ScrollArea.Autosize>
      )}
    </Stack>
  )
}
