import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { newId } from '../../lib/ids.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'

let api: TestApi
let root: Client
let rootId: string
beforeAll(async () => {
  api = await startApi()
  const person = await api.person('root', ['userAdministrator'])
  root = person.client
  rootId = person.id
})
afterAll(() => api[Symbol.asyncDispose]())

describe('people', () => {
  it('come with a generated password that is shown once and works', async () => {
    const made = await root.userCreate({ body: { name: 'Grace.Hopper@navy.test', displayName: 'Grace' } })
    expect(made).toMatchObject({ name: 'grace.hopper@navy.test', roles: ['person'], passwordTemporary: true })
    expect(made.password).toMatch(/^[a-z2-9]{4}(-[a-z2-9]{4}){4}$/)
    expect(await root.userGet({ params: { id: made.id } })).not.toHaveProperty('password')
    const { user } = await api.client().login({ body: { name: made.name, password: made.password ?? '' } })
    expect(user.displayName).toBe('Grace')
  })

  it('come with the password one gives them', async () => {
    const made = await root.userCreate({ body: { name: 'given', password: 'given by the teacher' } })
    expect(made.password).toBeNull()
    await api.client().login({ body: { name: 'given', password: 'given by the teacher' } })
  })

  it('cannot have a name twice, nor a password that is too easy', async () => {
    expect(await refusal(root.userCreate({ body: { name: 'root' } }))).toMatchObject({ status: 409, code: 'conflict' })
    expect(await refusal(root.userCreate({ body: { name: 'shorty', password: 'seven77' } }))).toMatchObject({
      code: 'invalid',
      errors: [{ field: 'body.password' }],
    })
    expect(await refusal(root.userCreate({ body: { name: 'samename', password: 'samename1' } }))).toMatchObject({
      code: 'invalid',
      errors: [{ field: 'body.password' }],
    })
  })

  it('are listed by name, page by page, and found by any part of it', async () => {
    for (const name of ['zoe-1', 'zoe-2', 'zoe-3']) await root.userCreate({ body: { name } })
    const first = await root.userList({ query: { search: 'zoe-', limit: 2 } })
    expect(first.items.map(user => user.name)).toEqual(['zoe-1', 'zoe-2'])
    const second = await root.userList({ query: { search: 'zoe-', limit: 2, cursor: first.nextCursor ?? '' } })
    expect(second).toMatchObject({ items: [{ name: 'zoe-3' }], nextCursor: null })
    expect((await root.userList({ query: { search: '%' } })).items).toEqual([])
    expect((await root.userList({ query: { name: 'root' } })).items).toMatchObject([{ id: rootId }])
  })

  it('lose their sessions and tokens with a reset password', async () => {
    const { id, client } = await api.person('forgetful')
    await client.meGet()
    const { password } = await root.userPasswordReset({ params: { id }, body: {} })
    expect(await refusal(client.meGet())).toMatchObject({ status: 401 })
    const { user } = await api.client().login({ body: { name: 'forgetful', password: password ?? '' } })
    expect(user.passwordTemporary).toBe(true)
  })

  it('keep their new rights from the next request on', async () => {
    const { id, client } = await api.person('promoted')
    expect(await refusal(client.userList())).toMatchObject({ status: 403 })
    await root.userUpdate({ params: { id }, body: { roles: ['person', 'auditor'] } })
    expect((await client.userList()).items.length).toBeGreaterThan(0)
  })

  it('are heard of when they change, but not each time they are seen', async () => {
    const { id, client } = await api.person('heard')
    const events = () =>
      api.broker.db.selectFrom('event').select(['noun', 'what', 'user_id']).where('subject_id', '=', id).execute()
    await client.meGet()
    expect(await events()).toEqual([{ noun: 'user', what: 'made', user_id: id }])
    await root.userUpdate({ params: { id }, body: { displayName: 'Heard of' } })
    await root.userUpdate({ params: { id }, body: { displayName: 'Heard of' } })
    expect(await events()).toHaveLength(2)
  })

  it('are told what may be done with them, each refusal with its reason', async () => {
    const { client } = await api.person('looker', ['auditor'])
    const seen = await client.userGet({ params: { id: rootId } })
    expect(seen.actions).toContainEqual({
      name: 'delete',
      allowed: false,
      reason: 'Only user administrators manage people.',
    })
    const self = await root.userGet({ params: { id: rootId } })
    expect(self.actions).toContainEqual({ name: 'delete', allowed: false, reason: 'Nobody does this to themselves.' })
  })
})

describe('the last user administrator', () => {
  it('is neither removed, nor closed out, nor robbed of the role', async () => {
    const other = await api.person('second', ['userAdministrator'])
    await other.client.userUpdate({ params: { id: rootId }, body: { roles: ['userAdministrator', 'person'] } })
    await root.userUpdate({ params: { id: other.id }, body: { roles: ['person'] } })
    expect(await refusal(root.userUpdate({ params: { id: rootId }, body: { roles: ['person'] } }))).toMatchObject({
      code: 'conflict',
      detail: 'This is the last user administrator: make another one first.',
    })
    expect(await refusal(root.userUpdate({ params: { id: rootId }, body: { disabled: true } }))).toMatchObject({
      code: 'conflict',
    })
    expect(await refusal(root.userDelete({ params: { id: rootId } }))).toMatchObject({ code: 'conflict' })
  })

  it('remains when two administrators remove each other at the same moment', async () => {
    const one = await api.person('duel-one', ['userAdministrator'])
    const two = await api.person('duel-two', ['userAdministrator'])
    await api.broker.db.updateTable('user_account').set({ disabled: true }).where('id', '=', rootId).execute()
    const results = await Promise.allSettled([
      one.client.userDelete({ params: { id: two.id } }),
      two.client.userDelete({ params: { id: one.id } }),
    ])
    expect(results.map(result => result.status).sort()).toEqual(['fulfilled', 'rejected'])
    await api.broker.db.updateTable('user_account').set({ disabled: false }).where('id', '=', rootId).execute()
    api.clock.forward(2_001)
  })

  it('cannot give itself a role it has not', async () => {
    const error = await refusal(
      root.userUpdate({
        params: { id: rootId },
        body: { roles: ['userAdministrator', 'infrastructureAdministrator'] },
      }),
    )
    expect(error).toMatchObject({
      code: 'conflict',
      detail: 'Nobody gives themselves a role: ask another administrator.',
    })
  })
})

