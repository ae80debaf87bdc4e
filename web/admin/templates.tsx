import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Hammer, Monitor, Package, Upload } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { VersionBadge } from '../data/badges.tsx'
import { useMay } from '../data/me.ts'
import type { Template, TemplateVersion } from '../data/nouns.ts'
import { templatesQuery } from '../data/queries.ts'
import { Bytes } from '../ui/Bytes.tsx'
import { DataTable } from '../ui/DataTable.tsx'
import { EmptyState } from '../ui/EmptyState.tsx'
import { formatNumber } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { Panel } from '../ui/Panel.tsx'
import { TimeAgo } from '../ui/TimeAgo.tsx'
import { useListState } from './list-state.ts'
import { VersionDialog, type VersionHow, versionHows } from './version-dialog.tsx'

/** The newest version, whatever its state; the newest sealed one is what desktops are made from. */
export const newestOf = (template: Template): TemplateVersion | undefined =>
  template.versions.reduce<TemplateVersion | undefined>(
    (newest, version) => (newest && newest.number > version.number ? newest : version),
    undefined,
  )

export function Templates() {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const { new: wanted } = useSearch({ from: '/person/admin/templates' })
  const { state, onState, query } = useListState()
  const read = useQuery(templatesQuery(query))
  const show = (how: VersionHow | null) =>
    void navigate({ to: '/admin/templates', search: how ? { new: how } : {}, replace: true })
  const how = versionHows.find(each => each === wanted)
  const add = may('template.write') && (
    <>
      <Button variant="default" leftSection={<Icon of={Monitor} />} onClick={() => show('desktop')}>
        {t('templates.byDesktop')}
      </Button>
      <Button variant="default" leftSection={<Icon of={Upload} />} onClick={() => show('upload')}>
        {t('templates.uploadTitle')}
      </Button>
      <Button leftSection={<Icon of={Hammer} />} onClick={() => show('recipe')}>
        {t('templates.buildTitle')}
      </Button>
    </>
  )
  return (
    <>
      <PageHead title={t('templates.title')} actions={add} />
      <Panel flush>
        <DataTable
          noun={t('templates.noun')}
          rows={read.data?.items}
          rowId={row => row.id}
          rowName={row => row.name}
          state={{ ...state, filters: {} }}
          onState={onState}
          nextCursor={read.data?.nextCursor}
          error={read.error}
          retry={() => void read.refetch()}
          empty={
            <EmptyState icon={Package} title={t('templates.emptyTitle')} text={t('templates.emptyText')} action={add} />
          }
          columns={[
            {
              key: 'name',
              head: t('templates.name'),
              cell: row => (
                <Link to="/admin/templates/$id" params={{ id: row.id }}>
                  {row.name}
                </Link>
              ),
              text: row => row.name,
            },
            {
              key: 'description',
              head: t('templates.description'),
              cell: row => row.description || t('common.none'),
              text: row => row.description,
            },
            {
              key: 'newest',
              head: t('templates.newest'),
              cell: row => {
                const version = newestOf(row)
                return version ? (
                  <>
                    {version.number} <VersionBadge version={version} />
                    {version.state === 'making' && ` ${version.progress} %`}
                  </>
                ) : (
                  t('common.none')
                )
              },
              text: row => String(newestOf(row)?.number ?? ''),
            },
            {
              key: 'stored',
              head: t('templates.stored'),
              align: 'right',
              cell: row => <Bytes of={newestOf(row)?.storedBytes} />,
              text: row => String(newestOf(row)?.storedBytes ?? ''),
            },
            {
              key: 'pools',
              head: t('templates.pools'),
              align: 'right',
              cell: row => formatNumber(row.pools),
              text: row => String(row.pools),
            },
            {
              key: 'desktops',
              head: t('templates.desktops'),
              align: 'right',
              cell: row => formatNumber(row.desktops),
              text: row => String(row.desktops),
            },
            {
              key: 'made',
              head: t('templates.made'),
              align: 'right',
              cell: row => <TimeAgo at={row.createdAt} />,
              text: row => row.createdAt,
            },
          ]}
        />
      </Panel>
      {how && may('template.write') && (
        <VersionDialog
          template={null}
          how={how}
          onClose={() => show(null)}
          onMade={id => void navigate({ to: '/admin/templates/$id', params: { id } })}
        />
      )}
    </>
  )
}
