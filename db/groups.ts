import type { Db, Tx } from './connect.ts'

export interface GroupRow {
  id: string
  name: string
  description: string
  created_at: Date
}

const columns = ['id', 'name', 'description', 'created_at'] as const

/** @returns undefined when the name is taken. */
export async function groupCreate(
  db: Db | Tx,
  group: { id: string; name: string; description: string },
): Promise<GroupRow | undefined> {
  return db
    .insertInto('group_account')
    .values(group)
    .onConflict(conflict => conflict.column('name').doNothing())
    .returning(columns)
    .executeTakeFirst()
}

export async function groupGet(db: Db, id: string): Promise<GroupRow | undefined> {
  return db.selectFrom('group_account').select(columns).where('id', '=', id).executeTakeFirst()
}

/** By name. */
export async function groupList(
  db: Db,
  filter: { name?: string | undefined; after?: string | undefined; limit: number },
): Promise<GroupRow[]> {
  let query = db.selectFrom('group_account').select(columns).orderBy('name').limit(filter.limit)
  if (filter.name) query = query.where('name', '=', filter.name)
  if (filter.after) query = query.where('name', '>', filter.after)
  return query.execute()
}

/** @returns undefined when there is no such group, `taken` when another has the name. */
export async function groupUpdate(
  db: Tx,
  id: string,
  change: { name?: string; description?: string },
): Promise<GroupRow | 'taken' | undefined> {
  if (change.name !== undefined) {
    const other = await db
      .selectFrom('group_account')
      .select('id')
      .where('name', '=', change.name)
      .where('id', '!=', id)
      .executeTakeFirst()
    if (other) return 'taken'
  }
  if (Object.keys(change).length === 0)
    return db.selectFrom('group_account').select(columns).where('id', '=', id).executeTakeFirst()
  return db.updateTable('group_account').set(change).where('id', '=', id).returning(columns).executeTakeFirst()
}

/** @returns false when there is no such group. */
export async function groupDelete(db: Db, id: string): Promise<boolean> {
  const gone = await db.deleteFrom('group_account').where('id', '=', id).executeTakeFirst()
  return gone.numDeletedRows > 0n
}

/** Replaces the members. */
export async function groupMembersSet(tx: Tx, groupId: string, userIds: string[]): Promise<void> {
  await tx.deleteFrom('group_member').where('group_id', '=', groupId).execute()
  if (userIds.length === 0) return
  const members = [...new Set(userIds)].map(userId => ({ group_id: groupId, user_id: userId }))
  await tx.insertInto('group_member').values(members).execute()
}

export interface MemberRow {
  group_id: string
  id: string
  name: string
  display_name: string
}

export async function groupMembers(db: Db | Tx, groupIds: string[]): Promise<MemberRow[]> {
  if (groupIds.length === 0) return []
  return db
    .selectFrom('group_member')
    .innerJoin('user_account', 'user_account.id', 'group_member.user_id')
    .select(['group_member.group_id', 'user_account.id', 'user_account.name', 'user_account.display_name'])
    .where('group_member.group_id', 'in', groupIds)
    .orderBy('user_account.name')
    .execute()
}
