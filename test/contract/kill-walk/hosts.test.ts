/** Hosts that come, go, are lost and return, at every statement of it. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { balanceReconciler } from '../../../broker/reconcile/balance.ts'
import { nudge } from '../../../db/events.ts'
import { makeSimStorage } from '../../../vmm/sim-storage.ts'
import { until } from '../../support/site.ts'
import { done, type Operation, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type Clients, type KillWorld, type Member, makeKillWorld } from './world.ts'

const never = new AbortController().signal
let world: KillWorld
let mineId: string
let guestsId: string
beforeAll(async () => {
  world = await makeKillWorld()
  const poolId = await world.poolMade('lasting', { clusterIds: [world.clusterId] })
  guestsId = await world.poolMade('guests', { needs: ['guest'] })
  const { ana } = world.clients()
  const { desktop, task } = await ana.poolClaim({ params: { id: poolId } })
  await done(ana, task)
  mineId = desktop.id
  await world.settled()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const desktopsOf = async ({ id }: Member) =>
  world.db.selectFrom('desktop').select(['id']).where('host_id', '=', id).execute()
const homeOf = async (id: string) => {
  const row = await world.db.selectFrom('desktop').select('host_id').where('id', '=', id).executeTakeFirstOrThrow()
  return world.memberOf(row.host_id)
}
/** All its desktops are at home elsewhere. */
const left = (member: Member) =>
  until('its desktops are elsewhere', async () => (await desktopsOf(member)).length === 0, 60_000)
const lost = (member: Member) =>
  until('it is lost', async () => {
    const { state } = await world.db
      .selectFrom('host')
      .select('state')
      .where('id', '=', member.id)
      .executeTakeFirstOrThrow()
    return state === 'lost'
  })
/** One of those that share a storage, and that does not have the desktop that somebody keeps. */
async function another(): Promise<Member> {
  const home = await homeOf(mineId)
  const others = world.members.filter(member => member.storage === home.storage && member !== home)
  const counted = await Promise.all(others.map(async member => ({ member, count: (await desktopsOf(member)).length })))
  const [most] = counted.toSorted((a, b) => b.count - a.count)
  if (!most) throw new Error('no other host')
  return most.member
}
const clusterSet = (set: { fence_command?: string | null; power_command?: string | null; balance?: string }) =>
  world.db.updateTable('cluster').set(set).where('id', '=', world.clusterId).execute()
async function allHealed() {
  await clusterSet({ fence_command: null })
  for (const member of world.members) await world.heal(member)
}

/** A desktop on each of the three, or there is nothing to empty. */
async function spread({ root }: Clients) {
  await world.settled()
  const three = world.members.filter(({ storage }) => storage === world.members[0]?.storage)
  const held = await Promise.all(three.map(async member => ({ member, rows: await desktopsOf(member) })))
  const spare = held.flatMap(({ rows }) => rows.slice(1))
  for (const { member, rows } of held) {
    const desktop = rows.length === 0 ? spare.pop() : undefined
    if (desktop) await root.desktopMigrate({ params: desktop, body: { hostId: member.id } })
  }
}
const noneOff = async () => {
  const off = await world.db.selectFrom('host').select('id').where('wished_off_at', 'is not', null).execute()
  return off.length === 0
}

/** Somebody's machine that joins: what it asked with, and what it is once it was answered. */
let machine: { ask: { token: string; hostName: string; key: string }; member: Member | null } | null = null

async function joined({ root }: Clients, clusterId: string): Promise<Member> {
  const { token } = await root.joinTokenMake({ body: { clusterId } })
  machine = { ask: { token, hostName: 'guest', key: randomBytes(32).toString('base64url') }, member: null }
  const member = await world.enter(await world.joinAsked(machine.ask), 'guest', makeSimStorage())
  machine.member = member
  await until('it has the image', async () => {
    const rows = world.db.selectFrom('host_image').select('observed_state').where('host_id', '=', member.id)
    return (await rows.executeTakeFirst())?.observed_state === 'ready'
  })
  return member
}
/** The machine is gone, and what the site knew of it too. */
async function machineAway({ root }: Clients) {
  if (!machine) return
  const { ask, member } = machine
  machine = null
  // Whoever was not answered asks again, with the same token and the same key: a host that nobody can be is an orphan.
  const id = member?.id ?? (await world.joinAsked(ask))
  if (member && world.members.includes(member)) await world.leave(member)
  await world.unheard({ id })
  const state = async () => (await root.hostList({ query: {} })).items.find(host => host.id === id)?.state
  await until('it is lost, or gone', async () => [undefined, 'lost'].includes(await state()))
  if (await state()) await root.hostRemove({ params: { id }, query: { force: true } })
}

