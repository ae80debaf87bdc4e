import { Select } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { templatesQuery } from '../data/queries.ts'

/** Every version that was made of an ISO file and is ready. */
export function useDiscs() {
  const { t } = useTranslation()
  const templates = useQuery(templatesQuery({ limit: 500 })).data?.items ?? []
  return templates.flatMap(({ name, versions }) =>
    versions.flatMap(({ id, number, source, state }) =>
      source.kind === 'upload' && source.format === 'iso' && state === 'sealed'
        ? [{ value: id, label: t('making.discHas', { name, number }) }]
        : [],
    ),
  )
}

export function DiscSelect(props: { value: string | null; onChange: (versionId: string | null) => void }) {
  const { t } = useTranslation()
  return (
    <Select
      clearable
      label={t('making.disc')}
      description={t('making.discHelp')}
      placeholder={t('making.discNone')}
      data={useDiscs()}
      withScrollArea={false}
      value={props.value}
      onChange={props.onChange}
    />
  )
}
