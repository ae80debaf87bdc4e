/** Storage pools and volumes from the command line. */
import type { z } from '@hono/zod-openapi'
import type { Command } from 'commander'
import type { storagePoolSchema } from '../api/storage-pools.ts'
import type { volumeSchema } from '../api/volumes.ts'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { find } from './find.ts'
import { follow } from './follow.ts'
import { clusterFind } from './hosts.ts'
import { hostFind } from './maintenance.ts'
import type { Task } from './nouns.ts'
import { bytes, type Column, table } from './print.ts'
import { type SureOptions, sure } from './prompt.ts'

type Pool = z.output<typeof storagePoolSchema>
type Volume = z.output<typeof volumeSchema>
const GiB = 2 ** 30

/** Its own, and with all else on its file systems the ratio. */
const promisedText = ({ virtualBytes, promisedBytes, thinRatio }: Pool) =>
  [
    bytes(virtualBytes),
    ...(promisedBytes > virtualBytes ? [`of ${bytes(promisedBytes)}`] : []),
    ...(thinRatio ? [`(${thinRatio} ×)`] : []),
  ].join(' ')

const poolColumns: Column<Pool>[] = [
  { title: 'STORAGE POOL', value: pool => pool.name },
  { title: 'CLUSTER', value: pool => pool.clusterName },
  { title: 'KIND', value: pool => pool.source.type },
  { title: 'STATE', value: pool => pool.state },
  { title: 'FREE', value: pool => `${bytes(pool.freeBytes)} of ${bytes(pool.capacityBytes)}` },
  { title: 'PROMISED', value: promisedText },
  { title: 'VOLUMES', value: pool => `${pool.volumes}` },
  { title: '', value: pool => pool.warning ?? pool.text },
]
const volumeColumns: Column<Volume>[] = [
  { title: 'VOLUME', value: volume => volume.name },
  { title: 'STORAGE POOL', value: volume => volume.poolName },
  { title: 'HOST', value: volume => volume.hostName ?? '—' },
  { title: 'SIZE', value: volume => bytes(volume.sizeBytes) },
  { title: 'WRITTEN', value: volume => bytes(volume.storedBytes) },
  { title: 'STATE', value: volume => volume.state },
  { title: 'DESKTOP', value: volume => volume.desktopName ?? '—' },
  { title: '', value: volume => volume.trouble?.text ?? '' },
]

const poolFind = ({ client }: Context, name: string): Promise<Pool> =>
  find(
    'storage pool',
    name,
    id => client.storagePoolGet({ params: { id } }),
    query => client.storagePoolList({ query: { ...query, limit: 500 } }),
  )
const volumeFind = ({ client }: Context, name: string): Promise<Volume> =>
  find(
    'volume',
    name,
    id => client.volumeGet({ params: { id } }),
    query => client.volumeList({ query: { ...query, limit: 500 } }),
  )

const sizeOf = (text: string) => {
  const gib = Number(text)
  if (!(gib > 0)) throw new HdcsError('invalid', `A size is a number of GiB, for example 30, not “${text}”.`)
  return Math.round((gib * GiB) / 512) * 512
}

/** Waits for the task and says how it ended. @param then what is so when it went well. */
async function ended<B extends { task: Task }>(context: Context, made: B, then: string): Promise<void> {
  const task = await follow(context, made.task)
  answer(context, { ...made, task }, () => (task.state === 'succeeded' ? then : `${then}: ${task.state}`))
}

async function storageList(context: Context): Promise<void> {
  const list = await context.client.storagePoolList({ query: { limit: 500 } })
  answer(context, list, () => table(list.items, poolColumns, context.terminal.width))
}

interface AddOptions {
  cluster?: string
  dir?: string
  nfs?: string
  ceph?: string
  monitors?: string
  user?: string
  key?: string
  reserve?: string
}

function sourceOf({ dir, nfs, ceph, monitors, user, key }: AddOptions) {
  if (dir !== undefined) return { type: 'dir' as const, target: dir }
  const [, server, path] = /^(.+?):(\/.*)$/.exec(nfs ?? '') ?? []
  if (server && path) return { type: 'netfs' as const, server, path }
  if (ceph !== undefined && monitors !== undefined)
    return { type: 'rbd' as const, pool: ceph, monitors: monitors.split(','), user, key }
  throw new HdcsError('invalid', 'Where shall it be? --dir /srv/x, --nfs SERVER:/PATH, or --ceph POOL --monitors A,B')
}

async function storageAdd(context: Context, name: string, options: AddOptions): Promise<void> {
  const source = sourceOf(options)
  const clusterId = options.cluster === undefined ? undefined : (await clusterFind(context, options.cluster)).id
  const reserve = options.reserve === undefined ? undefined : Number(options.reserve) / 100
  const made = await context.client.storagePoolCreate({ body: { name, clusterId, source, reserve } })
  await ended(context, made, `${name} is ready`)
}

/** Another place of the same kind, for a pool that no host has. */
async function storageMend(context: Context, name: string, options: AddOptions): Promise<void> {
  const source = sourceOf(options)
  const { id } = await poolFind(context, name)
  const pool = await context.client.storagePoolUpdate({ params: { id }, body: { source } })
  answer(context, pool, () => `${name} has its new source; its hosts try it now: hdcs storage`)
}

