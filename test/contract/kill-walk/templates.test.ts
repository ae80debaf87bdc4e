/** Templates, their versions, files and copies, at every statement of what is done with them. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { done, type Operation, poolAway, poolGone, walk } from './walk.ts'
import { walked } from './walked.ts'
import { type KillWorld, makeKillWorld } from './world.ts'

let world: KillWorld
beforeAll(async () => {
  world = await makeKillWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

const file = new TextEncoder().encode('what an image is made of'.padEnd(512))
const upload = {
  kind: 'upload',
  format: 'raw',
  sizeBytes: file.length,
  sha256: createHash('sha256').update(file).digest('hex'),
} as const

const operations: Record<keyof typeof walked.templates, Operation> = {
  'a desktop that becomes a template version, which goes to another cluster, and is removed': {
    asks: walked.templates['a desktop that becomes a template version, which goes to another cluster, and is removed'],
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
      const copy = async () => {
        const asked = await root.copyMake({ params, body: {} })
        if (!('task' in asked)) throw new Error('that was no plan')
        return asked
      }
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
    asks: walked.templates['a template that is built, called off, tried again, sent as a file, and removed'],
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
      await done(root, (await root.exportMake({ params: second })).task)
      await root.exportRemove({ params: { ...second, format: 'hdcs' } })
      await done(root, (await root.exportMake({ params: second, body: { format: 'ova' } })).task)
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
