import { Alert, Button, Code, FileButton, Group, Progress, Stack, Text } from '@mantine/core'
import type { TFunction } from 'i18next'
import { Copy, Trash2, Upload } from 'lucide-react'
import { Fragment, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { VersionBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Template, TemplateVersion } from '../data/nouns.ts'
import { stepWord } from '../data/words.ts'
import { AnchorLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import { Bytes } from '../ui/Bytes.tsx'
import type { Loss } from '../ui/ConfirmLoss.tsx'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import { Facts, Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { CopyDialog } from './copy-dialog.tsx'
import { useUpload } from './upload.ts'
import { VersionCopies } from './version-copies.tsx'
import { UploadProgress } from './version-dialog.tsx'
import { ExportMenu, VersionExports } from './version-exports.tsx'
import { VersionNotes } from './version-notes.tsx'

interface VersionProps {
  template: Template
  version: TemplateVersion
  ask: (loss: Loss) => void
}

/** One version: what it is of, how far it is, where it is. */
export function Version({ template, version, ask }: VersionProps) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const [copying, setCopying] = useState(false)
  const params = { id: template.id, number: version.number }
  const retry = useWrite(() => client.versionRetry({ params }), ['template'])
  const remove = useWrite(() => client.versionDelete({ params }), ['template'])
  const retryReason = refusal(version.actions, 'retry')
  const everywhere = version.source.kind !== 'desktop'
  const copyReason = everywhere ? undefined : refusal(version.actions, 'copy')
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
            {copyReason !== undefined && (
              <ActionButton
                size="xs"
                variant="default"
                reason={copyReason}
                leftSection={<Icon of={Copy} small />}
                onClick={() => setCopying(true)}
              >
                {t('copies.copy')}
              </ActionButton>
            )}
            <ExportMenu template={template} version={version} />
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
        {version.trouble && <Alert color="red">{saidWord(version.trouble.text)}</Alert>}
        {version.state === 'uploading' && version.source.kind === 'upload' && (
          <SendFile template={template} version={version} sizeBytes={version.source.sizeBytes} />
        )}
        <Facts
          of={[
            ...sourceFacts(t, version.source),
            [t('templates.notes'), <VersionNotes key="n" template={template} version={version} />],
            [t('templates.disk'), <Bytes key="v" of={version.virtualBytes} />],
            [t('templates.stored'), <Bytes key="s" of={version.storedBytes} />],
            [t('templates.desktops'), formatNumber(version.desktops)],
            [t('templates.checksum'), version.sha256 ? <Code key="c">{version.sha256}</Code> : undefined],
            [t('templates.made'), <TimeAgo key="m" at={version.createdAt} />],
            [
              t('copies.title'),
              everywhere ? (
                <Text key="w" size="sm" c="dimmed">
                  {version.source.kind === 'recipe' ? t('copies.everywhere') : t('copies.everywhereSame')}
                </Text>
              ) : undefined,
            ],
          ]}
        />
        <VersionCopies template={template} version={version} ask={ask} />
        <VersionExports template={template} version={version} ask={ask} />
      </Stack>
      {copying && <CopyDialog template={template} version={version} onClose={() => setCopying(false)} />}
    </Panel>
  )
}

/** What a version was made of. */
function sourceFacts(t: TFunction, source: TemplateVersion['source']): [name: string, value: React.ReactNode][] {
  const name = t('templates.source')
  if (source.kind === 'recipe') return [[name, t('templates.recipeNote', { recipe: source.recipe })]]
  if (source.kind === 'blank') return [[name, t('templates.blankNote')]]
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
