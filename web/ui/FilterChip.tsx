import { Button, Menu } from '@mantine/core'
import { Check, ChevronDown } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Icon } from './Icon.tsx'

export interface Filter {
  key: string
  label: string
  options: { value: string; label: string }[]
}

/** One filter as a chip that says what it is set to. */
export function FilterChip(props: {
  filter: Filter
  value: string | undefined
  onChange: (value: string | undefined) => void
}) {
  const { t } = useTranslation()
  const chosen = props.filter.options.find(option => option.value === props.value)
  return (
    <Menu position="bottom-start" withinPortal>
      <Menu.Target>
        <Button
          size="xs"
          radius="xl"
          variant={chosen ? 'light' : 'default'}
          rightSection={<Icon of={ChevronDown} small />}
        >
          {chosen ? t('table.filterBy', { label: props.filter.label, value: chosen.label }) : props.filter.label}
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah="60vh" style={{ overflowY: 'auto' }}>
        {[{ value: '', label: t('table.all') }, ...props.filter.options].map(option => (
          <Menu.Item
            key={option.value}
            rightSection={option.value === (props.value ?? '') ? <Icon of={Check} small /> : null}
            onClick={() => props.onChange(option.value || undefined)}
          >
            {option.label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
