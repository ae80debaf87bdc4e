import { Select } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useMe } from '../data/me.ts'
import { usersQuery } from '../data/queries.ts'

/** Persons offered at once; the search finds the others. */
const offered = 50

/** Whose a desktop shall be; `me` stands for whoever asks. */
export function PersonSelect(props: { value: string; onChange: (userId: string) => void; error?: React.ReactNode }) {
  const { t } = useTranslation()
  const me = useMe()
  const [search, setSearch] = useState('')
  const [asked] = useDebouncedValue(search.trim(), 250)
  const people = useQuery(usersQuery({ limit: offered, ...(asked && { search: asked }) }))
  const others = (people.data?.items ?? []).filter(({ id }) => id !== me.id)
  return (
    <Select
      searchable
      allowDeselect={false}
      label={t('making.person')}
      description={t('making.personHelp')}
      data={[
        { value: me.id, label: `${me.displayName || me.name} (${t('making.me')})` },
        ...others.map(user => ({ value: user.id, label: user.displayName || user.name })),
      ]}
      onSearchChange={setSearch}
      withScrollArea={false}
      nothingFoundMessage={people.isPending ? t('common.unknown') : t('making.personNone')}
      value={props.value}
      onChange={value => value && props.onChange(value)}
      error={props.error}
    />
  )
}
