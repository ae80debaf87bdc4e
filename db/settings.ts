import type { Kysely } from 'kysely'
import { newId } from '../lib/ids.ts'
import type { Db } from './connect.ts'
import type { Database } from './schema.ts'

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

/** The fingerprint of the authority that signs hosts' certificates: the first that came, whichever this one is. */
export async function settingAuthority(db: Db, fingerprint: string): Promise<string> {
  await db
    .insertInto('setting')
    .values({ key: 'authority', value: fingerprint })
    .onConflict(conflict => conflict.column('key').doNothing())
    .execute()
  const row = await db.selectFrom('setting').select('value').where('key', '=', 'authority').executeTakeFirstOrThrow()
  return row.value
}

/** Which host is this machine's own, by the name it has here: an administrator may have given the host another. */
export async function settingLocalHost(db: Kysely<Database>, machineName: string): Promise<string | undefined> {
  const key = localHostKey(machineName)
  const row = await db.selectFrom('setting').select('value').where('key', '=', key).executeTakeFirst()
  return row?.value
}

export async function settingLocalHostSet(db: Kysely<Database>, machineName: string, hostId: string): Promise<void> {
  await db
    .insertInto('setting')
    .values({ key: localHostKey(machineName), value: hostId })
    .onConflict(conflict => conflict.column('key').doUpdateSet({ value: hostId }))
    .execute()
}

const localHostKey = (machineName: string) => `localHost:${machineName}`
