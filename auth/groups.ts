/** Groups of people, to whom pools are given as a whole. */

import type { Tx } from '../db/connect.ts'
import {
  type GroupRow,
  groupUpdate as groupChange,
  groupDelete as groupErase,
  groupGet as groupFind,
  groupList as groupFindAll,
  groupCreate as groupInsert,
  groupMembers,
  groupMembersSet,
} from '../db/groups.ts'
import { usersExisting } from '../db/users.ts'
import { nameAfter, nextByName } from '../lib/cursors.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Auth } from './auth.ts'

export interface GroupView {
  id: string
  name: string
  description: string
  members: { id: string; name: string; displayName: string }[]
  createdAt: string
}

export async function groupList(
  auth: Auth,
  query: { name?: string | undefined; cursor?: string | undefined; limit: number },
): Promise<{ items: GroupView[]; nextCursor: string | null }> {
  const rows = await groupFindAll(auth.db, { name: query.name, after: nameAfter(query.cursor), limit: query.limit + 1 })
  const shown = rows.slice(0, query.limit)
  return {
    items: await views(auth, shown),
    nextCursor: nextByName(rows, query.limit),
  }
}

/** @throws HdcsError `not_found`. */
export async function groupGet(auth: Auth, id: string): Promise<GroupView> {
  const row = await groupFind(auth.db, id)
  if (!row) throw notFound()
  return view(auth, row)
}

export async function groupCreate(
  auth: Auth,
  wish: { name: string; description: string; userIds: string[] },
): Promise<GroupView> {
  const row = await auth.db.transaction().execute(async tx => {
    const made = await groupInsert(tx, { id: newId(), name: wish.name, description: wish.description })
    if (!made) throw taken(wish.name)
    await membersSet(tx, made.id, wish.userIds)
    return made
  })
  return view(auth, row)
}

export async function groupUpdate(
  auth: Auth,
  id: string,
  patch: { name?: string | undefined; description?: string | undefined; userIds?: string[] | undefined },
): Promise<GroupView> {
  const row = await auth.db.transaction().execute(async tx => {
    const change = {
      ...(patch.name !== undefined && { name: patch.name }),
      ...(patch.description !== undefined && { description: patch.description }),
    }
    const changed = await groupChange(tx, id, change)
    if (changed === 'taken') throw taken(patch.name ?? '')
    if (!changed) throw notFound()
    if (patch.userIds) await membersSet(tx, id, patch.userIds)
    return changed
  })
  return view(auth, row)
}

/** Pools given to the group are no longer its members'. */
export async function groupDelete(auth: Auth, id: string): Promise<void> {
  if (!(await groupErase(auth.db, id))) throw notFound()
}

async function membersSet(tx: Tx, id: string, userIds: string[]) {
  const known = await usersExisting(tx, userIds)
  const fields = userIds.flatMap((userId, index) =>
    known.has(userId) ? [] : [{ field: `body.userIds.${index}`, message: 'there is no such person' }],
  )
  if (fields.length > 0) throw new HdcsError('invalid', 'Some of these people do not exist.', { fields })
  await groupMembersSet(tx, id, userIds)
}

const notFound = () => new HdcsError('not_found', 'There is no such group.')
const taken = (name: string) => nameTaken(`There is already a group named ${name}.`)

async function view(auth: Auth, row: GroupRow): Promise<GroupView> {
  const [only] = await views(auth, [row])
  if (!only) throw notFound()
  return only
}

async function views(auth: Auth, rows: GroupRow[]): Promise<GroupView[]> {
  const members = await groupMembers(
    auth.db,
    rows.map(row => row.id),
  )
  return rows.map(row => ({
    id: row.id,
    name: row.name,
    description: row.description,
    members: members
      .filter(member => member.group_id === row.id)
      .map(member => ({ id: member.id, name: member.name, displayName: member.display_name })),
    createdAt: row.created_at.toISOString(),
  }))
}
