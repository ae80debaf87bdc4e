/** A person's desktops, at every statement of what is done with them. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { until } from '../../support/site.ts'
import { allGivenBack, done, type Operation, refused, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type Clients, type KillWorld, makeKillWorld } from './world.ts'

let world: KillWorld
let ownId: string
let mineId: string
beforeAll(async () => {
  world = await makeKillWorld()
  ownId = await world.poolMade('own', {})
  const lastingId = await world.poolMade('lasting', {})
  const { ana } = world.clients()
  const { desktop, task } = await ana.poolClaim({ params: { id: lastingId } })
  await done(ana, task)
  mineId = desktop.id
  await world.settled()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const act =
  (id: string, ...names: ('start' | 'shutdown' | 'poweroff' | 'reboot' | 'reset' | 'suspend' | 'resume' | 'save')[]) =>
  async ({ ana }: Clients) => {
    for (const name of names) {
      // A guest that starts anew answers a moment later than its host.
      await until('it is as it was', async () => {
        const { actions } = await ana.desktopGet({ params: { id } })
        return actions.some(action => action.name === name && action.allowed)
      })
      await done(ana, (await ana.desktopAct({ params: { id, name } })).task)
    }
  }
/** Running again, whatever was done to it. */
async function startedAgain(ask: Clients) {
  await world.settled()
  const { power } = await ask.ana.desktopGet({ params: { id: mineId } })
  if (power === 'paused') await act(mineId, 'resume')(ask)
  if (power === 'stopped') await act(mineId, 'start')(ask)
}

