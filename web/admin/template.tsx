import { Alert, Button, Code, FileButton, Group, Progress, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import type { TFunction } from 'i18next'
import { Layers, Plus, Trash2, Upload } from 'lucide-react'
import { Fragment, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { VersionBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Template, TemplateVersion } from '../data/nouns.ts'
import { templateQuery } from '../data/queries.ts'
import { stepWord } from '../data/words.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import { ConfirmLoss, type Loss } from '../ui/ConfirmLoss.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { PageUnread } from '../ui/PageUnread.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { newestOf } from './templates.tsx'
import { useUpload } from './upload.ts'
import { UploadProgress, VersionDialog } from './version-dialog.tsx'

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
  const { hardware } = template
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
          <Panel title={t('templates.defaultHardware')}>
            <Facts
              of={[
                [t('pools.form.vcpus'), formatNumber(hardware.vcpus)],
                [t('pools.form.memory'), <Bytes key="m" of={hardware.memoryBytes} />],
                [t('pools.form.video'), hardware.video],
                [t('templates.disk'), <Bytes key="d" of={hardware.diskBytes} />],
                [t('pools.form.sound'), hardware.sound ? t('common.on') : t('common.off')],
              ]}
            />
          </Panel>
        </SimpleGrid>
        {template.versions
          .toSorted((a, b) => b.number - a.number)
          .map(version => (
            <Version key={version.id} template={template} version={version} ask={setLoss} />
          ))}
      </Stack>
      {adding && (
        <VersionDialog
          template={template}
          how={newestOf(template)?.source.kind ?? 'recipe'}
          onClose={() => setAdding(false)}
          onMade={() => setAdding(false)}
        />
      )}
      <ConfirmLoss loss={loss} onClose={() => setLoss(null)} />
    </>
  )
}

interface VersionProps {
  template: Template
  version: TemplateVersion
  ask: (loss: Loss) => void
}

function Version({ template, version, ask }: VersionProps) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const params = { id: template.id, number: version.number }
  const retry = useWrite(() => client.versionRetry({ params }), ['template'])
  const remove = useWrite(() => client.versionDelete({ params }), ['template'])
  const retryReason = refusal(version.actions, 'retry')
  const deleteReason = refusal(version.actions, 'delete')
  return (
    <Panel
      title={
        <Group gap="sm">
          {t('templates.versionName', { number: version.number })}
          <VersionBadge version={version} />
        </Group>
      }
      aside={
        may('template.write') && (
          <Group gap="xs">
            {retryReason !== undefined && version.state === 'failed' && (
              <ActionButton
                size="xs"
                variant="default"
                reason={retryReason}
                onClick={() =>
                  retry.mutate(undefined, {
                    onSuccess: () => notifyDone(t('templates.retried', { number: version.number })),
                    onError: error => notifyError(error),
                  })
                }
              >
                {t('common.retry')}
              </ActionButton>
            )}
            {deleteReason !== undefined && (
              <ActionButton
                size="xs"
                variant="default"
                danger
                reason={deleteReason}
                leftSection={<Icon of={Trash2} small />}
                onClick={() =>
                  ask({
                    title: t('loss.title', {
                      action: t('action.delete'),
                      name: `${template.name} ${t('templates.versionName', { number: version.number })}`,
                    }),
                    lost: t('templates.deleteVersionLoss', { number: version.number }),
                    confirm: t('common.delete'),
                    act: async () => {
                      await remove.mutateAsync(undefined)
                      notifyDone(t('templates.versionDeleted', { number: version.number }))
                    },
                  })
                }
              >
                {t('common.delete')}
              </ActionButton>
            )}
          </Group>
        )
      }
    >
      <Stack>
        {version.state === 'making' && (
          <div>
            <Progress
              value={Math.max(2, version.progress)}
              aria-label={t('templates.versionName', { number: version.number })}
            />
            <Text size="sm" mt="xs">
              {version.progress} % {version.text && `· ${stepWord(t, version.text)}`}
            </Text>
          </div>
        )}
        {version.trouble && <Alert color="red">{version.trouble.text}</Alert>}
        {version.state === 'uploading' && version.source.kind === 'upload' && (
          <SendFile template={template} version={version} sizeBytes={version.source.sizeBytes} />
        )}
        <Facts
          of={[
            ...sourceFacts(t, version.source),
            [t('templates.notes'), version.notes || undefined],
            [t('templates.disk'), <Bytes key="v" of={version.virtualBytes} />],
            [t('templates.stored'), <Bytes key="s" of={version.storedBytes} />],
            [t('templates.desktops'), formatNumber(version.desktops)],
            [t('templates.checksum'), version.sha256 ? <Code key="c">{version.sha256}</Code> : undefined],
            [t('templates.made'), <TimeAgo key="m" at={version.createdAt} />],
          ]}
        />
      </Stack>
    </Panel>
  )
}

/** What a version was made of. */
function sourceFacts(t: TFunction, source: TemplateVersion['source']): [name: string, value: React.ReactNode][] {
  const name = t('templates.source')
  if (source.kind === 'recipe') return [[name, t('templates.recipeNote', { recipe: source.recipe })]]
  if (source.kind === 'upload') return [[name, t('templates.uploadNote', { format: source.format })]]
  return [
    [
      name,
      <Fragment key="desktop">
        {t('templates.desktopNote')}{' '}
        <AnchorLink to="/admin/desktops/$id" params={{ id: source.desktopId }}>
          {source.desktopName}
        </AnchorLink>
      </Fragment>,
    ],
    [t('templates.sealed'), source.seal ? t('templates.sealedYes') : t('templates.sealedNo')],
  ]
}

/** A version that waits for its file: sent again after the page was closed or the line was cut. */
function SendFile(props: { template: Template; version: TemplateVersion; sizeBytes: number }) {
  const { t } = useTranslation()
  const upload = useUpload()
  const [differs, setDiffers] = useState(false)
  const send = async (file: File | null) => {
    if (!file) return
    setDiffers(file.size !== props.sizeBytes)
    if (file.size !== props.sizeBytes) return
    const announced = { templateId: props.template.id, number: props.version.number }
    if (await upload.start(file, async () => announced)) notifyDone(t('templates.uploaded'))
  }
  if (upload.state)
    return (
      <>
        <UploadProgress state={upload.state} />
        <Button variant="default" w="fit-content" onClick={upload.cancel}>
          {t('templates.cancelUpload')}
        </Button>
      </>
    )
  return (
    <Stack gap="xs">
      <Alert color="yellow">{t('templates.waitFile')}</Alert>
      {differs && <Alert color="red">{t('templates.uploadDiffers', { size: formatBytes(props.sizeBytes) })}</Alert>}
      <ErrorPanel error={upload.error} title={t('templates.uploadFailed')} />
      <FileButton onChange={file => void send(file)}>
        {button => (
          <Button {...button} w="fit-content" leftSection={<Icon of={Upload} />}>
            {t('templates.uploadAgain')}
          </Button>
        )}
      </FileButton>
    </Stack>
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
