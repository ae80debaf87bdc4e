import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import type { Site } from '../data/nouns.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Dialog } from '../ui/Dialog.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { problemOf } from '../ui/problem.ts'
import { nameForm } from './name-form.ts'

/** A new site, or the name of one. `site` null: a new one. An empty site may go without a question: nothing is lost. */
export function SiteDialog({ site, onClose }: { site: Site | null; onClose: () => void }) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const nouns = ['site', 'cluster', 'host']
  const form = useForm({
    initialValues: { name: site?.name ?? '' },
    validateInputOnBlur: true,
    validate: { name: value => (nameForm.test(value) ? null : t('pools.form.nameBad')) },
  })
  const save = useWrite(
    (body: { name: string }) =>
      site ? client.siteUpdate({ params: { id: site.id }, body }) : client.siteCreate({ body }),
    nouns,
  )
  const remove = useWrite((id: string) => client.siteDelete({ params: { id } }), nouns)
  const submit = (body: { name: string }) =>
    save.mutate(body, {
      onSuccess: () => {
        notifyDone(t(site ? 'sites.saved' : 'sites.made', { name: body.name }))
        onClose()
      },
      onError: error => {
        for (const [field, message] of Object.entries(problemOf(error).fields)) form.setFieldError(field, message)
      },
    })
  const refused = site ? refusal(site.actions, 'delete') : undefined
  return (
    <Dialog onClose={onClose} title={site ? t('sites.edit', { name: site.name }) : t('sites.new')}>
      <form onSubmit={form.onSubmit(submit)} noValidate>
        <Stack>
          {!site && <Text size="sm">{t('sites.lead')}</Text>}
          <TextInput
            required
            data-autofocus
            label={t('sites.name')}
            description={t('templates.nameHelp')}
            {...form.getInputProps('name')}
          />
          <ErrorPanel error={save.error ?? remove.error} />
          <Group justify="space-between">
            {site && refused !== undefined ? (
              <ActionButton
                variant="default"
                danger
                reason={refused}
                onClick={() =>
                  remove.mutate(site.id, {
                    onSuccess: () => {
                      notifyDone(t('sites.removed', { name: site.name }))
                      onClose()
                    },
                  })
                }
              >
                {t('common.remove')}
              </ActionButton>
            ) : (
              <span />
            )}
            <Button type="submit" loading={save.isPending}>
              {t('common.save')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
