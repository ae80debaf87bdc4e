/** Pools that go to another version, at every statement of what is done with them. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { until } from '../../support/site.ts'
import { done, type Operation, poolAway, poolGone, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type KillWorld, makeKillWorld } from './world.ts'

let world: KillWorld
beforeAll(async () => {
  world = await makeKillWorld()
  const { root } = world.clients()
  const recipe = { kind: 'recipe', recipe: 'tiny' } as const
  // A second version, to which pools are pushed.
  await done(root, (await root.versionAdd({ params: { id: world.templateId }, body: { source: recipe } })).task)
  await world.settled()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const operations: Record<keyof typeof walked.pushes, Operation> = {
  'a pool that is pushed to another version, one desktop of it in use': {
    asks: walked.pushes['a pool that is pushed to another version, one desktop of it in use'],
    async run(ask) {
      const { root, ana } = ask
      const wish = { name: 'pushed', kind: 'floating', templateId: world.templateId, warm: 1, maxSize: 2 } as const
      const { id } = await root.poolCreate({ body: { ...wish, templateVersion: 1 } })
      await root.entitlementSet({ params: { id }, body: { everyone: true } })
      const { task, desktop } = await ana.poolClaim({ params: { id } })
      await done(ana, task)
      await until('it is warm', async () => (await root.poolGet({ params: { id } })).counts.ready === 1)
      await root.poolUpdate({ params: { id }, body: { templateVersion: 2 } })
      await done(ana, (await ana.desktopAct({ params: { id: desktop.id, name: 'release' } })).task)
      await until('all are made anew', async () => {
        const { items } = await root.desktopList({ query: { poolId: id } })
        return items.length > 0 && items.every(row => row.templateVersion === 2 && row.phase === 'ready')
      })
      await root.poolDelete({ params: { id }, query: { force: true } })
      await poolGone(ask, 'pushed')
    },
    restore: poolAway('pushed'),
  },
  'a push that waits, is given another time, runs, and is rolled back, and one that is called off': {
    asks: walked.pushes[
      'a push that waits, is given another time, runs, and is rolled back, and one that is called off'
    ],
    async run(ask) {
      const { root } = ask
      const wish = { name: 'walked', kind: 'floating', templateId: world.templateId, warm: 1, maxSize: 1 } as const
      const { id } = await root.poolCreate({ body: { ...wish, templateVersion: 1 } })
      const on = (version: number) =>
        until(`it is on version ${version}`, async () => {
          const { items } = await root.desktopList({ query: { poolId: id } })
          return items.length > 0 && items.every(row => row.templateVersion === version && row.phase === 'ready')
        })
      await on(1)
      const later = new Date(Date.now() + 3_600_000).toISOString()
      const made = await root.pushMake({ params: { id }, body: { version: 2, at: later } })
      if (!('push' in made)) throw new Error('no dry run was asked for')
      const params = { id: made.push.id }
      await root.pushUpdate({ params, body: { at: new Date().toISOString() } })
      await done(root, made.task)
      await on(2)
      await done(root, (await root.pushRollback({ params, body: {} })).task)
      await on(1)
      const other = await root.pushMake({ params: { id }, body: { version: 2, at: later } })
      if ('push' in other) await root.pushCancel({ params: { id: other.push.id } })
      await root.poolDelete({ params: { id }, query: { force: true } })
      await poolGone(ask, 'walked')
    },
    restore: poolAway('walked'),
  },
}

describe('a control plane that is killed before any statement of', () => {
  it.each(Object.entries(operations))(
    '%s leaves no orphan domain, disk, lock, port or address, and ends what was begun',
    (_name, operation) => walk(world, operation),
    600_000,
  )
})
