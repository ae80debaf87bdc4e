/**
 * An agent on a real host, killed -9 while it works, at moments that lie evenly over the work: the next one ends what was
 * begun, or it can be asked again, and after one reconcile nothing half-made is left.
 *
 *   HDCS_LAB_KILLS=8 npx vitest run test/lab/killed-agent.test.ts    without it: two kills of each
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectDatabase, type Db } from '../../db/connect.ts'
import { settingInstallationId } from '../../db/settings.ts'
import { pause } from '../../lib/clock.ts'
import { until } from '../support/site.ts'
import { type LabCluster, startLabCluster } from './cluster.ts'
import { type Guests, watchGuests } from './guests.ts'

const kills = Number(process.env.HDCS_LAB_KILLS ?? 2)
const MiB = 2 ** 20
const forever = new AbortController().signal

let site: LabCluster
let db: Db
let guests: Guests
let templateId: string
let desktopId: string
let storagePoolId: string
/** Asked again after it failed: what it failed with. */
const repeated: string[] = []

beforeAll(async () => {
  site = await startLabCluster('killed', [{ name: 'h1', cluster: 'main' }])
  const socket = encodeURIComponent(join(site.product.folder, 'database', 'socket'))
  db = connectDatabase(`postgres://postgres@${socket}/postgres`, () => {
    // The control plane took its database down with it: the next question says so.
  })
  guests = watchGuests(site.lab, await settingInstallationId(db))
  const { admin } = site
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  templateId = demo?.templateId ?? ''
  await admin.poolUpdate({ params: { id: demo?.id ?? '' }, body: { warm: 0 } })
  const versions = async () => (await admin.templateGet({ params: { id: templateId } })).versions
  await until('tiny is sealed', async () => (await versions())[0]?.state === 'sealed', 240_000)
  const pool = await admin.poolCreate({ body: { name: 'own', kind: 'persistent', templateId, warm: 0 } })
  await admin.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
  const made = await admin.desktopMake({ params: { id: pool.id }, body: { name: 'golden' } })
  if (!('task' in made)) throw new Error('that was no plan')
  desktopId = made.desktop.id
  const source = { type: 'dir' as const, target: volumesFolder() }
  const storage = await admin.storagePoolCreate({ body: { name: 'disks', source, reserve: 0 } })
  storagePoolId = storage.storagePool.id
  await Promise.all([ended(made), ended(storage)])
}, 360_000)
afterAll(async () => {
  await guests?.[Symbol.asyncDispose]()
  await db?.destroy()
  await site?.[Symbol.asyncDispose]()
}, 120_000)

const volumesFolder = () => join(site.lab.host('h1').data, 'volumes')

async function ended({ task }: { task: { id: string } }): Promise<void> {
  for (;;) {
    const now = await site.admin.taskGet({ params: { id: task.id }, query: { wait: '30s' } })
    if (now.state === 'succeeded') return
    if (now.state !== 'queued' && now.state !== 'running') throw new Error(JSON.stringify(now))
  }
}

/** To its end; what failed is asked for once more. */
const insisted = (ask: () => Promise<{ task: { id: string } }>) =>
  ask()
    .then(ended)
    .catch(async error => {
      repeated.push(String(error))
      await ended(await ask())
    })

const sumOf = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

