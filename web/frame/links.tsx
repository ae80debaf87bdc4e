/** Mantine's anchor, button and menu item as typed links: addresses are checked against the routes. */
import { Anchor, type AnchorProps, Button, type ButtonProps, Menu, type MenuItemProps } from '@mantine/core'
import { createLink } from '@tanstack/react-router'
import type { MouseEventHandler, ReactNode, Ref } from 'react'

interface AsLink {
  ref?: Ref<HTMLAnchorElement>
  children?: ReactNode
  'aria-label'?: string
  onClick?: MouseEventHandler<HTMLAnchorElement>
}

export const AnchorLink = createLink((props: AnchorProps & AsLink) => <Anchor size="sm" {...props} />)
export const ButtonLink = createLink((props: ButtonProps & AsLink) => <Button component="a" {...props} />)
export const MenuLink = createLink((props: MenuItemProps & AsLink) => <Menu.Item component="a" {...props} />)
