import { Button, Menu, Text } from '@mantine/core'
import { ChevronDown, type LucideIcon } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Icon } from './Icon.tsx'

export interface MoreItem {
  name: string
  label: string
  icon?: LucideIcon
  /** Null: allowed. Else the sentence that says why not. */
  reason: string | null
  danger?: boolean
  /** A line before it. */
  apart?: boolean
  onClick: () => void
}

/** What is seldom asked for: behind one button. A refused one stands there with its reason beneath it. */
export function MoreMenu({ items }: { items: readonly MoreItem[] }) {
  const { t } = useTranslation()
  if (items.length === 0) return null
  return (
    <Menu position="bottom-end" width="max-content">
      <Menu.Target>
        <Button size="xs" variant="default" rightSection={<Icon of={ChevronDown} small />}>
          {t('common.more')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown maw="min(22rem, 100vw)">
        {items.map(({ name, label, icon, reason, danger, apart, onClick }) => (
          <div key={name} role="none">
            {apart && <Menu.Divider />}
            <Menu.Item
              leftSection={icon && <Icon of={icon} small />}
              closeMenuOnClick={reason === null}
              {...(danger && reason === null && { c: 'var(--mantine-color-error)' })}
              {...(reason !== null && { 'data-disabled': true, 'aria-disabled': true, opacity: 1 })}
              onClick={() => reason === null && onClick()}
            >
              {label}
              {reason !== null && (
                <Text size="xs" c="dimmed">
                  {reason}
                </Text>
              )}
            </Menu.Item>
          </div>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
