/** What a site is compared with: what still moves in its database, and what its hosts have that it does not name. */
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { sql } from 'kysely'
import type { Broker } from '../../../broker/broker.ts'
import { exportsFolder } from '../../../broker/exports.ts'
import { filesIn } from '../../../broker/kept-files.ts'
import { screenPortsReconciler } from '../../../broker/reconcile/screen-ports.ts'
import { templatesReconciler } from '../../../broker/reconcile/templates.ts'
import type { Db } from '../../../db/connect.ts'
import { overlayKey } from '../../../vmm/sim-storage.ts'
import type { Member } from './world.ts'

const never = new AbortController().signal

/** All that is on its way, in words. */
export async function restless(db: Db, demoId: string): Promise<string[]> {
  const words = (what: string, rows: object[]) => rows.map(row => `${what} ${JSON.stringify(row)}`)
  const desktops = await db.selectFrom('desktop').selectAll().execute()
  const warm = desktops.filter(row => row.pool_id === demoId && row.phase === 'ready' && row.user_id === null)
  const moving = desktops.filter(({ phase, dirty }) => dirty || !['ready', 'stopped', 'paused'].includes(phase))
  const versions = await db.selectFrom('template_version').selectAll().execute()
  const images = await db.selectFrom('host_image').selectAll().execute()
  const hosts = await db.selectFrom('host').selectAll().execute()
  return [
    ...words('move', await db.selectFrom('migration').selectAll().where('ended_at', 'is', null).execute()),
    ...words('task', await db.selectFrom('task').selectAll().where('finished_at', 'is', null).execute()),
    ...words('operation', await db.selectFrom('operation').selectAll().where('done_at', 'is', null).execute()),
    ...words('desktop', moving),
    ...words(
      'version',
      versions.filter(({ state }) => state !== 'sealed' && state !== 'failed'),
    ),
    ...words(
      'image',
      images.filter(row => row.observed_state !== 'ready'),
    ),
    ...words(
      'host',
      hosts.filter(({ state, wished_off_at }) => state !== 'online' || wished_off_at !== null),
    ),
    ...(warm.length === 2 ? [] : [`${warm.length} of 2 warm desktops`]),
  ]
}