/** Names of files and folders that are there, of what is made and removed; and what should be. */
async function lie(): Promise<{ there: string[]; wished: string[] }> {
  const { admin, lab, product } = site
  const { versions } = await admin.templateGet({ params: { id: templateId } })
  const desktops = (await admin.desktopList({ query: { limit: 100 } })).items
  const volumes = (await admin.volumeList({ query: {} })).items
  const under = (folder: string, inside: string) =>
    existsSync(folder) ? readdirSync(folder).map(name => `${inside}/${name}`) : []
  const storage = lab.storageOf('main')
  const machines = (await guests.seen()).get('h1') ?? []
  const { stdout: comm } = await lab.exec('h1', ['sh', '-c', 'cat /proc/[0-9]*/comm 2>/dev/null || true'])
  const { stdout: listed } = await lab.exec('h1', ['virsh', 'vol-list', '--pool', await poolName()])
  return {
    there: [
      ...under(storage, 'storage').filter(name => /part|making|copy/.test(name)),
      ...['images', 'overlays'].flatMap(folder => under(join(storage, folder), folder)),
      ...under(volumesFolder(), 'volumes').filter(name => !name.endsWith('/storage-id')),
      ...[...listed.matchAll(/^\s*(\S+\.qcow2)\s/gm)].map(([, name]) => `libvirt's/${name}`),
      ...machines.map(({ id }) => `running/${id}`),
      ...under(join(product.folder, 'uploads', 'exports'), 'exports'),
      ...comm
        .split('\n')
        .flatMap(name => (/^(qemu-img|debugfs|cp|nice|ionice)$/.test(name) ? [`working/${name}`] : [])),
    ].toSorted(),
    wished: [
      ...versions.flatMap(({ id }) => [`images/${id}.json`, `images/${id}.qcow2`]),
      ...desktops.map(({ id }) => `overlays/${id}.1.qcow2`),
      ...volumes.flatMap(({ id, name }) => [`volumes/${name}-${id}.qcow2`, `libvirt's/${name}-${id}.qcow2`]),
      ...desktops.flatMap(({ id, phase }) => (phase === 'stopped' ? [] : [`running/${id}`])),
      ...exported,
    ].toSorted(),
  }
}
/** Files that were asked for. */
let exported: string[] = []
const poolName = async () => {
  const { stdout } = await site.lab.exec('h1', ['virsh', 'pool-list', '--name'])
  return stdout.trim()
}

async function expectNothingHalfMade(): Promise<void> {
  const differs = async () => {
    const { there, wished } = await lie()
    return {
      besides: [...new Set(there).difference(new Set(wished))],
      missing: [...new Set(wished).difference(new Set(there))],
    }
  }
  await expect.poll(differs, { timeout: 30_000, interval: 100 }).toEqual({ besides: [], missing: [] })
}

interface Work {
  run(): Promise<void>
  /** Proves what it made, and takes it away. */
  after?(): Promise<void>
}

async function kill(): Promise<void> {
  const { home } = site.lab.host('h1')
  await site.lab.exec('h1', ['sh', '-c', `kill -9 $(cat ${home}/unit.pid)`])
}

async function killedAt(work: Work): Promise<void> {
  const began = performance.now()
  await work.run()
  const lastsMs = performance.now() - began
  await work.after?.()
  let during = 0
  for (let round = 0; round < kills; round++) {
    let over = false
    const going = work.run().finally(() => {
      over = true
    })
    await Promise.race([pause((lastsMs * (round + 0.5)) / kills, forever), going])
    if (!over) during++
    await kill()
    await going
    await expectNothingHalfMade()
    await work.after?.()
  }
  await expectNothingHalfMade()
  // Machines differ: that all of them came too late would prove nothing.
  expect(during).toBeGreaterThan(0)
  if (kills > 2)
    console.log(`killed ${during} of ${kills} times within ${Math.round(lastsMs)} ms; asked again: ${repeated}`)
  repeated.length = 0
}

const newest = async () =>
  (await site.admin.templateGet({ params: { id: templateId } })).versions.toSorted((a, b) => b.number - a.number)[0]
const params = () => ({ id: desktopId })
async function standStill(): Promise<void> {
  const { phase } = await site.admin.desktopGet({ params: params() })
  if (phase !== 'stopped') await ended(await site.admin.desktopAct({ params: { ...params(), name: 'shutdown' } }))
}
const overlay = () => join(site.lab.storage, 'overlays', `${desktopId}.1.qcow2`)
/** On its disk while it stands still: 64 KiB of this byte, far behind what its system uses. */
const diskIo = async (command: 'read' | 'write', byte: number) =>
  (await site.lab.exec('h1', ['qemu-io', '-f', 'qcow2', '-c', `${command} -P ${byte} 240M 64k`, overlay()])).stdout

