/** What goes with a pool, and for whom: said before it is removed. */
import { poolCaptured, poolKept, poolVolumes } from '../db/pool-removal.ts'
import { poolRows } from '../db/pools.ts'
import { pushRows } from '../db/pushes.ts'
import { binOfPool } from '../db/recycle-bin.ts'
import { counted } from '../lib/counted.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'

/** @throws HdcsError `not_found`. */
export async function poolRemovalPlan(broker: Broker, id: string) {
  const { db } = broker
  const [pool] = await poolRows(db, { ids: [id] })
  if (!pool) throw new HdcsError('not_found', 'There is no such pool.')
  const keeps = pool.kind === 'persistent'
  const people = (await poolKept(db, id)).map(row => ({
    desktopId: row.id,
    desktopName: row.name,
    userName: row.user_name,
    connected: row.session_state === 'connected',
    since: row.assigned_at?.toISOString() ?? null,
    /** What they kept goes; of floating ones what they have not saved elsewhere. */
    loses: keeps ? ('disk' as const) : ('unsaved' as const),
    diskMade: row.disk_made === true,
  }))
  const versions = (await poolCaptured(db, id)).map(row => ({
    templateId: row.template_id,
    templateName: row.template_name,
    number: row.number,
    desktopName: row.desktop_name,
    /** Sealed ones stay; one that is being made ends with its desktop. */
    ends: row.state === 'making',
  }))
  const pushes = (await pushRows(db, { poolId: id, open: true })).length
  const volumes = await poolVolumes(db, id)
  const { binned } = await binOfPool(db, id)
  const facts = { name: pool.name, total: pool.total, binned, people, versions, volumes, pushes }
  return {
    desktops: pool.total,
    sessions: people.filter(({ connected }) => connected).length,
    people,
    versions,
    pushes,
    /** Something goes that nobody can bring back. */
    loss: people.some(({ diskMade }) => diskMade) || versions.some(({ ends }) => ends),
    text: removalText(facts),
  }
}

/** For the person who is about to do it, in a few sentences. Pure. */
export function removalText(of: {
  name: string
  total: number
  /** In the recycle bin, besides. */
  binned: number
  people: readonly { desktopName: string; userName: string; connected: boolean; loses: 'disk' | 'unsaved' }[]
  versions: readonly { templateName: string; number: number; ends: boolean }[]
  volumes: readonly string[]
  pushes: number
}): string {
  const { people, versions } = of
  const named = (loses: 'disk' | 'unsaved') =>
    people.filter(one => one.loses === loses).map(({ desktopName, userName }) => `${desktopName} of ${userName}`)
  const [disks, unsaved] = [named('disk'), named('unsaved')]
  const connected = people.filter(one => one.connected).length
  const ends = versions.filter(version => version.ends)
  const told = [
    `${of.name} is removed with ${counted(of.total, 'desktop', 'desktops')}${of.binned > 0 ? ` and ${of.binned} in the recycle bin` : ''}.`,
    disks.length > 0 && `Destroyed with all that is kept on them: ${listed(disks)}.`,
    unsaved.length > 0 && `Taken away, with what was not saved elsewhere: ${listed(unsaved)}.`,
    connected > 0 && `${counted(connected, 'person is', 'people are')} connected right now.`,
    ends.length > 0 && `No longer made: ${listed(ends.map(one => `${one.templateName} version ${one.number}`))}.`,
    of.volumes.length > 0 && `Unplugged, and kept: ${listed(of.volumes)}.`,
    of.pushes > 0 && `${counted(of.pushes, 'push is', 'pushes are')} called off.`,
  ]
  return told.filter(text => text !== false).join(' ')
}

/** More names: nobody reads on. */
const mostNamed = 10
const listed = (names: readonly string[]) =>
  names.length > mostNamed
    ? `${names.slice(0, mostNamed).join(', ')} and ${names.length - mostNamed} more`
    : names.join(', ')
