import { Migrator } from 'kysely/migration'
import { HdcsError } from '../lib/errors.ts'
import type { Db } from './connect.ts'
import * as machines from './migrations/0001-machines.ts'
import * as people from './migrations/0002-people.ts'
import * as peopleEvents from './migrations/0003-people-events.ts'
import * as manyHosts from './migrations/0004-many-hosts.ts'
import * as tallies from './migrations/0005-tallies.ts'
import * as placement from './migrations/0006-placement.ts'
import * as fewerLooks from './migrations/0007-fewer-looks.ts'
import * as movedStorages from './migrations/0008-moved-storages.ts'
import * as hostHistory from './migrations/0009-host-history.ts'

/** In the order of their names; a migration that has landed is never changed. */
const migrations = {
  '0001-machines': machines,
  '0002-people': people,
  '0003-people-events': peopleEvents,
  '0004-many-hosts': manyHosts,
  '0005-tallies': tallies,
  '0006-placement': placement,
  '0007-fewer-looks': fewerLooks,
  '0008-moved-storages': movedStorages,
  '0009-host-history': hostHistory,
}

/**
 * Brings the database to this program's schema. Any number of processes may call it at once: one does the work, the
 * others wait for it.
 *
 * @throws HdcsError `internal` with PostgreSQL's words as the cause; the failed migration was rolled back.
 */
export async function migrateDatabase(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error) throw new HdcsError('internal', 'The database could not be brought to this version.', { cause: error })
}
