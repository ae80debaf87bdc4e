/** Where a console leads to, and who may go there: one table for navigation, palette and help. */
import {
  FileClock,
  Gauge,
  HardDrive,
  Layers,
  ListChecks,
  type LucideIcon,
  Monitor,
  Package,
  Server,
  Users,
} from 'lucide-react'
import type { Permission } from '../data/nouns.ts'
import type { en } from '../i18n/en.ts'

export interface Place {
  name: keyof typeof en.nav
  to:
    | '/admin'
    | '/admin/desktops'
    | '/admin/pools'
    | '/admin/templates'
    | '/admin/people'
    | '/admin/hosts'
    | '/admin/storage'
    | '/admin/tasks'
    | '/admin/audit'
  icon: LucideIcon
  permission: Permission
}

export const places: Place[] = [
  { name: 'overview', to: '/admin', icon: Gauge, permission: 'self' },
  { name: 'desktops', to: '/admin/desktops', icon: Monitor, permission: 'desktop.read' },
  { name: 'pools', to: '/admin/pools', icon: Layers, permission: 'pool.read' },
  { name: 'templates', to: '/admin/templates', icon: Package, permission: 'template.read' },
  { name: 'people', to: '/admin/people', icon: Users, permission: 'user.read' },
  { name: 'hosts', to: '/admin/hosts', icon: Server, permission: 'host.read' },
  { name: 'storage', to: '/admin/storage', icon: HardDrive, permission: 'host.read' },
  { name: 'tasks', to: '/admin/tasks', icon: ListChecks, permission: 'self' },
  { name: 'audit', to: '/admin/audit', icon: FileClock, permission: 'audit.read' },
]
