/** A golden machine on real hosts: its versions go to another site through a cut cable, and pools of both sites run them. */

import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectDatabase, type Db } from '../../db/connect.ts'
import { settingInstallationId } from '../../db/settings.ts'
import { personPassword } from '../support/portal.ts'
import { until } from '../support/site.ts'
import { type LabCluster, startLabCluster } from './cluster.ts'
import { type Guests, watchGuests } from './guests.ts'

let site: LabCluster
let guests: Guests
let db: Db
beforeAll(async () => {
  site = await startLabCluster('templates', [
    { name: 'h1', cluster: 'main' },
    { name: 'h2', cluster: 'second' },
  ])
  const socket = encodeURIComponent(join(site.product.folder, 'database', 'socket'))
  db = connectDatabase(`postgres://postgres@${socket}/postgres`, () => {
    // The control plane took its database down with it: the next question says so.
  })
  guests = watchGuests(site.lab, await settingInstallationId(db))
}, 240_000)
afterAll(async () => {
  await guests?.[Symbol.asyncDispose]()
  await db?.destroy()
  await site?.[Symbol.asyncDispose]()
}, 120_000)

const ended = async ({ task }: { task: { id: string } }) => {
  for (;;) {
    const now = await site.admin.taskGet({ params: { id: task.id }, query: { wait: '30s' } })
    if (now.state === 'succeeded') return now
    if (now.state !== 'queued' && now.state !== 'running') throw new Error(JSON.stringify(now))
  }
}
/** Its guest, once it answers. */
const run = (host: string, id: string, script: string) => {
  // libvirt hears of a guest's agent a moment after the guest.
  const ask = () => guests.run(host, id, script).catch(() => undefined)
  return until('the guest answers', ask, 60_000)
}

it('is made a template, copied through a cut cable from where it broke off, pushed and rolled back', async () => {
  const { admin } = site
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  const templateId = demo?.templateId ?? ''
  await admin.poolUpdate({ params: { id: demo?.id ?? '' }, body: { warm: 0 } })
  const versions = async () => (await admin.templateGet({ params: { id: templateId } })).versions
  await until('tiny is sealed', async () => (await versions())[0]?.state === 'sealed', 240_000)
  const clusterId = async (name: string) => (await admin.clusterList({ query: { name } })).items[0]?.id ?? ''
  const [main, second] = [await clusterId('main'), await clusterId('second')]
  await admin.userCreate({ body: { name: 'ana', password: personPassword, roles: ['person'] } })
  const [ana] = (await admin.userList({ query: { name: 'ana' } })).items
  const pool = await admin.poolCreate({
    body: { name: 'golden', kind: 'persistent', templateId, warm: 0, clusterIds: [main] },
  })
  await admin.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
  const made = await admin.desktopMake({ params: { id: pool.id }, body: { userId: ana?.id, name: 'golden' } })
  await ended(made)
  const { id } = made.desktop

  const sizeBytes = 2 ** 30
  const sectors = async () => Number(await run('h1', id, 'cat /sys/block/vda/size'))
  expect((await sectors()) * 512).toBeLessThan(sizeBytes)
  const change = { params: { id }, body: { hardware: { diskBytes: sizeBytes, memoryBytes: 128 * 2 ** 20 } } }
  expect((await admin.desktopUpdate(change)).applies).toEqual({ now: ['diskBytes'], nextStart: ['memoryBytes'] })
  await until('its guest sees the larger disk, while it runs', async () => (await sectors()) * 512 === sizeBytes)
  // What makes a machine this one, and what its templates shall not have.
  const identity =
    'mkdir -p /etc/ssh /root; echo the-first >/etc/hostname; echo KEY >/etc/ssh/ssh_host_rsa_key; echo ls >/root/.bash_history'
  await run('h1', id, `${identity}; sync; echo done`)

  // 40 MiB that nothing can make smaller: what is copied takes a while.
  await run('h1', id, 'head -c 40000000 /dev/urandom >/data/library; echo one >/data/release; sync; echo done')
  const library = await run('h1', id, 'sha256sum </data/library')
  const shutAndTake = async (notes: string) => {
    await ended(await admin.desktopAct({ params: { id, name: 'shutdown' } }))
    await ended(
      await admin.versionAdd({
        params: { id: templateId },
        body: { source: { kind: 'desktop', desktopId: id }, notes },
      }),
    )
  }
  await shutAndTake('the library')

  const copy = (number: number, bytesPerSecond: number | null) =>
    admin.copyMake({ params: { id: templateId, number, clusterId: second }, body: { bytesPerSecond } })
  const stateOf = async (number: number) =>
    (await versions()).find(version => version.number === number)?.copies.find(one => one.clusterId === second)
  const first = await copy(2, 8 * 2 ** 20)
  await until('half of it is there', async () => ((await stateOf(2))?.progress ?? 0) >= 30, 60_000)
  await site.lab.cut('h2')
  await site.hostIs('h2', 'lost', 60_000)
  await site.lab.heal('h2')
  await site.hostIs('h2', 'online')
  const on = await until(
    'it goes on',
    async () => {
      const now = await stateOf(2)
      return (now?.state === 'copying' || now?.state === 'ready') && now.progress > 0 && now
    },
    60_000,
  )
  expect(on.progress).toBeGreaterThanOrEqual(30)
  await ended(first)
  expect(await stateOf(2)).toMatchObject({ state: 'ready' })

  const there = await admin.poolCreate({
    body: {
      name: 'there',
      kind: 'floating',
      templateId,
      templateVersion: 2,
      warm: 1,
      maxSize: 2,
      clusterIds: [second],
    },
  })
  const warm = (version: number) =>
    until(
      `a desktop of version ${version} is warm there`,
      async () => {
        const { items } = await admin.desktopList({ query: { poolId: there.id } })
        return items.find(({ phase, templateVersion }) => phase === 'ready' && templateVersion === version)
      },
      120_000,
    )
  const one = await warm(2)
  expect(one.hostName).toBe('h2')
  expect(await run('h2', one.id, 'sha256sum </data/library; cat /data/release')).toBe(`${library}\none`)
  const traces = 'ls /etc/hostname /etc/ssh/ssh_host_rsa_key /root/.bash_history 2>/dev/null; echo none'
  expect(await run('h2', one.id, traces)).toBe('none')

  // The golden machine itself goes on as it was.
  await ended(await admin.desktopAct({ params: { id, name: 'start' } }))
  expect(await run('h1', id, 'cat /etc/hostname /etc/ssh/ssh_host_rsa_key')).toBe('the-first\nKEY')
  expect((await sectors()) * 512).toBe(sizeBytes)
  const kib = await run('h1', id, "awk '/MemTotal/{print $2}' /proc/meminfo")
  expect(Number(kib)).toBeGreaterThan(64 * 1024)
  await run('h1', id, 'echo two >/data/release; sync; echo done')
  await shutAndTake('release two')
  await ended(await copy(3, null))
  await admin.poolUpdate({ params: { id: there.id }, body: { templateVersion: 3 } })
  expect(await run('h2', (await warm(3)).id, 'cat /data/release')).toBe('two')
  await admin.poolUpdate({ params: { id: there.id }, body: { templateVersion: 2 } })
  expect(await run('h2', (await warm(2)).id, 'cat /data/release')).toBe('one')
}, 600_000)
