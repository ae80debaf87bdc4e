import { Button, SimpleGrid, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { Layers, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Template } from '../data/nouns.ts'
import { templateQuery } from '../data/queries.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { TemplateAnswers } from './template-answers.tsx'
import { TemplateHardware } from './template-hardware.tsx'
import { newestOf } from './templates.tsx'
import { Version } from './version.tsx'
import { VersionDialog, versionHows } from './version-dialog.tsx'

export function TemplateDetail() {
  const { t } = useTranslation()
  const may = useMay()
  const { id } = useParams({ from: '/person/admin/templates/$id' })
  const [adding, setAdding] = useState(false)
  const [loss, setLoss] = useState<Loss | null>(null)
  const read = useQuery(templateQuery(id))
  const template = read.data
  const up = <AnchorLink to="/admin/templates">{t('templates.title')}</AnchorLink>
  if (!template) return <PageUnread read={read} up={up} />
  return (
    <>
      <PageHead
        up={up}
        title={template.name}
        text={template.description}
        actions={
          <>
            {may('template.write') && (
              <Button size="xs" leftSection={<Icon of={Plus} small />} onClick={() => setAdding(true)}>
                {t('templates.newVersion')}
              </Button>
            )}
            {may('pool.write') && (
              <ButtonLink
                size="xs"
                variant="default"
                to="/admin/pools/new"
                search={{ templateId: id }}
                leftSection={<Icon of={Layers} small />}
              >
                {t('pools.new')}
              </ButtonLink>
            )}
            {may('template.write') && <RemoveTemplate template={template} ask={setLoss} />}
          </>
        }
      />
      <Stack gap="lg">
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Panel title={t('templates.one')}>
            <Facts
              of={[
                [t('templates.pools'), formatNumber(template.pools)],
                [t('templates.desktops'), formatNumber(template.desktops)],
                [
                  t('templates.readyWhen'),
                  template.readyWhen === 'agent' ? t('templates.readyAgent') : t('templates.readyRunning'),
                ],
                [t('templates.made'), <TimeAgo key="made" at={template.createdAt} />],
              ]}
            />
          </Panel>
          <TemplateHardware template={template} />
        </SimpleGrid>
        <TemplateAnswers template={template} />
        {template.versions
          .toSorted((a, b) => b.number - a.number)
          .map(version => (
            <Version key={version.id} template={template} version={version} ask={setLoss} />
          ))}
      </Stack>
      {adding && (
        <VersionDialog
          template={template}
          how={versionHows.find(how => how === newestOf(template)?.source.kind) ?? 'recipe'}
          onClose={() => setAdding(false)}
          onMade={() => setAdding(false)}
        />
      )}
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}

function RemoveTemplate({ template, ask }: { template: Template; ask: (loss: Loss) => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const refusal = useRefusal()
  const remove = useWrite(() => client.templateDelete({ params: { id: template.id } }), ['template'])
  return (
    <ActionButton
      size="xs"
      variant="default"
      danger
      reason={refusal(template.actions, 'delete') ?? null}
      leftSection={<Icon of={Trash2} small />}
      onClick={() =>
        ask({
          title: t('loss.title', { action: t('action.delete'), name: template.name }),
          lost: t('templates.deleteLoss'),
          confirm: t('common.delete'),
          act: async () => {
            await remove.mutateAsync(undefined)
            notifyDone(t('templates.deleted', { name: template.name }))
            await navigate({ to: '/admin/templates' })
          },
        })
      }
    >
      {t('common.delete')}
    </ActionButton>
  )
}