describe('an agent that is killed leaves nothing half-made, and what was asked for is done, while', () => {
  it('a volume is made, plugged in, taken out and deleted', async () => {
    const { admin } = site
    await killedAt({
      async run() {
        const made = await admin.volumeCreate({ body: { name: 'data', poolId: storagePoolId, sizeBytes: 64 * MiB } })
        await ended(made)
        const { id } = made.volume
        await insisted(() => admin.volumeAttach({ params: { id }, body: { desktopId } }))
        await insisted(() => admin.volumeDetach({ params: { id } }))
        await insisted(() => admin.volumeDelete({ params: { id } }))
      },
    })
  })

  it('a snapshot of a running machine is taken and removed', async () => {
    let count = 0
    await killedAt({
      async run() {
        const name = `running-${count++}`
        await insisted(() => site.admin.snapshotTake({ params: params(), body: { name } }))
        await insisted(() => site.admin.snapshotRemove({ params: { ...params(), name } }))
      },
      // Its guest does not stand still for a snapshot that nobody takes.
      after: async () => expect(await guests.run('h1', desktopId, 'echo on >/data/on; sync; cat /data/on')).toBe('on'),
    })
  })

  it('a snapshot of a stopped one is taken, its disk reverted to it, and it removed', async () => {
    await standStill()
    let count = 0
    await killedAt({
      async run() {
        const name = `stopped-${count++}`
        await diskIo('write', 1)
        await insisted(() => site.admin.snapshotTake({ params: params(), body: { name } }))
        await diskIo('write', 2)
        await insisted(() => site.admin.snapshotRevert({ params: { ...params(), name } }))
        await insisted(() => site.admin.snapshotRemove({ params: { ...params(), name } }))
      },
      async after() {
        expect(await diskIo('read', 1)).not.toContain('Pattern verification failed')
        await site.lab.exec('h1', ['qemu-img', 'check', '-q', overlay()])
        expect((await site.admin.snapshotList({ params: params() })).items).toEqual([])
      },
    })
  })

  it('a template version is made of a machine', async () => {
    await standStill()
    const { admin } = site
    const source = { kind: 'desktop' as const, desktopId }
    await killedAt({
      run: () => insisted(() => admin.versionAdd({ params: { id: templateId }, body: { source } })),
      async after() {
        const { id, number, state, sha256 } = (await newest()) ?? {}
        expect(state).toBe('sealed')
        expect(await sumOf(join(site.lab.storageOf('main'), 'images', `${id}.qcow2`))).toBe(sha256)
        await admin.versionDelete({ params: { id: templateId, number: number ?? 0 } })
      },
    })
  })

  it('a version becomes an appliance to take away', async () => {
    const { admin } = site
    const which = { id: templateId, number: 1 }
    await killedAt({
      async run() {
        exported = []
        await insisted(() => admin.exportMake({ params: which, body: { format: 'ova' } }))
        exported = readdirSync(join(site.product.folder, 'uploads', 'exports')).map(name => `exports/${name}`)
      },
      async after() {
        const [file] = (await newest())?.exports ?? []
        const [name = '', ...others] = exported
        expect(others).toEqual([])
        expect(await sumOf(join(site.product.folder, 'uploads', name))).toBe(file?.sha256)
        await admin.exportRemove({ params: { ...which, format: 'ova' } })
        exported = []
      },
    })
  })

  it('what it was at is called off before the next one comes', async () => {
    await standStill()
    const { admin } = site
    const source = { kind: 'desktop' as const, desktopId }
    await admin.versionAdd({ params: { id: templateId }, body: { source } })
    const begun = await until('it is being made', async () => {
      const version = await newest()
      return version?.state === 'making' && version.progress > 0 && version
    })
    await kill()
    await admin.versionDelete({ params: { id: templateId, number: begun.number } })
    await expectNothingHalfMade()

    const which = { id: templateId, number: 1 }
    await admin.exportMake({ params: which, body: { format: 'ova' } })
    await until('the file is being made', async () => ((await newest())?.exports[0]?.progress ?? 0) > 0)
    await kill()
    await admin.exportRemove({ params: { ...which, format: 'ova' } })
    await expectNothingHalfMade()
  })
})
