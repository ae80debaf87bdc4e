/** The things of the API as the pages see them: types only, taken from the client's answers. */
import type { Answer } from '../../api/client.ts'

export type Me = Answer<'meGet'>
export type Permission = Me['permissions'][number]
export type Role = Me['roles'][number]
export type Desktop = Answer<'desktopGet'>
export type DesktopAction =
  | 'start'
  | 'shutdown'
  | 'poweroff'
  | 'reboot'
  | 'reset'
  | 'suspend'
  | 'resume'
  | 'release'
  | 'delete'
export type Host = Answer<'hostGet'>
export type Pool = Answer<'poolGet'>
export type Entitlements = Answer<'entitlementGet'>
export type Task = Answer<'taskGet'>
export type Template = Answer<'templateGet'>
export type TemplateVersion = Template['versions'][number]
export type Action = Desktop['actions'][number]
export type User = Answer<'userGet'>
export type Group = Answer<'groupGet'>
export type AuditEntry = Answer<'auditList'>['items'][number]
export type Transition = Answer<'desktopHistory'>['items'][number]
