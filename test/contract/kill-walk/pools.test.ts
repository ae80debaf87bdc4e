/** Pools and templates, at every statement of what is done with them. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { until } from '../../support/site.ts'
import { done, type Operation, refused, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type Clients, type KillWorld, makeKillWorld } from './world.ts'

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

const file = new TextEncoder().encode('what an image is made of')
const upload = {
  kind: 'upload',
  format: 'qcow2',
  sizeBytes: file.length,
  sha256: createHash('sha256').update(file).digest('hex'),
} as const

const poolNamed = async ({ root }: Clients, name: string) => {
  const { items } = await root.poolList({ query: { name } })
  return items[0]
}
const poolGone = (ask: Clients, name: string) =>
  until('the pool is gone', async () => (await poolNamed(ask, name)) === undefined)
const poolAway = (name: string) => async (ask: Clients) => {
  const left = await poolNamed(ask, name)
  if (left) await ask.root.poolDelete({ params: { id: left.id }, query: { force: true } }).catch(refused)
  await poolGone(ask, name)
}

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
  'a pool that is pushed to another version, one desktop of it in use': {
    asks: walked.pools['a pool that is pushed to another version, one desktop of it in use'],
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
  'a desktop that becomes a template version, which goes to another cluster, and is removed': {
    asks: walked.pools['a desktop that becomes a template version, which goes to another cluster, and is removed'],
    async run(ask) {
      const { root, ana } = ask
      const wish = { name: 'golden', kind: 'persistent', templateId: world.templateId, warm: 0, maxSize: 1 } as const
      const { id } = await root.poolCreate({ body: wish })
      await root.entitlementSet({ params: { id }, body: { everyone: true } })
      const { task, desktop } = await ana.poolClaim({ params: { id } })
      await done(ana, task)
      await done(ana, (await ana.desktopAct({ params: { id: desktop.id, name: 'poweroff' } })).task)
      const source = { kind: 'desktop', desktopId: desktop.id } as const
      const made = await root.templateCreate({ body: { name: 'golden', source } })
      await done(root, made.task)
      const { id: clusterId } = await root.clusterCreate({ body: { name: 'far' } })
      const params = { id: made.template.id, number: 1, clusterId }
      const copy = () => root.copyMake({ params, body: {} })
      await root.taskCancel({ params: { id: (await copy()).task.id } })
      await copy()
      await root.copyRemove({ params })
      await root.clusterDelete({ params: { id: clusterId } })
      await root.templateDelete({ params: { id: made.template.id } })
      await root.poolDelete({ params: { id }, query: { force: true } })
      await poolGone(ask, 'golden')
    },
    async restore(ask) {
      const { root } = ask
      for (const { id } of (await root.templateList({ query: { name: 'golden' } })).items)
        await root.templateDelete({ params: { id } })
      for (const { id } of (await root.clusterList({ query: { name: 'far' } })).items)
        await root.clusterDelete({ params: { id } })
      await poolAway('golden')(ask)
    },
  },
  'a template that is built, called off, tried again, sent as a file, and removed': {
    asks: walked.pools['a template that is built, called off, tried again, sent as a file, and removed'],
    async run({ root }) {
      const recipe = { kind: 'recipe', recipe: 'tiny' } as const
      const made = await root.templateCreate({ body: { name: 'brief', source: recipe } })
      await done(root, made.task)
      const params = { id: made.template.id }
      const second = { ...params, number: 2 }
      await root.templateUpdate({ params, body: { description: 'Used for a moment.' } })
      const waiting = await root.versionAdd({ params, body: { source: upload } })
      await root.taskCancel({ params: { id: waiting.task.id } })
      const { task } = await root.versionRetry({ params: second })
      await root.upload({ templateId: params.id, number: 2, file: new Blob([file]) })
      await done(root, task)
      await root.versionDelete({ params: second })
      await root.templateDelete({ params })
    },
    async restore({ root }) {
      const { items } = await root.templateList({ query: { name: 'brief' } })
      for (const { id } of items) await root.templateDelete({ params: { id } })
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
