import { MultiSelect } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useMe } from '../data/me.ts'
import { usersQuery } from '../data/queries.ts'

/** Persons offered at once; the search finds the others. */
const offered = 50
/** As many as the API makes desktops for at once. */
const most = 100

/** Whose desktops shall be made, one for each; `me` stands for whoever asks. */
export function PeopleSelect(props: {
  value: string[]
  /** The names of all that were seen go with the ids. */
  onChange: (userIds: string[], names: ReadonlyMap<string, string>) => void
  error?: ReactNode
}) {
  const { t } = useTranslation()
  const me = useMe()
  const [search, setSearch] = useState('')
  const [asked] = useDebouncedValue(search.trim(), 250)
  const people = useQuery(usersQuery({ limit: offered, ...(asked && { search: asked }) }))
  // Who was picked keeps their name when the search finds others.
  const [names, setNames] = useState<ReadonlyMap<string, string>>(
    new Map([[me.id, `${me.displayName || me.name} (${t('making.me')})`]]),
  )
  useEffect(() => {
    const found = (people.data?.items ?? []).map(user => [user.id, user.displayName || user.name] as const)
    setNames(known => new Map([...found, ...known]))
  }, [people.data])
  const shown = new Set([me.id, ...props.value, ...(people.data?.items ?? []).map(({ id }) => id)])
  return (
    <MultiSelect
      searchable
      clearable
      maxValues={most}
      label={t('making.people')}
      description={t('making.peopleHelp')}
      data={[...shown].map(id => ({ value: id, label: names.get(id) ?? id }))}
      searchValue={search}
      onSearchChange={setSearch}
      withScrollArea={false}
      nothingFoundMessage={people.isPending ? t('common.unknown') : t('making.personNone')}
      clearButtonProps={{ 'aria-label': t('common.clear') }}
      value={props.value}
      onChange={ids => props.onChange(ids, names)}
      error={props.error}
    />
  )
}
