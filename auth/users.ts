/** People: the user administrator's room. */

import type { Db, Tx } from '../db/connect.ts'
import { tokenDeleteAll } from '../db/tokens.ts'
import {
  groupsOfUsers,
  type UserChange,
  type UserFilter,
  type UserRow,
  userUpdate as userChange,
  userDesktopNames,
  userDelete as userErase,
  userGet as userFind,
  userList as userFindAll,
  userCreate as userInsert,
  userPasswordHash,
  usersHolding,
} from '../db/users.ts'
import { passwordLeast } from '../lib/config.ts'
import { nameAfter, nextByName } from '../lib/cursors.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Auth } from './auth.ts'
import { passphraseMake } from './passphrase.ts'
import { passwordHash, passwordVerify } from './password.ts'
import type { Role } from './policy.ts'
import type { Principal } from './principal.ts'

export interface UserView {
  id: string
  name: string
  displayName: string
  email: string | null
  roles: Role[]
  disabled: boolean
  passwordTemporary: boolean
  groups: { id: string; name: string }[]
  createdAt: string
  lastSeenAt: string | null
  actions: { name: string; allowed: boolean; reason?: string }[]
}

export async function userList(
  auth: Auth,
  principal: Principal,
  query: Omit<UserFilter, 'after'> & { cursor?: string | undefined },
): Promise<{ items: UserView[]; nextCursor: string | null }> {
  const rows = await userFindAll(auth.db, { ...query, after: nameAfter(query.cursor), limit: query.limit + 1 })
  const shown = rows.slice(0, query.limit)
  const items = await views(auth, principal, shown)
  return { items, nextCursor: nextByName(rows, query.limit) }
}

/** @throws HdcsError `not_found`. */
export async function userGet(auth: Auth, principal: Principal, id: string): Promise<UserView> {
  const row = await userFind(auth.db, id)
  if (!row) throw notFound()
  return view(auth, principal, row)
}

export interface UserWish {
  name: string
  password?: string | undefined
  displayName?: string | undefined
  email?: string | null | undefined
  roles: Role[]
  disabled: boolean
}

/** @returns password: the generated one when none was given, never to be seen again. */
export async function userCreate(
  auth: Auth,
  principal: Principal,
  wish: UserWish,
): Promise<{ user: UserView; password: string | null }> {
  await refuseMachines(auth, principal, wish.roles)
  const generated = wish.password === undefined ? passphraseMake() : null
  const password = wish.password ?? generated ?? ''
  refuseWeakPassword(password, wish.name)
  const row = await userInsert(auth.db, {
    id: newId(),
    name: wish.name,
    display_name: wish.displayName ?? wish.name,
    email: wish.email ?? null,
    password_hash: await passwordHash(password),
    password_temporary: true,
    roles: [...new Set(wish.roles)],
    disabled: wish.disabled,
  })
  if (!row) throw nameTaken(`There is already somebody named ${wish.name}.`)
  return { user: await view(auth, principal, row), password: generated }
}

export interface UserPatch {
  displayName?: string | undefined
  email?: string | null | undefined
  roles?: Role[] | undefined
  disabled?: boolean | undefined
}

/**
 * @throws HdcsError `conflict`: nobody would be left to manage people, or one would change one's own rights.
 */
export async function userUpdate(auth: Auth, principal: Principal, id: string, patch: UserPatch): Promise<UserView> {
  const row = await auth.db.transaction().execute(async tx => {
    const before = await userFind(tx, id)
    if (!before) throw notFound()
    const self = id === principal.userId
    if (self && patch.disabled)
      throw new HdcsError('conflict', 'Nobody disables themselves: ask another administrator.')
    if (self && patch.roles?.some(role => !before.roles.includes(role)))
      throw new HdcsError('conflict', 'Nobody gives themselves a role: ask another administrator.')
    const gained = patch.roles?.filter(role => !before.roles.includes(role)) ?? []
    await refuseMachines({ db: tx }, principal, gained)
    const loses = patch.disabled === true || (patch.roles !== undefined && !patch.roles.includes('userAdministrator'))
    if (loses && before.roles.includes('userAdministrator')) await refuseIfLast(tx, id)
    const change: UserChange = {
      ...(patch.displayName !== undefined && { display_name: patch.displayName }),
      ...(patch.email !== undefined && { email: patch.email }),
      ...(patch.roles !== undefined && { roles: [...new Set(patch.roles)] }),
      ...(patch.disabled !== undefined && { disabled: patch.disabled }),
    }
    if (patch.disabled) await tokenDeleteAll(tx, id)
    return userChange(tx, id, change)
  })
  auth.principals.forget({ userId: id })
  if (!row) throw notFound()
  return view(auth, principal, row)
}

/** Ends the person's sessions and tokens too: whoever knew the old password is out. */
export async function userPasswordReset(
  auth: Auth,
  principal: Principal,
  id: string,
  wished: string | undefined,
): Promise<{ password: string | null }> {
  const row = await userFind(auth.db, id)
  if (!row) throw notFound()
  await refuseMachines(auth, principal, row.roles)
  const generated = wished === undefined ? passphraseMake() : null
  const password = wished ?? generated ?? ''
  refuseWeakPassword(password, row.name)
  const hash = await passwordHash(password)
  await auth.db.transaction().execute(async tx => {
    await userChange(tx, id, { password_hash: hash, password_temporary: true })
    await tokenDeleteAll(tx, id)
  })
  auth.principals.forget({ userId: id })
  return { password: generated }
}

