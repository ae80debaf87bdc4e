/** Names of desktops: each is one desktop's, also while that lies in the recycle bin. */
import type { Db, Tx } from '../db/connect.ts'
import { desktopNamed } from '../db/making.ts'

/** Why no other desktop can have this name; undefined: it is free. */
export async function nameRefusal(db: Db | Tx, name: string): Promise<string | undefined> {
  const held = await desktopNamed(db, name)
  if (!held) return undefined
  return held.binned_at === null
    ? `A desktop named ${name} already exists: choose another name.`
    : `A desktop named ${name} lies in the recycle bin: restore it, remove it for good there, or choose another name.`
}