describe('who manages people alone', () => {
  it('does not come to manage machines under another’s name', async () => {
    const { client: clerk } = await api.person('clerk', ['userAdministrator'])
    const operator = { name: 'operator', roles: ['infrastructureAdministrator' as const] }
    // Somebody must be able to begin.
    const user = await clerk.userCreate({ body: operator })
    const refused = { code: 'forbidden', detail: expect.stringContaining('Only an infrastructure administrator') }
    expect(await refusal(clerk.userCreate({ body: { ...operator, name: 'puppet' } }))).toMatchObject(refused)
    expect(await refusal(clerk.userPasswordReset({ params: { id: user.id }, body: {} }))).toMatchObject(refused)
    const plain = await clerk.userCreate({ body: { name: 'plain', roles: ['instructor'] } })
    const raised = { params: { id: plain.id }, body: { roles: operator.roles } }
    expect(await refusal(clerk.userUpdate(raised))).toMatchObject(refused)
    const { client: both } = await api.person('both', ['userAdministrator', 'infrastructureAdministrator'])
    expect(await both.userUpdate(raised)).toMatchObject({ roles: operator.roles })
    await both.userPasswordReset({ params: { id: user.id }, body: {} })
    // What they are may be taken from them by whoever manages people.
    await clerk.userUpdate({ params: { id: plain.id }, body: { roles: ['person'] } })
  })
})

describe('groups', () => {
  it('have members, who lose nothing but the group when it is removed', async () => {
    const { id: userId } = await api.person('member')
    const group = await root.groupCreate({ body: { name: 'class-3b', userIds: [userId, userId] } })
    expect(group.members).toEqual([{ id: userId, name: 'member', displayName: 'member' }])
    expect((await root.userGet({ params: { id: userId } })).groups).toEqual([{ id: group.id, name: 'class-3b' }])
    expect((await root.userList({ query: { groupId: group.id } })).items).toMatchObject([{ name: 'member' }])
    const emptied = await root.groupUpdate({ params: { id: group.id }, body: { userIds: [], name: 'class-4b' } })
    expect(emptied).toMatchObject({ name: 'class-4b', members: [] })
    await root.groupUpdate({ params: { id: group.id }, body: { userIds: [userId] } })
    await root.groupDelete({ params: { id: group.id } })
    expect((await root.userGet({ params: { id: userId } })).groups).toEqual([])
    expect(await refusal(root.groupGet({ params: { id: group.id } }))).toMatchObject({ status: 404 })
  })

  it('take nobody who does not exist, and no name twice', async () => {
    await root.groupCreate({ body: { name: 'one' } })
    await root.groupCreate({ body: { name: 'two' } })
    expect(await refusal(root.groupCreate({ body: { name: 'one' } }))).toMatchObject({ code: 'conflict' })
    const { items } = await root.groupList({ query: { name: 'two' } })
    const params = { id: items[0]?.id ?? '' }
    expect(await refusal(root.groupUpdate({ params, body: { name: 'one' } }))).toMatchObject({ code: 'conflict' })
    expect(await refusal(root.groupUpdate({ params, body: { userIds: [newId()] } }))).toMatchObject({
      code: 'invalid',
      errors: [{ field: 'body.userIds.0' }],
    })
  })
})

describe('API tokens', () => {
  it('speak for their owner until their day, and are shown once', async () => {
    const { client } = await api.person('programmer')
    const made = await client.tokenCreate({ body: { name: 'backup script', days: 2 } })
    const program = api.client(made.token)
    expect((await program.meGet()).name).toBe('programmer')
    expect((await client.tokenList()).items).toMatchObject([{ id: made.id, name: 'backup script' }])
    expect(JSON.stringify(await client.tokenList())).not.toContain(made.token)
    api.clock.forward(2 * 86_400_000 + 1)
    expect(await refusal(program.meGet())).toMatchObject({ status: 401 })
    const rootAgain = await api.person('root-again', ['userAdministrator'])
    root = rootAgain.client
  })

  it('end when their owner says so, and only then', async () => {
    const owner = await api.person('owner')
    const stranger = await api.person('stranger')
    const made = await owner.client.tokenCreate({ body: { name: 'x' } })
    const program = api.client(made.token)
    await program.meGet()
    expect(await refusal(stranger.client.tokenDelete({ params: { id: made.id } }))).toMatchObject({ status: 404 })
    await owner.client.tokenDelete({ params: { id: made.id } })
    expect(await refusal(program.meGet())).toMatchObject({ status: 401 })
  })
})

describe('roles', () => {
  it('say what each may do, and keep people and machines apart', async () => {
    const { items } = await root.roleList()
    const may = (name: string) => items.find(role => role.name === name)?.permissions ?? []
    expect(may('userAdministrator')).not.toContain('desktop.write')
    expect(may('infrastructureAdministrator')).not.toContain('user.write')
  })
})
