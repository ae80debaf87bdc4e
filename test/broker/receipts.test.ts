import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolGet, poolList } from '../../broker/pools.ts'
import { addPerson, startSite, type TestSite } from '../support/site.ts'

const people = 10
let site: TestSite
let admin: Principal
let poolId: string

beforeAll(async () => {
  site = await startSite({ sim: [{ cpus: 64 }, { cpus: 64 }] })
  admin = await site.person('root', ['userAdministrator', 'infrastructureAdministrator', 'person'])
  const demo = (await poolList(site.broker, admin, { limit: 1 })).items[0]
  await site.until(
    'the template is sealed',
    async () => (await poolGet(site.broker, admin, demo?.id ?? '')).currentVersion === 1,
  )
  const wish = { kind: 'floating' as const, templateId: demo?.templateId ?? '', warm: 0, maxSize: people }
  poolId = (await poolCreate(site.broker, admin, { name: 'asked', ...wish })).id
  await entitlementSet(site.broker, admin, poolId, { everyone: true })
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

/** Receipts of a kind, each with when its desktop became what it waited for. */
const ended = (kind: string, became: string) =>
  site.broker.db
    .selectFrom('task')
    .innerJoin('transition', 'transition.desktop_id', 'task.subject_id')
    .select(['task.subject_id', 'task.state', 'task.finished_at', 'transition.at'])
    .where('task.kind', '=', kind)
    .where('transition.became', '=', became)
    .where('task.finished_at', 'is not', null)
    .execute()

describe('the receipt', () => {
  const owners = new Map<string, Principal>()

  it('of a desktop that is made for its person ends in the moment it becomes ready', async () => {
    const names = Array.from({ length: people }, (_, n) => `asker-${n}`)
    await Promise.all(
      names.map(async name => {
        const person = await addPerson(site.broker.db, name, ['person'])
        const { task, desktop } = await desktopClaimFor(site.broker, person, poolId)
        expect(task).toMatchObject({ state: 'running', subject: { id: desktop.id, name: desktop.name } })
        expect(desktop).toMatchObject({ userId: person.userId, userName: name, phase: 'making' })
        owners.set(desktop.id, person)
      }),
    )
    const rows = await site.until('all receipts ended', async () => {
      const found = await ended('desktop.claim', 'ready')
      return found.length === people && found
    })
    for (const row of rows) expect(row).toMatchObject({ state: 'succeeded', finished_at: row.at })
  })

  it('of an action ends in the moment its desktop has become what was asked for', async () => {
    const [[id, person]] = [...owners] as [[string, Principal]]
    await desktopAct(site.broker, person, id, 'suspend')
    const rows = await site.until('its receipt ended', async () => {
      const found = await ended('desktop.suspend', 'paused')
      return found.length > 0 && found
    })
    expect(rows).toMatchObject([{ subject_id: id, state: 'succeeded', finished_at: rows[0]?.at }])
  })

  it('of a reboot ends although its host is removed before it answers', async () => {
    const { db } = site.broker
    const [, [id, person]] = [...owners] as [unknown, [string, Principal]]
    for (const index of site.hosts.keys()) await site.agentStop(index)
    const { task } = await desktopAct(site.broker, person, id, 'reboot')
    // With the row of its host.
    await db.deleteFrom('operation').where('task_id', '=', task.id).execute()
    const ended = await site.until('its receipt ended', async () => {
      const row = await db.selectFrom('task').selectAll().where('id', '=', task.id).executeTakeFirstOrThrow()
      return row.finished_at !== null && row
    })
    expect(ended).toMatchObject({ state: 'failed', error: { code: 'not_found' } })
  })

  it('of what is overtaken by another wish ends with words, also while its host says nothing', async () => {
    const [, [id, person]] = [...owners] as [unknown, [string, Principal]]
    const { task } = await desktopAct(site.broker, person, id, 'suspend')
    await desktopAct(site.broker, person, id, 'shutdown')
    const ended = await site.until('its receipt ended', async () => {
      const { db } = site.broker
      const row = await db.selectFrom('task').selectAll().where('id', '=', task.id).executeTakeFirstOrThrow()
      return row.finished_at !== null && row
    })
    const text = 'It was asked for something else meanwhile: it shall stand still now.'
    expect(ended).toMatchObject({ state: 'failed', error: { code: 'cancelled', text } })
  })
})
