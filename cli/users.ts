import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { find } from './find.ts'
import type { User } from './nouns.ts'
import { ago, type Column, table } from './print.ts'

export async function userList(context: Context): Promise<void> {
  const page = await context.client.userList({ query: { limit: 500 } })
  const columns: Column<User>[] = [
    { title: 'NAME', value: user => user.name },
    { title: 'SHOWN AS', value: user => user.displayName },
    { title: 'ROLES', value: user => user.roles.join(', ') },
    { title: 'GROUPS', value: user => user.groups.map(({ name }) => name).join(', ') },
    { title: 'SEEN', value: user => ago(user.lastSeenAt, context.now()) },
    { title: 'NOTE', value: user => (user.disabled ? 'disabled' : '') },
  ]
  answer(context, page, () => table(page.items, columns, context.terminal.width))
}

export interface UserOptions {
  displayName?: string
  email?: string
  role?: string[]
  password?: string
}

type Role = User['roles'][number]

/** Without a password one is made up and shown, this once. */
export async function userAdd(context: Context, name: string, options: UserOptions): Promise<void> {
  const user = await context.client.userCreate({
    body: {
      name,
      ...(options.displayName !== undefined && { displayName: options.displayName }),
      ...(options.email !== undefined && { email: options.email }),
      ...(options.role !== undefined && { roles: options.role as Role[] }),
      ...(options.password !== undefined && { password: options.password }),
    },
  })
  answer(context, user, () =>
    user.password
      ? `${user.name} may sign in; the password, shown only now: ${user.password}`
      : `${user.name} may sign in`,
  )
}

export async function userSetDisabled(context: Context, name: string, disabled: boolean): Promise<void> {
  const { id } = await userFind(context, name)
  const user = await context.client.userUpdate({ params: { id }, body: { disabled } })
  answer(context, user, () =>
    disabled ? `${user.name} cannot sign in any more; open sessions ended` : `${user.name} may sign in again`,
  )
}

export async function userNewPassword(context: Context, name: string, password: string | undefined): Promise<void> {
  const { id } = await userFind(context, name)
  const made = await context.client.userPasswordReset({
    params: { id },
    body: password === undefined ? {} : { password },
  })
  answer(context, made, () =>
    made.password ? `the new password of ${name}, shown only now: ${made.password}` : `${name} has the new password`,
  )
}

export async function userRemove(context: Context, name: string, force: boolean): Promise<void> {
  const { id } = await userFind(context, name)
  await context.client.userDelete({ params: { id }, query: { force } })
  answer(context, { removed: id }, () => `${name} was removed`)
}

export function userFind({ client }: Context, name: string): Promise<User> {
  if (!name) throw new HdcsError('invalid', 'Whom? Give a name.')
  return find(
    'person',
    name,
    id => client.userGet({ params: { id } }),
    query => client.userList({ query: { ...query, limit: 500 } }),
  )
}