const operations: Record<keyof typeof walked.hosts, Operation> = {
  'a host that is cut off while its desktops run on, is confirmed to be off, and is heard again': {
    asks: walked.hosts['a host that is cut off while its desktops run on, is confirmed to be off, and is heard again'],
    async run({ root }) {
      const member = await another()
      await world.cut(member)
      await lost(member)
      await root.hostFence({ params: { id: member.id }, body: { confirmed: true } })
      await left(member)
      await world.heal(member)
    },
    restore: allHealed,
  },
  'a host that loses power with a desktop that somebody keeps, is fenced by its command, and comes back': {
    asks: walked.hosts[
      'a host that loses power with a desktop that somebody keeps, is fenced by its command, and comes back'
    ],
    async run({ root }) {
      const member = await homeOf(mineId)
      await clusterSet({ fence_command: '/bin/true' })
      await world.powerLost(member)
      await lost(member)
      await until('it is off for certain', async () => (await root.hostGet({ params: { id: member.id } })).fencedAt)
      await left(member)
      await clusterSet({ fence_command: null })
      await world.heal(member)
    },
    restore: allHealed,
  },
  'a host that is emptied, switched off to save power, and switched on again': {
    asks: walked.hosts['a host that is emptied, switched off to save power, and switched on again'],
    async run() {
      // The last one would let power rest for an hour.
      await world.db.deleteFrom('task').where('kind', 'like', 'host.power%').execute()
      await clusterSet({ balance: JSON.stringify({ consolidate: { enabled: true } }), power_command: '/bin/true' })
      let minute = 0
      const clock = { now: () => new Date(Date.now() + minute * 60_000) }
      const balancing = balanceReconciler({ ...world.broker(), clock })
      await balancing.step(never)
      minute = 31
      const switched = async (kind: string) => {
        await balancing.step(never)
        const task = await world.db.selectFrom('task').select('state').where('kind', '=', kind).executeTakeFirst()
        return task?.state === 'succeeded'
      }
      await until('it is off', () => switched('host.powerOff'))
      await clusterSet({ balance: '{}' })
      await until('it is on again', async () => (await switched('host.powerOn')) && (await noneOff()))
    },
    async restore(ask) {
      await clusterSet({ balance: '{}', power_command: '/bin/true' })
      await nudge(world.db, 'balance')
      await spread(ask)
    },
  },
  'a site and a cluster with a host that joins, gets another network, and is removed': {
    asks: walked.hosts['a site and a cluster with a host that joins, gets another network, and is removed'],
    async run(ask) {
      const { root } = ask
      const site = await root.siteCreate({ body: { name: 'away' } })
      await root.siteUpdate({ params: { id: site.id }, body: { name: 'far' } })
      const cluster = await root.clusterCreate({ body: { name: 'far', siteId: site.id } })
      const member = await joined(ask, cluster.id)
      await root.hostUpdate({ params: { id: member.id }, body: { tags: ['far'] } })
      await root.clusterUpdate({ params: { id: cluster.id }, body: { supernet: '10.77.0.0/16', portTo: 20_000 } })
      await until('it has the other network', async () => member.host.network()?.supernet === '10.77.0.0/16')
      await root.hostRemove({ params: { id: member.id } })
      await world.leave(member)
      await root.clusterDelete({ params: { id: cluster.id } })
      await root.siteDelete({ params: { id: site.id } })
    },
    async restore(ask) {
      const { root } = ask
      await machineAway(ask)
      const [cluster] = (await root.clusterList({ query: { name: 'far' } })).items
      if (cluster) await root.clusterDelete({ params: { id: cluster.id } })
      for (const { id, name } of (await root.siteList({ query: {} })).items)
        if (name !== 'main') await root.siteDelete({ params: { id } })
    },
  },
  'a host that joins, carries a desktop, is lost and removed by force': {
    asks: walked.hosts['a host that joins, carries a desktop, is lost and removed by force'],
    async run(ask) {
      const { root, ana } = ask
      const member = await joined(ask, world.clusterId)
      await root.hostUpdate({ params: { id: member.id }, body: { tags: ['guest'] } })
      const { task, desktop } = await ana.poolClaim({ params: { id: guestsId } })
      await done(ana, task)
      await ana.desktopAct({ params: { id: desktop.id, name: 'reboot' } })
      await world.powerLost(member)
      await lost(member)
      await root.hostRemove({ params: { id: member.id }, query: { force: true } })
      await world.leave(member)
    },
    restore: machineAway,
  },
}

describe('a control plane that is killed before any statement of', () => {
  it.each(Object.entries(operations))(
    '%s leaves no orphan domain, disk, lock, port or address, and ends what was begun',
    (_name, operation) => walk(world, operation),
    600_000,
  )
})
