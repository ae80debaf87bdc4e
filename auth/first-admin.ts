import { chmod, writeFile } from 'node:fs/promises'
import type { Db } from '../db/connect.ts'
import { userByName, userCreate } from '../db/users.ts'
import { newId } from '../lib/ids.ts'
import { passphraseMake } from './passphrase.ts'
import { passwordHash } from './password.ts'
import type { Role } from './policy.ts'

const name = 'admin'
/** Both halves of what DESIGN §6 separates, until the first hands one on. */
const firstRoles: Role[] = ['userAdministrator', 'infrastructureAdministrator', 'person']

/**
 * Makes the first administrator where none was made. Safe to call at every start, from any number of processes.
 * @param file gets the generated password, mode 0600, when none was given.
 * @returns password: the generated one when this call made the account, else null.
 */
export async function ensureFirstAdministrator(
  db: Db,
  wish: { password?: string; file: string },
): Promise<{ name: string; password: string | null }> {
  if (await userByName(db, name)) return { name, password: null }
  const generated = wish.password ? null : passphraseMake()
  const password = wish.password ?? generated ?? ''
  const hash = await passwordHash(password)
  // The file is written while the row's lock is held: of two processes only one writes, and a crash between the two
  // leaves a file without account, which the next start replaces, never an account whose password nobody has.
  const made = await db.transaction().execute(async tx => {
    const user = await userCreate(tx, {
      id: newId(),
      name,
      display_name: 'Administrator',
      email: null,
      password_hash: hash,
      password_temporary: generated !== null,
      roles: firstRoles,
      disabled: false,
    })
    if (user && generated) {
      await writeFile(wish.file, `${generated}\n`, { mode: 0o600 })
      await chmod(wish.file, 0o600) // a file that was there keeps its mode otherwise
    }
    return user
  })
  return { name, password: made ? generated : null }
}
