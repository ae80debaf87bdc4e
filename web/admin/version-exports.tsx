import { Alert, Button, Group, Menu, Progress, Text, Title } from '@mantine/core'
import { Download, FileDown, Trash2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { exportAddress } from '../../api/client.ts'
import { useRefusal, useWrite } from '../data/actions.ts'
import { ExportBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Template, TemplateVersion, VersionExport } from '../data/nouns.ts'
import { stepWord } from '../data/words.ts'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import type { Loss } from '../ui/ConfirmLoss.tsx'
import { formatBytes, formatExact } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone, notifyError } from '../ui/notify.tsx'
import classes from './version-copies.module.css'

const formats = [
  ['hdcs', 'exports.helpHdcs'],
  ['ova', 'exports.helpOva'],
  ['qcow2', 'exports.helpDisk'],
  ['vmdk', 'exports.helpDisk'],
  ['raw', 'exports.helpDisk'],
] as const

interface VersionExportsProps {
  template: Template
  version: TemplateVersion
  ask: (loss: Loss) => void
}

/** Which file shall be made of a version. */
export function ExportMenu({ template, version }: Omit<VersionExportsProps, 'ask'>) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const reason = refusal(version.actions, 'export') ?? null
  const params = { id: template.id, number: version.number }
  const make = useWrite(
    (format: VersionExport['format']) => client.exportMake({ params, body: { format } }),
    ['template'],
  )
  const icon = <Icon of={FileDown} small />
  if (reason !== null)
    return (
      <ActionButton size="xs" variant="default" reason={reason} leftSection={icon} onClick={() => {}}>
        {t('exports.export')}
      </ActionButton>
    )
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button size="xs" variant="default" loading={make.isPending} leftSection={icon}>
          {t('exports.export')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {formats.map(([format, help]) => (
          <Menu.Item
            key={format}
            onClick={() =>
              make.mutate(format, {
                onSuccess: () => notifyDone(t('exports.begun')),
                onError: error => notifyError(error),
              })
            }
          >
            {t(`exportFormat.${format}`)}
            <Text size="xs" c="dimmed">
              {t(help)}
            </Text>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

/** Files that are or are being made of a version. */
export function VersionExports({ template, version, ask }: VersionExportsProps) {
  const { t } = useTranslation()
  if (version.exports.length === 0) return null
  return (
    <div>
      <Title order={3} size="h6" mb="xs">
        {t('exports.title')}
      </Title>
      <ul className={classes.copies}>
        {version.exports.map(file => (
          <ExportLine key={file.format} template={template} version={version} file={file} ask={ask} />
        ))}
      </ul>
    </div>
  )
}

function ExportLine({ template, version, file, ask }: VersionExportsProps & { file: VersionExport }) {
  const { t } = useTranslation()
  const may = useMay()
  const refusal = useRefusal()
  const format = t(`exportFormat.${file.format}`)
  const which = { number: version.number, format: file.format }
  const remove = useWrite(() => client.exportRemove({ params: { id: template.id, ...which } }), ['template'])
  const removed = async () => {
    await remove.mutateAsync(undefined)
    notifyDone(t('exports.removed'))
  }
  return (
    <li className={classes.copy}>
      <Group gap="sm" justify="space-between">
        <Group gap="sm">
          <Text fw={600}>{format}</Text>
          <ExportBadge file={file} />
          {file.sizeBytes !== null && file.expiresAt !== null && (
            <Text size="sm" c="dimmed">
              {[formatBytes(file.sizeBytes), t('exports.until', { time: formatExact(file.expiresAt) })].join(' · ')}
            </Text>
          )}
        </Group>
        {may('template.write') && (
          <Group gap="xs">
            {refusal(file.actions, 'download') === null && (
              <Button
                component="a"
                size="xs"
                href={exportAddress('', { templateId: template.id, ...which })}
                download
                leftSection={<Icon of={Download} small />}
              >
                {t('exports.download')}
              </Button>
            )}
            <ActionButton
              size="xs"
              variant="default"
              danger
              reason={refusal(file.actions, 'remove') ?? null}
              leftSection={<Icon of={Trash2} small />}
              onClick={() =>
                file.state !== 'ready'
                  ? void removed().catch(error => notifyError(error))
                  : ask({
                      title: t('exports.removeTitle', { name: template.name, number: version.number }),
                      lost: t('exports.removeLoss', { format }),
                      confirm: t('common.remove'),
                      act: removed,
                    })
              }
            >
              {file.state === 'making' ? t('exports.stop') : t('exports.remove')}
            </ActionButton>
          </Group>
        )}
      </Group>
      {file.state === 'making' && (
        <div>
          <Progress value={Math.max(2, file.progress)} aria-label={t('exports.progressOf', { format })} />
          <Text size="sm" mt="xs">
            {[`${file.progress} %`, file.text && stepWord(t, file.text)].filter(Boolean).join(' · ')}
          </Text>
        </div>
      )}
      {file.sha256 && (
        <Text size="xs" c="dimmed" style={{ wordBreak: 'break-all' }}>
          SHA-256 {file.sha256}
        </Text>
      )}
      {file.trouble && <Alert color="red">{saidWord(file.trouble.text)}</Alert>}
    </li>
  )
}
