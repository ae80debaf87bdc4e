/** Desktops on their way between hosts, at every statement of it. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { done, type Operation, refused, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type Clients, type KillWorld, makeKillWorld } from './world.ts'

let world: KillWorld
let mineId: string
beforeAll(async () => {
  world = await makeKillWorld()
  const poolId = await world.poolMade('lasting', {})
  const { ana } = world.clients()
  const { desktop, task } = await ana.poolClaim({ params: { id: poolId } })
  await done(ana, task)
  mineId = desktop.id
  await world.settled()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const idOf = (name: string) => world.members.find(member => member.name === name)?.id ?? ''
const home = async ({ root }: Clients) => (await root.desktopGet({ params: { id: mineId } })).hostName ?? ''
const migrate = async ({ root }: Clients, name: string, restart = false) => {
  const body = { hostId: idOf(name), restart }
  return root.desktopMigrate({ params: { id: mineId }, body }).then(answer => {
    if (!('task' in answer)) throw new Error('that was no plan')
    return answer.task
  })
}
const act = async ({ ana }: Clients, name: 'start' | 'poweroff') =>
  done(ana, (await ana.desktopAct({ params: { id: mineId, name } })).task)
/** Runs with an address of where it is. */
async function startedHere(ask: Clients) {
  await world.settled()
  const { power, noNetwork } = await ask.root.desktopGet({ params: { id: mineId } })
  if (power === 'running' && noNetwork !== null) await act(ask, 'poweroff')
  if (power === 'stopped' || noNetwork !== null) await act(ask, 'start')
}
/** To the other storage, or back from it. */
const across = async (ask: Clients) => ((await home(ask)) === 'h4' ? 'h1' : 'h4')

const operations: Record<keyof typeof walked.moves, Operation> = {
  'a live move': {
    asks: walked.moves['a live move'],
    everyStatement: true,
    run: async ask => done(ask.root, await migrate(ask, (await home(ask)) === 'h1' ? 'h2' : 'h1')),
    restore: startedHere,
  },
  'a move that is called off': {
    asks: walked.moves['a move that is called off'],
    async run(ask) {
      const task = await migrate(ask, (await home(ask)) === 'h1' ? 'h2' : 'h1')
      // It may be done in this very moment: then there is nothing to call off.
      await ask.root.taskCancel({ params: { id: task.id } }).catch(refused)
    },
    restore: async () => undefined,
  },
  'a move with its storage to another cluster, and a start with an address of there': {
    asks: walked.moves['a move with its storage to another cluster, and a start with an address of there'],
    async run(ask) {
      await done(ask.root, await migrate(ask, await across(ask)))
      await act(ask, 'poweroff')
      await act(ask, 'start')
    },
    restore: startedHere,
  },
  'a move while it is shut down': {
    asks: walked.moves['a move while it is shut down'],
    async run(ask) {
      await act(ask, 'poweroff')
      await done(ask.root, await migrate(ask, await across(ask)))
      await act(ask, 'start')
    },
    restore: startedHere,
  },
  'a maintenance with evacuation, and its end': {
    asks: walked.moves['a maintenance with evacuation, and its end'],
    async run(ask) {
      const { root } = ask
      const params = { id: idOf(await home(ask)) }
      const entered = await root.hostEnterMaintenance({ params, body: { evacuate: true } })
      if ('task' in entered) await done(root, entered.task)
      const left = await root.hostLeaveMaintenance({ params, body: { bringBack: true } })
      if ('task' in left) await done(root, left.task)
    },
    async restore(ask) {
      const closed = await world.db.selectFrom('host').select('id').where('wished_state', '=', 'maintenance').execute()
      for (const params of closed) await ask.root.hostLeaveMaintenance({ params, body: { bringBack: false } })
      await world.settled()
      // From h4 it could not leave: that is alone in its cluster.
      if ((await home(ask)) === 'h4') await done(ask.root, await migrate(ask, 'h1'))
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
