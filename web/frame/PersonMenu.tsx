import { Avatar, Button, Menu, Text } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { ChevronDown, LayoutDashboard, LogOut, Monitor, UserRound } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { client } from '../data/client.ts'
import { hasConsole, useMe } from '../data/me.ts'
import { queryClient } from '../data/queries.ts'
import { Icon } from '../ui/Icon.tsx'
import { MenuLink } from './links.tsx'

/** Who I am, where else I may go, and out. */
export function PersonMenu() {
  const { t } = useTranslation()
  const me = useMe()
  const navigate = useNavigate()
  const signOut = async () => {
    // A sign-out that fails has ended already or the server is away: the page forgets either way.
    await client.logout().catch(() => undefined)
    queryClient.clear()
    await navigate({ to: '/login' })
  }
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          c="inherit"
          px="xs"
          aria-label={t('frame.person')}
          rightSection={<Icon of={ChevronDown} small />}
        >
          <Avatar size="sm" radius="xl" color="harbour" variant="filled">
            <Icon of={UserRound} small />
          </Avatar>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={600} c="var(--mantine-color-text)">
            {me.displayName || me.name}
          </Text>
          <Text size="xs">{me.name}</Text>
        </Menu.Label>
        <Menu.Divider />
        <MenuLink to="/" leftSection={<Icon of={Monitor} small />}>
          {t('frame.portal')}
        </MenuLink>
        {hasConsole(me) && (
          <MenuLink to="/admin" leftSection={<Icon of={LayoutDashboard} small />}>
            {t('frame.console')}
          </MenuLink>
        )}
        <MenuLink to="/account" leftSection={<Icon of={UserRound} small />}>
          {t('frame.account')}
        </MenuLink>
        <Menu.Divider />
        <Menu.Item leftSection={<Icon of={LogOut} small />} onClick={() => void signOut()}>
          {t('frame.signOut')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