/** Whether its host gave it a dongle. */
const donglesOf = async (id: string) => {
  const machines = (await Promise.all(world.members.map(({ host }) => host.machines()))).flat()
  return machines.find(machine => machine.id === id)?.dongles?.length ?? 0
}
async function dongleUnbound({ root }: Clients) {
  const { items } = await root.dongleList({ query: {} })
  for (const { id } of items) await root.dongleUnbind({ params: { id } })
  await until('it is out', async () => (await donglesOf(mineId)) === 0)
}
const operations: Record<keyof typeof walked.desktops, Operation> = {
  'a claim and its giving back': {
    asks: walked.desktops['a claim and its giving back'],
    everyStatement: true,
    async run({ ana }) {
      const { desktop, task } = await ana.poolClaim({ params: { id: world.demoId } })
      await done(ana, task)
      await done(ana, (await ana.desktopAct({ params: { id: desktop.id, name: 'release' } })).task)
    },
    async restore({ ana }) {
      const { items } = await ana.desktopList({ query: { mine: true, poolId: world.demoId } })
      for (const { id } of items) await ana.desktopAct({ params: { id, name: 'release' } })
    },
  },
  'a desktop of one’s own, made, changed and removed': {
    asks: walked.desktops['a desktop of one’s own, made, changed and removed'],
    async run({ ana, root }) {
      const { desktop, task } = await ana.poolClaim({ params: { id: ownId } })
      await done(ana, task)
      const params = { id: desktop.id }
      await root.desktopUpdate({ params, body: { hardware: { vcpus: 2, diskBytes: 2 ** 31 } } })
      await done(root, (await root.desktopAct({ params: { ...params, name: 'delete' } })).task)
    },
    restore: ask => allGivenBack(world, ask, ownId),
  },
  'a desktop that is made by hand, and removed': {
    asks: walked.desktops['a desktop that is made by hand, and removed'],
    async run({ root }) {
      const own = { name: 'by-hand', hardware: { vcpus: 2 } }
      const made = await root.desktopMake({ params: { id: ownId }, body: own })
      if (!('task' in made)) throw new Error('that was no plan')
      await done(root, made.task)
      await done(root, (await root.desktopAct({ params: { id: made.desktop.id, name: 'delete' } })).task)
    },
    restore: ask => allGivenBack(world, ask, ownId),
  },
  'desktops that are made for several people, one of whom is refused': {
    asks: walked.desktops['desktops that are made for several people, one of whom is refused'],
    async run({ root }) {
      const { items } = await root.userList({ query: { name: 'ana' } })
      const userIds = [items[0]?.id ?? '', '01a00000-0000-7000-8000-000000000000', (await root.meGet()).id]
      const made = await root.desktopsMake({ params: { id: ownId }, body: { userIds } })
      if (!('task' in made)) throw new Error('that was no plan')
      // Its receipt says that one was refused.
      await root.taskGet({ params: { id: made.task.id }, query: { wait: '30s' } })
      const ids = made.results.flatMap(({ desktop }) => desktop?.id ?? [])
      await done(root, (await root.desktopsAct({ params: { name: 'delete' }, body: { ids } })).task)
    },
    restore: ask => allGivenBack(world, ask, ownId),
  },
  'a machine of a host that is adopted, and removed': {
    asks: walked.desktops['a machine of a host that is adopted, and removed'],
    async run({ root }) {
      const [host] = world.members
      if (!host) throw new Error('no host')
      const { id } = host
      // What became of it the last time is not told before the host is read anew.
      await world.agentAgain(host)
      const machine = await until('its host tells of it', async () =>
        (await root.foreignMachineList({ params: { id } })).items.find(({ name }) => name === 'by-hand'),
      )
      const { items } = await root.userList({ query: { name: 'ana' } })
      const params = { id, foreignId: machine.id }
      const { desktop, task } = await root.foreignMachineAdopt({ params, body: { userId: items[0]?.id ?? '' } })
      await done(root, task)
      await done(root, (await root.desktopAct({ params: { id: desktop.id, name: 'delete' } })).task)
    },
    // Without the pool and the template that are made for the first one: each run makes them anew.
    async restore({ root }) {
      const pools = async () => (await root.poolList({ query: { name: 'adopted' } })).items
      for (const { id } of await pools())
        await root.poolDelete({ params: { id }, query: { force: true } }).catch(refused)
      await until('its pool is gone', async () => (await pools()).length === 0)
      const { items } = await root.templateList({ query: { name: 'empty-disk' } })
      for (const { id } of items) await root.templateDelete({ params: { id } })
    },
  },
  'a desktop that is deleted, restored and deleted for good': {
    asks: walked.desktops['a desktop that is deleted, restored and deleted for good'],
    async run({ ana, root }) {
      const { desktop, task } = await ana.poolClaim({ params: { id: ownId } })
      await done(ana, task)
      const { id } = desktop
      for (const name of ['delete', 'restore', 'delete', 'purge'] as const)
        await done(root, (await root.desktopAct({ params: { id, name } })).task)
    },
    restore: ask => allGivenBack(world, ask, ownId),
  },
  'a desktop that is copied': {
    asks: walked.desktops['a desktop that is copied'],
    async run({ root }) {
      await done(root, (await root.desktopAct({ params: { id: mineId, name: 'poweroff' } })).task)
      const { desktop, task } = await root.desktopClone({ params: { id: mineId }, body: { name: 'copied' } })
      await done(root, task)
      const body = { ids: [mineId, desktop.id] }
      await done(root, (await root.desktopsAct({ params: { name: 'start' }, body })).task)
    },
    async restore(ask) {
      await startedAgain(ask)
      const { items } = await ask.root.desktopList({ query: { name: 'copied' } })
      for (const { id } of items) await ask.root.desktopAct({ params: { id, name: 'delete' } })
      await allGivenBack(world, ask, ownId)
    },
  },
  'a claim that is called off': {
    asks: walked.desktops['a claim that is called off'],
    async run({ ana }) {
      const { task } = await ana.poolClaim({ params: { id: ownId } })
      // It may be done in this very moment: then there is nothing to call off.
      await ana.taskCancel({ params: { id: task.id } }).catch(refused)
    },
    restore: ask => allGivenBack(world, ask, ownId),
  },
  'shutting down, starting, power off and start': {
    asks: walked.desktops['shutting down, starting, power off and start'],
    run: ask => act(mineId, 'shutdown', 'start', 'poweroff', 'start')(ask),
    restore: startedAgain,
  },
  'suspending, resuming, reboot and reset': {
    asks: walked.desktops['suspending, resuming, reboot and reset'],
    run: ask => act(mineId, 'suspend', 'resume', 'reboot', 'reset')(ask),
    restore: startedAgain,
  },
  'a dongle that is bound, plugged in, and taken out': {
    asks: walked.desktops['a dongle that is bound, plugged in, and taken out'],
    async run(ask) {
      const { hostId } = await ask.root.desktopGet({ params: { id: mineId } })
      const body = { hostId: hostId ?? '', desktopId: mineId, vendor: '0529', product: '0001' }
      await ask.root.dongleBind({ body })
      await until('it is in', async () => (await donglesOf(mineId)) === 1)
      await dongleUnbound(ask)
    },
    restore: dongleUnbound,
  },
  'saving its memory, and going on from there': {
    asks: walked.desktops['saving its memory, and going on from there'],
    run: ask => act(mineId, 'save', 'start')(ask),
    restore: startedAgain,
  },
  'a script that is tried': {
    asks: walked.desktops['a script that is tried'],
    run: async ask => {
      const text = 'echo tried'
      await done(ask.root, (await ask.root.desktopScriptTry({ params: { id: mineId }, body: { text } })).task)
    },
    restore: startedAgain,
  },
  'a snapshot that is taken, reverted to, and removed': {
    asks: walked.desktops['a snapshot that is taken, reverted to, and removed'],
    async run(ask) {
      const params = { id: mineId }
      await until('it may be taken', async () => {
        const { actions } = await ask.root.snapshotList({ params })
        return actions.some(({ allowed }) => allowed)
      })
      await done(ask.root, (await ask.root.snapshotTake({ params, body: { name: 'before' } })).task)
      await act(mineId, 'poweroff')(ask)
      const named = { params: { ...params, name: 'before' } }
      await done(ask.root, (await ask.root.snapshotRevert(named)).task)
      await done(ask.root, (await ask.root.snapshotRemove(named)).task)
      await act(mineId, 'start')(ask)
    },
    async restore(ask) {
      await world.settled()
      const { items } = await ask.root.snapshotList({ params: { id: mineId } })
      for (const { name } of items)
        await done(ask.root, (await ask.root.snapshotRemove({ params: { id: mineId, name } })).task)
      await startedAgain(ask)
    },
  },
  'opening a screen': {
    asks: walked.desktops['opening a screen'],
    async run({ ana, root }) {
      await until('it is ready', async () => (await ana.desktopGet({ params: { id: mineId } })).phase === 'ready')
      await ana.desktopConnect({ params: { id: mineId } })
      await root.screenOpen({ params: { id: mineId }, body: { take: true } })
      await ana.desktopViewerFile({ params: { id: mineId } })
    },
    restore: async () => undefined,
  },
  'a person who is removed with desktops': {
    asks: walked.desktops['a person who is removed with desktops'],
    async run({ root }) {
      const { userId, token } = await world.personMade('guest', ['person'])
      const guest = world.clientOf(token)
      for (const id of [world.demoId, ownId]) await done(guest, (await guest.poolClaim({ params: { id } })).task)
      await root.userDelete({ params: { id: userId }, query: { force: true } })
    },
    async restore({ root }) {
      const { items } = await root.userList({ query: { limit: 50 } })
      const left = items.find(({ name }) => name === 'guest')
      // What was asked to go before is gone when it is asked again.
      await world.settled()
      if (left) await root.userDelete({ params: { id: left.id }, query: { force: true } })
    },
  },
}

describe('a control plane that is killed before any statement of', () => {
  it.each(Object.entries(operations))(
    '%s leaves no orphan domain, disk, lock, port or address, and ends what was begun',
    (_name, operation) => walk(world, operation),
    600_000,
  )
})
