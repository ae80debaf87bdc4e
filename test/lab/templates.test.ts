/**
 * A golden machine on real hosts: its versions go to another site through a cut cable, pools of both sites run them, and
 * the storage of one of them is filled to its reserve.
 */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { connectDatabase, type Db } from '../../db/connect.ts'
import { settingInstallationId } from '../../db/settings.ts'
import { storageKeptBytes } from '../../lib/capacity.ts'
import { personPassword } from '../support/portal.ts'
import { until as untilIn } from '../support/site.ts'
import { type LabCluster, startLabCluster } from './cluster.ts'
import { goldenGuest, goldenTemplate } from './golden-guest.ts'
import { type Guests, watchGuests } from './guests.ts'

const guest = goldenGuest()
const { home, patience } = guest
const MiB = 2 ** 20
/** Of programs that read or write a whole disk. */
const longMs = 60_000 * patience
vi.setConfig({ testTimeout: 600_000 * patience })

let site: LabCluster
let guests: Guests
let db: Db
beforeAll(async () => {
  site = await startLabCluster('templates', [
    { name: 'h1', cluster: 'main' },
    { name: 'h2', cluster: 'second', storageBytes: guest.storageBytes },
    { name: 'h3', cluster: 'main' },
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

const until = <T>(what: string, look: () => Promise<T | undefined | false>, timeoutMs = 60_000) =>
  untilIn(what, look, timeoutMs * patience)

const byHand = (disk: string) =>
  `<domain type='qemu'><name>by-hand</name><memory unit='MiB'>${guest.memoryMib.later}</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>
    </devices></domain>`
const sumOf = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

const ended = async ({ task }: { task: { id: string } }) => {
  for (;;) {
    const now = await site.admin.taskGet({ params: { id: task.id }, query: { wait: '30s' } })
    if (now.state === 'succeeded') return now
    if (now.state !== 'queued' && now.state !== 'running') throw new Error(JSON.stringify(now))
  }
}
/** What hosts sent of images to another one, each from which byte on, as their agents say. */
async function served(to: string): Promise<{ from: number; bytes: number }[]> {
  const logs = await Promise.all(site.lab.hosts.map(({ home }) => readFile(join(home, 'unit.log'), 'utf8')))
  const lines = logs.flatMap(text => text.split('\n')).filter(line => line.includes('"image served"'))
  return lines
    .map(line => JSON.parse(line) as { to: string; from: number; bytes: number })
    .filter(sent => sent.to === to)
}
/** Its guest, once it answers. */
const run = (id: string, script: string) => {
  const ask = async () => {
    const { hostName } = await site.admin.desktopGet({ params: { id } })
    // libvirt hears of a guest's agent a moment after the guest.
    return guests.run(hostName ?? '', id, script).catch(() => undefined)
  }
  return until('the guest answers', ask, 180_000)
}

it('is customised, made a template, copied through a cut cable from where it broke off, pushed and rolled back', async () => {
  const { admin } = site
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  await admin.poolUpdate({ params: { id: demo?.id ?? '' }, body: { warm: 0 } })
  const templateId = await goldenTemplate(site, guest)
  const versions = async () => (await admin.templateGet({ params: { id: templateId } })).versions
  await until('its first version is sealed', async () => (await versions())[0]?.state === 'sealed', 240_000)
  const clusterId = async (name: string) => (await admin.clusterList({ query: { name } })).items[0]?.id ?? ''
  const [main, second] = [await clusterId('main'), await clusterId('second')]
  await admin.userCreate({ body: { name: 'ana', password: personPassword, roles: ['person'] } })
  const [ana] = (await admin.userList({ query: { name: 'ana' } })).items
  const pool = await admin.poolCreate({
    body: {
      name: 'golden',
      kind: 'persistent',
      templateId,
      warm: 0,
      clusterIds: [main],
      customise: { before: { text: `echo for "$HDCS_DESKTOP" | tee ${home}/customised` } },
    },
  })
  await admin.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
  const wish = { params: { id: pool.id }, body: { userId: ana?.id, name: 'golden' } }
  await until('a host of the pool has its image', async () => {
    const dry = await admin.desktopMake({ ...wish, body: { ...wish.body, dryRun: true } })
    return 'plan' in dry && dry.plan.ok
  })
  const made = await admin.desktopMake(wish)
  if (!('task' in made)) throw new Error('that was no plan')
  const { id: taskId } = await ended(made)
  const { id } = made.desktop
  const { items: log } = await admin.taskLog({ params: { id: taskId } })
  expect(log.map(({ text }) => text)).toContainEqual(expect.stringContaining('for golden'))
  expect(await run(id, `cat ${home}/customised`)).toBe('for golden')

  const sizeBytes = guest.diskBytes
  const sectors = async () => Number(await run(id, 'cat /sys/block/vda/size'))
  expect((await sectors()) * 512).toBeLessThan(sizeBytes)
  const memoryKib = async () => Number(await run(id, "awk '/MemTotal/{print $2}' /proc/meminfo"))
  const kibBefore = await memoryKib()
  const change = {
    params: { id },
    body: { hardware: { diskBytes: sizeBytes, memoryBytes: guest.memoryMib.later * MiB } },
  }
  expect((await admin.desktopUpdate(change)).applies).toMatchObject({
    now: ['diskBytes'],
    nextStart: ['memoryBytes'],
  })
  await until('its guest sees the larger disk, while it runs', async () => (await sectors()) * 512 === sizeBytes)
  // What makes a machine this one, and what its templates shall not have.
  const identity =
    'mkdir -p /etc/ssh /root; echo the-first >/etc/hostname; echo the-first >/etc/ssh/ssh_host_rsa_key; echo ls >/root/.bash_history; [ -s /etc/machine-id ] || echo the-first >/etc/machine-id'
  const machine = await run(id, `${identity}; sync; cat /etc/machine-id`)

  // 40 MiB that nothing can make smaller: what is copied takes a while.
  await run(id, `head -c 40000000 /dev/urandom >${home}/library; echo one >${home}/release; sync; echo done`)
  const library = await run(id, `sha256sum <${home}/library`)
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

  const copy = async (number: number, bytesPerSecond: number | null) => {
    const params = { id: templateId, number, clusterId: second }
    const begun = await admin.copyMake({ params, body: { bytesPerSecond } })
    if (!('task' in begun)) throw new Error('that was no plan')
    return begun
  }
  const stateOf = async (number: number) =>
    (await versions()).find(version => version.number === number)?.copies.find(one => one.clusterId === second)
  const first = await copy(2, guest.copyBytesPerSecond)
  await until('half of it is there', async () => ((await stateOf(2))?.progress ?? 0) >= 30, 60_000)
  await site.lab.cut('h2')
  // A line outlives a short cut: with its agent gone, what lies on its storage is all that is left of it.
  await site.lab.exec('h2', ['sh', '-c', `kill -9 $(cat ${site.lab.host('h2').home}/unit.pid)`])
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
  const { from, bytes } = (await served('h2')).at(-1) ?? { from: 0, bytes: 0 }
  expect(from / (from + bytes)).toBeGreaterThan(0.25)

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
  expect(await run(one.id, `sha256sum <${home}/library; cat ${home}/release`)).toBe(`${library}\none`)
  const files = '/etc/hostname /etc/ssh/ssh_host_rsa_key /etc/machine-id'
  expect(await run(one.id, `grep -ls the-first ${files}; ls /root/.bash_history 2>/dev/null; echo none`)).toBe('none')
  expect(await run(one.id, 'cat /etc/machine-id')).not.toBe(machine)

  // Its storage is filled to the reserve: nothing new comes there, and who is there works on.
  const taken = `${site.lab.storage}/taken`
  const free = async () =>
    Number((await site.lab.exec('h2', ['stat', '-f', '-c', '%a', site.lab.storage])).stdout) * 4_096
  await site.lab.exec('h2', ['fallocate', '-l', `${(await free()) - storageKeptBytes(0) + 2 ** 20}`, taken])
  await admin.poolUpdate({ params: { id: there.id }, body: { warm: 2 } })
  await until('the pool says for what it waits', async () => {
    const { status, statusText } = await admin.poolGet({ params: { id: there.id } })
    return status === 'waiting' && /The storage is full: .* are kept for running desktops/.test(statusText)
  })
  const sums = await run(
    one.id,
    `head -c 20000000 /dev/urandom | tee ${home}/more | sha256sum; sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum <${home}/more`,
  )
  const [wrote, read] = sums.split('\n')
  expect(wrote).toMatch(/^[0-9a-f]{64}/)
  expect(read).toBe(wrote)

  // The golden machine itself goes on as it was.
  await ended(await admin.desktopAct({ params: { id, name: 'start' } }))
  expect(await run(id, 'cat /etc/hostname /etc/ssh/ssh_host_rsa_key')).toBe('the-first\nthe-first')
  expect((await sectors()) * 512).toBe(sizeBytes)
  expect(await memoryKib()).toBeGreaterThan(kibBefore)
  await run(id, `echo two >${home}/release; sync; echo done`)
  await shutAndTake('release two')
  await copy(3, null)
  const refused = await until('the copy says for what it waits', async () => {
    const now = await stateOf(3)
    return now?.state === 'failed' && now.trouble
  })
  expect(refused).toMatchObject({
    code: 'storage_full',
    text: expect.stringContaining('are kept for running desktops'),
  })
  const warned = async () => (await admin.hostList({ query: { name: 'h2' } })).items[0]?.storageWarning
  expect(await until('its host warns', async () => (await warned())?.includes('which is its reserve'))).toBe(true)
  expect(await run(one.id, `sha256sum <${home}/more`)).toBe(wrote)

  // Room again: all that waits goes on by itself, and nothing is lost.
  await site.lab.exec('h2', ['rm', taken])
  await until('the pool has what it waited for', async () => {
    const { items } = await admin.desktopList({ query: { poolId: there.id } })
    const { status } = await admin.poolGet({ params: { id: there.id } })
    return status === 'ok' && items.length === 2 && items.every(({ phase }) => phase === 'ready')
  })
  expect(await run(one.id, `sha256sum <${home}/more; sha256sum <${home}/library`)).toBe(`${wrote}\n${library}`)
  await until('the copy is there', async () => (await stateOf(3))?.state === 'ready')
  const { stdout } = await site.lab.exec(
    'h2',
    ['sh', '-c', `cd ${site.lab.storage}/images && sha256sum *.qcow2`],
    longMs,
  )
  for (const { id: version, sha256 } of await versions()) expect(stdout).toContain(`${sha256}  ${version}.qcow2`)
  await admin.poolUpdate({ params: { id: there.id }, body: { warm: 1 } })
  await admin.poolUpdate({ params: { id: there.id }, body: { templateVersion: 3 } })
  expect(await run((await warm(3)).id, `cat ${home}/release`)).toBe('two')
  await admin.poolUpdate({ params: { id: there.id }, body: { templateVersion: 2 } })
  expect(await run((await warm(2)).id, `cat ${home}/release`)).toBe('one')

  // A machine that somebody made of the same disk, which stands still by now, with plain virsh.
  const { hostName, hostId } = await admin.desktopGet({ params: { id } })
  const host = hostName ?? ''
  const overlay = `${site.lab.storage}/overlays/${id}.1.qcow2`
  const { data } = site.lab.host(host)
  const disk = `${data}/by-hand.qcow2`
  await site.lab.exec(host, ['qemu-img', 'convert', '-O', 'qcow2', overlay, disk], longMs)
  await writeFile(`${data}/by-hand.xml`, byHand(disk))
  await site.lab.exec(host, ['virsh', 'define', `${data}/by-hand.xml`])
  const before = await sumOf(disk)
  const place = { id: hostId ?? '' }
  const foreign = await until('its host tells of it', async () => {
    const { items } = await admin.foreignMachineList({ params: place })
    return items.find(({ name }) => name === 'by-hand')
  })
  expect(foreign).toMatchObject({ power: 'stopped', vcpus: 1, obstacles: [] })
  expect((await site.lab.exec(host, ['virsh', 'domstate', 'by-hand'])).stdout.trim()).toBe('shut off')
  const adopt = { params: { ...place, foreignId: foreign.id }, body: { userId: ana?.id ?? '' } }
  const adopted = await admin.foreignMachineAdopt(adopt)
  await ended(adopted)
  expect(adopted.desktop).toMatchObject({ name: 'by-hand', userName: 'ana', hostName: host })
  await expect(site.lab.exec(host, ['virsh', 'domstate', 'by-hand'])).rejects.toThrow()
  expect(await sumOf(disk)).toBe(before)
  await ended(await admin.desktopAct({ params: { id: adopted.desktop.id, name: 'start' } }))
  expect(await run(adopted.desktop.id, `sha256sum <${home}/library; cat ${home}/release`)).toBe(`${library}\ntwo`)
})
