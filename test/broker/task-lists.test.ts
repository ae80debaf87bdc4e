import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { takeBacks } from '../../broker/taking-back.ts'
import { takesBackWords } from '../../broker/taking-back-words.ts'
import { bulkKind, moveKind, type TaskAsk, taskGet, taskKindList, taskList, taskOpen } from '../../broker/tasks.ts'
import { taskSet } from '../../db/tasks.ts'
import { transact } from '../../db/transact.ts'
import { newId } from '../../lib/ids.ts'
import { startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let ana: Principal
const ids: Record<string, string> = {}

/** A receipt that no reconciler moves: nothing looks after things of this type. */
async function receipt(key: string, name: string, ask: Partial<TaskAsk> & Pick<TaskAsk, 'kind' | 'requestedBy'>) {
  const subject = { type: 'thing', id: newId(), name }
  const { id } = await transact(site.broker.db, tx => taskOpen(tx, { subject, ...ask }, site.broker.clock.now()))
  ids[key] = id
}

beforeAll(async () => {
  // No leader: receipts stay as they are written.
  site = await startSite({ sim: [], lead: false })
  admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator'])
  ana = await site.person('ana')
  await receipt('started', 'room-1', { kind: 'desktop.start', requestedBy: admin, done: true })
  await receipt('claimed', 'room-2', { kind: 'desktop.claim', requestedBy: ana })
  await receipt('failed', 'room-3', { kind: 'desktop.start', requestedBy: ana })
  const error = { code: 'start_failed' as const, text: 'no memory' }
  const set = { state: 'failed' as const, progress: 100, error, finished_at: new Date() }
  await taskSet(site.broker.db, ids.failed as string, set)
  const goal = { evacuate: true, total: 4, tasks: ['a'], trial: { text: 'secret words' } }
  await receipt('itself', '50%_host', { kind: 'host.enterMaintenance', requestedBy: null, goal })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

/** Which of ours a question finds, newest first; the first start has receipts of its own. */
async function found(who: Principal, query: Partial<Parameters<typeof taskList>[2]>): Promise<string[]> {
  const { items } = await taskList(site.broker, who, { limit: 100, ...query })
  return items.flatMap(({ id }) => Object.keys(ids).filter(key => ids[key] === id))
}

describe('the list of tasks', () => {
  it('is filtered by state, kind, who asked, and words of its subject or asker', async () => {
    expect(await found(admin, {})).toEqual(['itself', 'failed', 'claimed', 'started'])
    expect(await found(admin, { state: 'open' })).toEqual(['itself', 'claimed'])
    expect(await found(admin, { state: 'ended' })).toEqual(['failed', 'started'])
    expect(await found(admin, { state: 'failed' })).toEqual(['failed'])
    expect(await found(admin, { kind: 'desktop.start' })).toEqual(['failed', 'started'])
    expect(await found(admin, { requestedBy: ana.userId })).toEqual(['failed', 'claimed'])
    expect(await found(admin, { requestedBy: 'nobody' })).toEqual(['itself'])
    expect(await found(admin, { mine: true })).toEqual(['started'])
    expect(await found(admin, { search: 'ROOM-2' })).toEqual(['claimed'])
    expect(await found(admin, { search: 'ana', state: 'open' })).toEqual(['claimed'])
    // A sign of a pattern is a sign.
    expect(await found(admin, { search: '50%_' })).toEqual(['itself'])
    expect(await found(admin, { search: '%' })).toEqual(['itself'])
  })

  it('goes page by page through what the filter leaves', async () => {
    const query = { limit: 1, kind: 'desktop.start' }
    const first = await taskList(site.broker, admin, query)
    expect(first.items.map(({ id }) => id)).toEqual([ids.failed])
    const second = await taskList(site.broker, admin, { ...query, cursor: first.nextCursor ?? '' })
    expect(second.items.map(({ id }) => id)).toEqual([ids.started])
    expect(second.nextCursor).toBeNull()
  })

  it('tells a person of their own alone, whatever is asked', async () => {
    expect(await found(ana, {})).toEqual(['failed', 'claimed'])
    expect(await found(ana, { requestedBy: ana.userId })).toEqual(['failed', 'claimed'])
    expect(await found(ana, { requestedBy: admin.userId })).toEqual([])
    expect(await found(ana, { requestedBy: 'nobody' })).toEqual([])
    expect((await taskKindList(site.broker, ana)).items).toEqual(['desktop.claim', 'desktop.start'])
  })

  it('names each kind there is once', async () => {
    const { items } = await taskKindList(site.broker, admin)
    expect(items).toEqual([...new Set(items)].toSorted())
    expect(items).toEqual(expect.arrayContaining(['desktop.claim', 'desktop.start', 'host.enterMaintenance']))
  })

  it('tells what cancelling takes back to those who may, and of a goal only plain values', async () => {
    const read = (who: Principal, key: string) =>
      taskGet(site.broker, who, ids[key] ?? '', 0, new AbortController().signal)
    expect(await read(admin, 'itself')).toMatchObject({
      goal: { evacuate: true, total: 4 },
      requestedBy: null,
      requestedById: null,
      takesBack: { loss: false },
    })
    expect(JSON.stringify(await read(admin, 'itself'))).not.toContain('secret')
    expect(await read(ana, 'claimed')).toMatchObject({ requestedById: ana.userId, takesBack: { loss: true } })
    expect((await read(ana, 'failed')).takesBack).toBeNull()
  })

  it('has words for every kind that can be cancelled', () => {
    expect(Object.keys(takesBackWords).toSorted()).toEqual([...Object.keys(takeBacks), moveKind, bulkKind].toSorted())
  })
})