/** Removes a person; `release` gives back what desktops they have, and is only asked when `force` is set. */
export async function userDelete(
  auth: Auth,
  principal: Principal,
  id: string,
  options: { force: boolean; release: () => Promise<void> },
): Promise<void> {
  if (id === principal.userId) throw new HdcsError('conflict', 'Nobody removes themselves: ask another administrator.')
  const desktops = await userDesktopNames(auth.db, id)
  if (desktops.length > 0 && !options.force)
    throw new HdcsError(
      'conflict',
      `This person has ${desktops.length === 1 ? 'the desktop' : 'desktops'} ${desktops.map(desktop => desktop.name).join(', ')}: give ${desktops.length === 1 ? 'it' : 'them'} back first, or use force.`,
    )
  if (desktops.length > 0) await options.release()
  await auth.db.transaction().execute(async tx => {
    const row = await userFind(tx, id)
    if (!row) throw notFound()
    if (row.roles.includes('userAdministrator')) await refuseIfLast(tx, id)
    await userErase(tx, id)
  })
  auth.principals.forget({ userId: id })
}

export interface OwnPatch {
  displayName?: string | undefined
  password?: { old: string; new: string } | undefined
}

/** What people change about themselves. A new password ends their other sessions. */
export async function ownUpdate(auth: Auth, principal: Principal, patch: OwnPatch): Promise<UserView> {
  const id = principal.userId
  const change: UserChange = patch.displayName === undefined ? {} : { display_name: patch.displayName }
  if (patch.password) {
    if (!(await passwordVerify(patch.password.old, await userPasswordHash(auth.db, id))))
      throw new HdcsError('invalid', 'The old password is wrong.', {
        fields: [{ field: 'body.password.old', message: 'is wrong' }],
      })
    refuseWeakPassword(patch.password.new, principal.name, 'body.password.new')
    change.password_hash = await passwordHash(patch.password.new)
    change.password_temporary = false
  }
  const row = await auth.db.transaction().execute(async tx => {
    if (patch.password) await tokenDeleteAll(tx, id, { kind: 'session', except: principal.tokenId })
    return userChange(tx, id, change)
  })
  auth.principals.forget({ userId: id })
  if (!row) throw notFound()
  return view(auth, principal, row)
}

function refuseWeakPassword(password: string, name: string, field = 'body.password') {
  const message =
    password.length < passwordLeast
      ? `needs ${passwordLeast} characters at least`
      : password.toLowerCase().includes(name) && password.length < name.length + passwordLeast
        ? 'must not be the name with little added'
        : undefined
  if (message) throw new HdcsError('invalid', `The password ${message}.`, { fields: [{ field, message }] })
}

async function refuseIfLast(tx: Tx, id: string) {
  if ((await usersHolding(tx, 'userAdministrator', id)) === 0)
    throw new HdcsError('conflict', 'This is the last user administrator: make another one first.')
}

/**
 * Who manages people and no machines shall not come to manage them under another's name: by a person made for it, or by
 * the password of one who does. Where nobody manages machines, somebody must be able to begin.
 */
async function refuseMachines({ db }: { db: Db | Tx }, principal: Principal, roles: readonly string[]) {
  const role = 'infrastructureAdministrator'
  if (!roles.includes(role) || principal.roles.includes(role)) return
  if ((await usersHolding(db, role, principal.userId)) > 0)
    throw new HdcsError(
      'forbidden',
      'Only an infrastructure administrator makes another one, or resets the password of one.',
    )
}

const notFound = () => new HdcsError('not_found', 'There is no such person.')

async function view(auth: Auth, principal: Principal, row: UserRow): Promise<UserView> {
  const [only] = await views(auth, principal, [row])
  if (!only) throw notFound()
  return only
}

async function views(auth: Auth, principal: Principal, rows: UserRow[]): Promise<UserView[]> {
  const groups = await groupsOfUsers(
    auth.db,
    rows.map(row => row.id),
  )
  return rows.map(row => ({
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    email: row.email,
    roles: row.roles as Role[],
    disabled: row.disabled,
    passwordTemporary: row.password_temporary,
    groups: groups.get(row.id) ?? [],
    createdAt: row.created_at.toISOString(),
    lastSeenAt: row.last_seen_at?.toISOString() ?? null,
    actions: userActions(principal, row.id),
  }))
}

/** What may be done with a person, with the reason where not. Pure. */
function userActions(principal: Principal, id: string): UserView['actions'] {
  const may = principal.permissions.has('user.write')
  const reason = may ? undefined : 'Only user administrators manage people.'
  const others = reason ?? (id === principal.userId ? 'Nobody does this to themselves.' : undefined)
  const action = (name: string, why: string | undefined) => ({
    name,
    allowed: why === undefined,
    ...(why && { reason: why }),
  })
  return [
    action('update', reason),
    action('resetPassword', reason),
    action('disable', others),
    action('delete', others),
  ]
}