/** Everything of which hosts and database do not say the same, in words. */
export async function strangers(broker: Broker, members: readonly Member[], uploadFolder: string): Promise<string[]> {
  const { db } = broker
  // They take their time by themselves; one look of each is enough.
  for (const look of [screenPortsReconciler, templatesReconciler]) await look(broker).step(never)
  const desktops = await db.selectFrom('desktop').selectAll().execute()
  const hosts = await db.selectFrom('host').select(['id', 'name', 'subnet']).execute()
  const versions = await db.selectFrom('template_version').select('id').execute()
  const at = (hostId: string) => members.find(({ id }) => id === hostId)
  const here = await Promise.all(members.map(async member => ({ ...member, machines: await member.host.machines() })))
  const running = desktops.filter(({ wished_power }) => wished_power !== 'stopped')
  const key = (row: { id: string; wished_incarnation: number }) =>
    overlayKey({ machineId: row.id, incarnation: row.wished_incarnation })
  const storages = [...new Set(members.map(({ storage }) => storage))]
  const place = ({ storage }: Member) => storages.indexOf(storage)
  const storageOf = (hostId: string) => {
    const member = at(hostId)
    return member ? place(member) : -1
  }
  const ports = await db.selectFrom('screen_port').selectAll().execute()
  const { rows: addresses } = await sql<{ id: string; text: string }>`
    select d.id, host(d.address) as text from desktop d join host h on h.id = d.host_id
    where d.address is not null`.execute(db)
  const { rows: foreign } = await sql<{ text: string }>`
    select d.name as text from desktop d join host h on h.id = d.host_id join cluster c on c.id = h.cluster_id
    where not d.address <<= c.supernet::inet and d.observed_power is distinct from 'running'
      and d.wished_power = 'running'`.execute(db)
  const sessions = await db.selectFrom('session').select('desktop_id').where('ended_at', 'is', null).execute()
  const dongles = await db.selectFrom('dongle').select(['id', 'desktop_id']).execute()
  const files = readdirSync(uploadFolder).filter(name => name !== basename(exportsFolder(uploadFolder)))
  const exports = await db.selectFrom('template_export').select(['id', 'state']).execute()

  return [
    ...differing(
      'host',
      hosts.map(({ name }) => name),
      members.map(({ name }) => name),
    ),
    ...differing(
      'network of a host',
      hosts.map(({ name, subnet }) => `${name} ${subnet}`),
      members.map(({ name, host }) => `${name} ${host.network()?.subnet}`),
    ),
    ...differing(
      'domain',
      running.map(row => `${key(row)} ${row.wished_power} on ${at(row.host_id)?.name}`),
      here.flatMap(({ name, machines }) =>
        machines.map(
          ({ id, incarnation, power }) => `${overlayKey({ machineId: id, incarnation })} ${power} on ${name}`,
        ),
      ),
    ),
    ...differing(
      'disk',
      desktops.map(row => `${key(row)} on storage ${storageOf(row.host_id)}`),
      storages.flatMap((storage, index) =>
        [...storage.overlays.values()].map(overlay => `${overlayKey(overlay)} on storage ${index}`),
      ),
    ),
    ...differing(
      'lock',
      // libvirt's too: a paused guest holds none.
      running
        .filter(row => row.wished_power === 'running')
        .map(row => `${key(row)} on storage ${storageOf(row.host_id)}`),
      storages.flatMap((storage, index) => [...storage.locks.keys()].map(name => `${name} on storage ${index}`)),
    ),
    ...differing(
      'image',
      storages.flatMap((_storage, index) => versions.map(({ id }) => `${id} on storage ${index}`)),
      storages.flatMap((storage, index) => [...storage.images.keys()].map(id => `${id} on storage ${index}`)),
    ),
    ...differing(
      'volume',
      (await db.selectFrom('volume').select('id').execute()).map(({ id }) => id),
      storages.flatMap(({ volumes }) => [...volumes.values()].flatMap(held => [...held.keys()])),
    ),
    ...differing(
      'storage pool',
      (await db.selectFrom('host_storage').selectAll().execute()).map(
        row => `${row.pool_id} on ${at(row.host_id)?.name}`,
      ),
      (await Promise.all(here.map(async ({ name, host }) => ({ name, ids: await host.storagePools() })))).flatMap(
        ({ name, ids }) => ids.map(id => `${id} on ${name}`),
      ),
    ),
    ...differing(
      'port',
      desktops.map(row => `${row.id} on ${row.host_id}`),
      ports.map(row => `${row.desktop_id} on ${row.host_id}`),
    ),
    ...differing(
      'address in force',
      addresses.map(({ id, text }) => `${text} on ${at(desktops.find(row => row.id === id)?.host_id ?? '')?.name}`),
      members.flatMap(({ name, host }) => host.nics().map(({ address }) => `${address} on ${name}`)),
    ),
    ...differing(
      'dongle',
      dongles.map(({ id, desktop_id }) => `${id} of ${desktop_id}`),
      here.flatMap(({ machines }) =>
        machines.flatMap(({ id, dongles = [] }) => dongles.map(one => `${one.id} of ${id}`)),
      ),
    ),
    ...(new Set(addresses.map(({ text }) => text)).size === addresses.length ? [] : ['an address is given twice']),
    ...foreign.map(({ text }) => `${text} has an address of another cluster`),
    ...sessions.flatMap(row =>
      desktops.some(({ id, user_id }) => id === row.desktop_id && user_id !== null)
        ? []
        : [`a session of ${row.desktop_id}, which is nobody’s`],
    ),
    ...files.flatMap(name => (versions.some(({ id }) => id === name) ? [] : [`the upload ${name}`])),
    ...differing(
      'exported file',
      exports.filter(({ state }) => state === 'ready').map(({ id }) => id),
      await filesIn(exportsFolder(uploadFolder)),
    ),
  ]
}

function differing(what: string, wished: string[], found: string[]): string[] {
  const missing = wished.filter(one => !found.includes(one))
  const orphans = found.filter(one => !wished.includes(one))
  const twice = found.filter((one, index) => found.indexOf(one) !== index)
  return [
    ...missing.map(one => `missing ${what}: ${one}`),
    ...orphans.map(one => `orphan ${what}: ${one}`),
    ...twice.map(one => `${what} twice: ${one}`),
  ]
}