async function storageRefresh(context: Context, name: string): Promise<void> {
  const { id } = await poolFind(context, name)
  await ended(context, await context.client.storagePoolRefresh({ params: { id } }), `${name} was read anew`)
}

async function storageRemove(context: Context, name: string, options: SureOptions): Promise<void> {
  const { id, clusterName } = await poolFind(context, name)
  await sure(
    `The hosts of ${clusterName} forget ${name}; its files stay, and no volume can be made there.`,
    name,
    options,
  )
  await ended(
    context,
    await context.client.storagePoolDelete({ params: { id } }),
    `${name} is forgotten; its files stay`,
  )
}

async function volumeList(context: Context): Promise<void> {
  const list = await context.client.volumeList({ query: { limit: 500 } })
  answer(context, list, () => table(list.items, volumeColumns, context.terminal.width))
}

interface VolumeOptions {
  pool?: string
  size?: string
  host?: string
  raw?: boolean
}

async function volumeAdd(context: Context, name: string, options: VolumeOptions): Promise<void> {
  const { pool, size, host, raw } = options
  if (pool === undefined || size === undefined)
    throw new HdcsError('invalid', 'On which storage pool, and how large? --pool NAME --size GIB')
  const found = await poolFind(context, pool)
  const hostId = host === undefined ? undefined : (await hostFind(context, host)).id
  const format = raw || found.source.type === 'rbd' ? ('raw' as const) : ('qcow2' as const)
  const body = { name, poolId: found.id, sizeBytes: sizeOf(size), format, hostId }
  await ended(context, await context.client.volumeCreate({ body }), `${name} is ready`)
}

async function volumeGrow(context: Context, name: string, size: string): Promise<void> {
  const { id } = await volumeFind(context, name)
  const body = { sizeBytes: sizeOf(size) }
  await ended(context, await context.client.volumeResize({ params: { id }, body }), `${name} has ${size} GiB`)
}

async function volumeAttach(context: Context, name: string, desktop: string): Promise<void> {
  const { id } = await volumeFind(context, name)
  const { id: desktopId } = await desktopFind(context, desktop)
  const made = await context.client.volumeAttach({ params: { id }, body: { desktopId } })
  const when = made.applies === 'now' ? 'is plugged into' : 'comes with the next start of'
  await ended(context, made, `${name} ${when} ${desktop}`)
}

async function volumeDetach(context: Context, name: string): Promise<void> {
  const { id } = await volumeFind(context, name)
  await ended(context, await context.client.volumeDetach({ params: { id } }), `${name} is free`)
}

async function volumeDelete(context: Context, name: string, options: SureOptions): Promise<void> {
  const { id, sizeBytes } = await volumeFind(context, name)
  await sure(
    `${name} (${bytes(sizeBytes)}) and all that is on it are destroyed: no recycle bin keeps it.`,
    name,
    options,
  )
  await ended(context, await context.client.volumeDelete({ params: { id } }), `${name} is gone`)
}

/** @param with_ gives a command the context it answers with. */
export function storageCommands(
  top: Command,
  with_: <A extends unknown[]>(
    act: (context: Context, ...rest: A) => Promise<void>,
  ) => (...words: unknown[]) => Promise<void>,
): void {
  const storage = top.command('storage').description('storage pools: how full they are').action(with_(storageList))
  storage
    .command('add <name>')
    .description('a folder of each host, an NFS export or a Ceph pool')
    .option('--cluster <cluster>')
    .option('--dir <folder>', 'on the hosts, as in /srv/volumes')
    .option('--nfs <server:path>')
    .option('--ceph <pool>')
    .option('--monitors <list>', 'of Ceph, with commas between them')
    .option('--user <user>', 'of Ceph')
    .option('--key <key>', 'of that user')
    .option('--reserve <percent>', 'that new volumes leave free')
    .action(with_(storageAdd))
  storage
    .command('mend <name>')
    .description('give a pool that no host could make ready, and on which no volume lies, another place of its kind')
    .option('--dir <folder>')
    .option('--nfs <server:path>')
    .option('--ceph <pool>')
    .option('--monitors <list>', 'of Ceph, with commas between them')
    .option('--user <user>', 'of Ceph')
    .option('--key <key>', 'of that user; default: as it is')
    .action(with_(storageMend))
  storage.command('refresh <name>').description('have its hosts read it anew').action(with_(storageRefresh))
  storage
    .command('remove <name>')
    .description('forget it; no file is touched')
    .option('--yes', 'without asking')
    .action(with_(storageRemove))
  const volumes = top.command('volumes').description('disks besides desktops’ own').action(with_(volumeList))
  volumes
    .command('add <name>')
    .description('make one')
    .option('--pool <pool>', 'the storage pool it lies on')
    .option('--size <GiB>')
    .option('--host <host>', 'where it lies, on a pool that is each host’s own')
    .option('--raw', 'raw instead of qcow2')
    .action(with_(volumeAdd))
  volumes.command('grow <name> <GiB>').description('make it larger, also while it is used').action(with_(volumeGrow))
  volumes.command('attach <name> <desktop>').description('give it to a desktop').action(with_(volumeAttach))
  volumes.command('detach <name>').description('take it from its desktop').action(with_(volumeDetach))
  volumes
    .command('delete <name>')
    .description('destroy it with all that is on it')
    .option('--yes', 'without asking')
    .action(with_(volumeDelete))
}
