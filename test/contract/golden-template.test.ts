/** A golden machine on real QEMU: used, shut down, made a template version, followed by its pool, and rolled back. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { connectDaemon, type LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { guestRun } from '../lab/guest.ts'
import { makeProduct, type Product } from '../support/product.ts'
import { until } from '../support/site.ts'

let product: Product
let admin: Client
let daemon: LibvirtDaemon
beforeAll(async () => {
  product = await makeProduct('golden', { simHosts: 0 })
  await product.start()
  admin = await product.client()
  daemon = await connectDaemon()
}, 120_000)
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await product?.[Symbol.asyncDispose]()
})

const ended = async ({ task }: { task: { id: string } }) => {
  for (;;) {
    const now = await admin.taskGet({ params: { id: task.id }, query: { wait: '30s' } })
    if (now.state === 'succeeded') return now
    if (now.state !== 'queued' && now.state !== 'running') throw new Error(JSON.stringify(now))
  }
}

it('holds what was installed in it and nothing of who it was; its pool follows it, and goes back', async () => {
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  if (!demo) throw new Error('no demo pool')
  await admin.poolUpdate({ params: { id: demo.id }, body: { warm: 0 } })
  const { templateId } = demo
  const template = async () => admin.templateGet({ params: { id: templateId } })
  await until('tiny is sealed', async () => (await template()).versions[0]?.state === 'sealed', 240_000)
  const pool = await admin.poolCreate({
    body: { name: 'golden', kind: 'persistent', templateId, warm: 0, maxPerUser: 5 },
  })
  await admin.entitlementSet({ params: { id: pool.id }, body: { everyone: true } })
  const claimed = async (name: string) => {
    await admin.userCreate({ body: { name, password: 'a-good-password', roles: ['person'] } })
    const person = await product.client(name, 'a-good-password')
    const made = await person.poolClaim({ params: { id: pool.id } })
    return until(
      `${name} has a desktop`,
      async () => {
        const desktop = await person.desktopGet({ params: { id: made.desktop.id } })
        return desktop.phase === 'ready' && desktop
      },
      120_000,
    )
  }

  const golden = await claimed('ana')
  const sectors = async () => Number(await guestRun(daemon, golden.id, 'cat /sys/block/vda/size'))
  const sizeBytes = 2 ** 30
  expect((await sectors()) * 512).toBeLessThan(sizeBytes)
  const change = { params: { id: golden.id }, body: { hardware: { diskBytes: sizeBytes, memoryBytes: 128 * 2 ** 20 } } }
  const { applies } = await admin.desktopUpdate(change)
  expect(applies).toEqual({ now: ['diskBytes'], nextStart: ['memoryBytes'] })
  await until('its guest sees the larger disk, while it runs', async () => (await sectors()) * 512 === sizeBytes)

  const install =
    'mkdir -p /etc/ssh /root; echo the-first >/etc/hostname; echo KEY >/etc/ssh/ssh_host_rsa_key; echo ls >/root/.bash_history; echo cc >/bin/compiler; sync'
  await guestRun(daemon, golden.id, install)
  await ended(await admin.desktopAct({ params: { id: golden.id, name: 'shutdown' } }))
  const made = await admin.versionAdd({
    params: { id: templateId },
    body: { source: { kind: 'desktop', desktopId: golden.id }, notes: 'with the compiler' },
  })
  await ended(made)
  const second = (await template()).versions.find(({ number }) => number === 2)
  expect(second).toMatchObject({ state: 'sealed', source: { kind: 'desktop', desktopName: golden.name, seal: true } })

  const what = 'cat /bin/compiler; ls /etc/hostname /etc/ssh/ssh_host_rsa_key /root/.bash_history 2>/dev/null; :'
  const ben = await claimed('ben')
  expect([ben.templateVersion, await guestRun(daemon, ben.id, what)]).toEqual([2, 'cc'])
  await admin.poolUpdate({ params: { id: pool.id }, body: { templateVersion: 1 } })
  const cem = await claimed('cem')
  expect([cem.templateVersion, await guestRun(daemon, cem.id, 'ls /bin/compiler 2>/dev/null; :')]).toEqual([1, ''])

  // The golden machine itself goes on as it was.
  await ended(await admin.desktopAct({ params: { id: golden.id, name: 'start' } }))
  await until(
    'it answers',
    async () => (await admin.desktopGet({ params: { id: golden.id } })).phase === 'ready',
    120_000,
  )
  expect(await guestRun(daemon, golden.id, 'cat /etc/hostname /etc/ssh/ssh_host_rsa_key')).toBe('the-first\nKEY')
  expect((await sectors()) * 512).toBe(sizeBytes)
  const kib = await guestRun(daemon, golden.id, "awk '/MemTotal/{print $2}' /proc/meminfo")
  expect(Number(kib)).toBeGreaterThan(64 * 1024)
})
