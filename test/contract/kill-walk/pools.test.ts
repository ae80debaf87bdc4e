/** Pools, at every statement of what is done with them. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { until } from '../../support/site.ts'
import { done, type Operation, poolAway, poolGone, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type KillWorld, makeKillWorld } from './world.ts'

let world: KillWorld
beforeAll(async () => {
  world = await makeKillWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const operations: Record<keyof typeof walked.pools, Operation> = {
  'a pool that is made, filled and removed': {
    asks: walked.pools['a pool that is made, filled and removed'],
    everyStatement: true,
    async run(ask) {
      const { root } = ask
      const wish = { name: 'brief', kind: 'floating', templateId: world.templateId, warm: 2, maxSize: 2 } as const
      const { id } = await root.poolCreate({ body: wish })
      await root.entitlementSet({ params: { id }, body: { everyone: true } })
      await until('it is filled', async () => (await root.poolGet({ params: { id } })).counts.ready === 2)
      await root.poolDelete({ params: { id }, query: { force: true } })
      await poolGone(ask, 'brief')
    },
    restore: poolAway('brief'),
  },
  'a pool whose guests are customised, one of which is set aside and tried again': {
    asks: walked.pools['a pool whose guests are customised, one of which is set aside and tried again'],
    async run(ask) {
      const { root } = ask
      const customise = { before: { text: 'exit 3 # once', retries: 0 } }
      const wish = { name: 'custom', kind: 'floating', templateId: world.templateId, warm: 1, maxSize: 1 } as const
      const { id } = await root.poolCreate({ body: { ...wish, customise } })
      const aside = await until('it is set aside', async () => {
        const { items } = await root.desktopList({ query: { poolId: id } })
        return items.find(({ actions }) => actions.some(({ name, allowed }) => name === 'customise' && allowed))
      })
      await done(root, (await root.desktopAct({ params: { id: aside.id, name: 'customise' } })).task)
      await until('it is ready', async () => (await root.poolGet({ params: { id } })).counts.ready === 1)
      await root.poolDelete({ params: { id }, query: { force: true } })
      await poolGone(ask, 'custom')
    },
    restore: poolAway('custom'),
  },
  'desktops of a pool that are looked at, and a look that is called off': {
    asks: walked.pools['desktops of a pool that are looked at, and a look that is called off'],
    async run(ask) {
      const { root } = ask
      const wish = { name: 'looked', kind: 'floating', templateId: world.templateId, warm: 0, maxSize: 2 } as const
      const { id } = await root.poolCreate({ body: { ...wish, cold: 2 } })
      const still = () =>
        until('they stand still', async () => (await root.poolGet({ params: { id } })).counts.stopped === 2)
      await still()
      await done(root, (await root.verificationMake({ params: { id }, body: {} })).task)
      await still()
      const { task } = await root.verificationMake({ params: { id }, body: { batch: 1 } })
      await root.taskCancel({ params: { id: task.id } })
      await still()
      await root.poolDelete({ params: { id }, query: { force: true } })
      await poolGone(ask, 'looked')
    },
    restore: poolAway('looked'),
  },
  'a pool that grows, shrinks and is switched off': {
    asks: walked.pools['a pool that grows, shrinks and is switched off'],
    async run({ root }) {
      const id = world.demoId
      const update = (body: Parameters<typeof root.poolUpdate>[0]['body']) => root.poolUpdate({ params: { id }, body })
      await update({ warm: 4, cold: 1 })
      await until('it grew', async () => {
        const { counts } = await root.poolGet({ params: { id } })
        return counts.ready === 4 && counts.stopped === 1
      })
      await update({ warm: 2, cold: 0, enabled: false })
      await until('it shrank', async () => (await root.poolGet({ params: { id } })).counts.total < 5)
      await update({ enabled: true })
    },
    restore: ({ root }) => root.poolUpdate({ params: { id: world.demoId }, body: { warm: 2, cold: 0, enabled: true } }),
  },
}

describe('a control plane that is killed before any statement of', () => {
  it.each(Object.entries(operations))(
    '%s leaves no orphan domain, disk, lock, port or address, and ends what was begun',
    (_name, operation) => walk(world, operation),
    600_000,
  )
})
