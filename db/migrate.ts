import { sql } from 'kysely'
import { DEFAULT_MIGRATION_TABLE, Migrator } from 'kysely/migration'
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
import * as removedHosts from './migrations/0010-removed-hosts.ts'
import * as searchAddresses from './migrations/0011-search-addresses.ts'
import * as captures from './migrations/0012-captures.ts'
import * as copies from './migrations/0013-copies.ts'
import * as storage from './migrations/0014-storage.ts'
import * as saved from './migrations/0015-saved.ts'
import * as making from './migrations/0016-making.ts'
import * as adopted from './migrations/0017-adopted.ts'
import * as customisation from './migrations/0018-customisation.ts'
import * as dongles from './migrations/0019-dongles.ts'
import * as exports from './migrations/0020-exports.ts'
import * as pushes from './migrations/0021-pushes.ts'
import * as liveHardware from './migrations/0022-live-hardware.ts'
import * as storageKeys from './migrations/0025-storage-keys.ts'
import * as taskLists from './migrations/0027-task-lists.ts'
import * as clusterNetworks from './migrations/0028-cluster-networks.ts'
import * as lives from './migrations/0029-lives.ts'
import * as templateAnswers from './migrations/0030-template-answers.ts'
import * as fileSystems from './migrations/0032-file-systems.ts'
import * as imagePace from './migrations/0033-image-pace.ts'
import * as bootDisc from './migrations/0034-boot-disc.ts'

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
  '0010-removed-hosts': removedHosts,
  '0011-search-addresses': searchAddresses,
  '0012-captures': captures,
  '0013-copies': copies,
  '0014-storage': storage,
  '0015-saved': saved,
  '0016-making': making,
  '0017-adopted': adopted,
  '0018-customisation': customisation,
  '0019-dongles': dongles,
  '0020-exports': exports,
  '0021-pushes': pushes,
  '0022-live-hardware': liveHardware,
  '0025-storage-keys': storageKeys,
  '0027-task-lists': taskLists,
  '0028-cluster-networks': clusterNetworks,
  '0029-lives': lives,
  '0030-template-answers': templateAnswers,
  '0032-file-systems': fileSystems,
  '0033-image-pace': imagePace,
  '0034-boot-disc': bootDisc,
}

/**
 * Brings the database to this program's schema. Any number of processes may call it at once: one does the work, the
 * others wait for it.
 *
 * @throws HdcsError `conflict` when another version made it; `internal` with PostgreSQL's words, and all was rolled back.
 */
export async function migrateDatabase(db: Db): Promise<void> {
  const strange = await migrationsStrange(db)
  if (strange.length > 0)
    throw new HdcsError(
      'conflict',
      `Another version of HDCS, most likely a newer one, made this database (it has ${strange.join(', ')}, which this version does not know). Install that version, or restore a backup that this one made.`,
    )
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error)
    throw new HdcsError(
      'internal',
      `The database could not be brought to this version and is as it was (${error instanceof Error ? error.message : error}). Go on with the version before, or restore a backup.`,
      { cause: error },
    )
}

/** What was done to the database that this program does not know: it cannot tell what the tables are like. */
async function migrationsStrange(db: Db): Promise<string[]> {
  const { rows: tables } = await sql<{ found: boolean }>`
    select to_regclass(${DEFAULT_MIGRATION_TABLE}) is not null as found`.execute(db)
  if (!tables[0]?.found) return []
  const { rows } = await sql<{
    name: string
  }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)} order by name`.execute(db)
  return rows.map(({ name }) => name).filter(name => !(name in migrations))
}
