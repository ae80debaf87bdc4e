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
  (id: string, ...names: ('start' | 'shutdown' | 'poweroff' | 'reboot' | 'reset' | 'suspend' | 'resume')[]) =>
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
      const { desktop, task } = await root.desktopMake({ params: { id: ownId }, body: own })
      await done(root, task)
      await done(root, (await root.desktopAct({ params: { id: desktop.id, name: 'delete' } })).task)
    },
    restore: ask => allGivenBack(world, ask, ownId),
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
  'opening a screen': {
    asks: walked.desktops['opening a screen'],
    async run({ ana }) {
      await until('it is ready', async () => (await ana.desktopGet({ params: { id: mineId } })).phase === 'ready')
      await ana.desktopConnect({ params: { id: mineId } })
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
