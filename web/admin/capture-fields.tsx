/** Which desktop becomes a template version, and whether it is sealed: the fields that more than one dialogue asks for. */

import { Select, type SelectProps, Switch, type SwitchProps, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal } from '../data/actions.ts'
import { desktopsQuery } from '../data/queries.ts'
import { saidWord } from '../i18n/said.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import classes from './capture-fields.module.css'
import { desktopChoices } from './captures.ts'

/** Desktops offered at once; the search finds the others. */
const offered = 50

export function DesktopSelect(props: Omit<SelectProps, 'data' | 'label'>) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const [search, setSearch] = useState('')
  const [chosen, setChosen] = useState('')
  // The name of the chosen one stands in the field: that is no search.
  const [asked] = useDebouncedValue(search === chosen ? '' : search.trim(), 250)
  const query = { limit: offered, ...(asked && { search: asked }) }
  // Only what stands still can be taken: among many others it would not be in the first of all.
  const still = useQuery(desktopsQuery({ ...query, phase: 'stopped' }))
  const all = useQuery(desktopsQuery(query))
  const choices = desktopChoices(
    [...(still.data?.items ?? []), ...(all.data?.items ?? [])],
    desktop => refusal(desktop.actions, 'capture') ?? null,
  )
  const known = new Map(choices.map(choice => [choice.value, choice]))
  return (
    <>
      <Select
        required
        searchable
        label={t('templates.captured')}
        description={t('templates.capturedHelp')}
        placeholder={t('templates.capturedChoose')}
        {...props}
        data={choices}
        onChange={(value, option) => {
          setChosen(option?.label ?? '')
          props.onChange?.(value, option)
        }}
        onSearchChange={setSearch}
        // The server has searched.
        filter={({ options }) => options}
        // The list itself scrolls: what lies between it and its options would have to take the focus (axe).
        withScrollArea={false}
        classNames={{ option: classes.option, options: classes.options }}
        nothingFoundMessage={all.isPending ? t('common.unknown') : t('templates.capturedNone')}
        renderOption={({ option }) => {
          const choice = known.get(option.value)
          return (
            <div>
              <Text size="sm">{option.label}</Text>
              {[choice?.whose, saidWord(choice?.reason)].filter(Boolean).map(line => (
                <Text key={line} size="xs" className={classes.more}>
                  {line}
                </Text>
              ))}
            </div>
          )
        }}
      />
      <ErrorPanel error={all.error} retry={() => void all.refetch()} />
    </>
  )
}

export function SealSwitch(props: SwitchProps) {
  const { t } = useTranslation()
  return <Switch label={t('templates.seal')} description={t('templates.sealHelp')} {...props} />
}
