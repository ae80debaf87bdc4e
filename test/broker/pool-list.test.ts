import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolGet, poolList } from '../../broker/pools.ts'
import { nameCursor } from '../../lib/cursors.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
beforeAll(async () => {
  site = await startSite({ sim: [{}] })
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('shows a person the pools they may use, page by page, whatever else there is', async () => {
  const person = await site.person('pia')
  const { broker } = site
  const member = await broker.db
    .insertInto('group_account')
    .values({ id: crypto.randomUUID(), name: 'class-7' })
    .returning('id')
    .executeTakeFirstOrThrow()
  await broker.db.insertInto('group_member').values({ group_id: member.id, user_id: person.userId }).execute()
  const rights = {
    'a-everyone': { everyone: true },
    'b-nobody': {},
    'c-going': { everyone: true },
    'd-group': { groupIds: [member.id] },
    'e-own': { userIds: [person.userId] },
  }
  for (const [name, right] of Object.entries(rights)) {
    const { id } = await poolCreate(broker, admin, { name, kind: 'floating', templateId, warm: 0, maxSize: 2 })
    await entitlementSet(broker, admin, id, right)
  }
  const undone = new Error('undone')
  const seen: string[] = []
  // The transaction keeps the pool from being removed indeed.
  await broker.db
    .transaction()
    .execute(async tx => {
      await tx.updateTable('pool').set({ wished_present: false }).where('name', '=', 'c-going').execute()
      const within = { ...broker, db: tx as unknown as typeof broker.db }
      let cursor: string | undefined
      do {
        const page = await poolList(within, person, { limit: 1, cursor })
        seen.push(...page.items.map(({ name }) => name))
        cursor = page.nextCursor ?? undefined
      } while (cursor)
      throw undone
    })
    .catch(error => {
      if (error !== undone) throw error
    })
  expect(seen).toEqual(['a-everyone', 'd-group', 'demo', 'e-own'])
  const all = (await poolList(broker, admin, { limit: 100 })).items
  const claim = (name: string) => all.find(pool => pool.name === name)?.actions.find(action => action.name === 'claim')
  expect(claim('b-nobody')).toMatchObject({ allowed: false, reason: 'you are not entitled to it' })
  expect(claim('a-everyone')).toMatchObject({ allowed: true })
  const hidden = all.find(({ name }) => name === 'b-nobody')?.id ?? ''
  await expect(poolGet(broker, person, hidden)).rejects.toMatchObject({ code: 'not_found' })
})

it('finds pools by a part of their name, page by page, and takes signs of patterns for themselves', async () => {
  const { broker } = site
  for (const name of ['exam-room-1', 'exam-room-2', 'reexam'])
    await poolCreate(broker, admin, { name, kind: 'floating', templateId, warm: 0, maxSize: 2 })
  const found = async (search: string, cursor?: string) => {
    const page = await poolList(broker, admin, { limit: 2, search, cursor })
    return { names: page.items.map(({ name }) => name), next: page.nextCursor }
  }
  const first = await found('EXAM')
  expect(first).toEqual({ names: ['exam-room-1', 'exam-room-2'], next: nameCursor('exam-room-2') })
  expect(await found('EXAM', first.next ?? '')).toEqual({ names: ['reexam'], next: null })
  expect((await found('-room-2')).names).toEqual(['exam-room-2'])
  for (const sign of ['%', '_', '\\', 'exam_room']) expect((await found(sign)).names).toEqual([])
  // What a person may not use is not found either.
  const person = await site.person('pim')
  expect((await poolList(broker, person, { limit: 9, search: 'exam' })).items).toEqual([])
})
