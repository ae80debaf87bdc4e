import { newId } from '../lib/ids.ts'
import type { Db } from './connect.ts'

/** Marks what belongs to this database: hosts never touch machines of another installation. Made once. */
export async function settingInstallationId(db: Db): Promise<string> {
  await db
    .insertInto('setting')
    .values({ key: 'installationId', value: newId() })
    .onConflict(conflict => conflict.column('key').doNothing())
    .execute()
  const row = await db
    .selectFrom('setting')
    .select('value')
    .where('key', '=', 'installationId')
    .executeTakeFirstOrThrow()
  return row.value
}
