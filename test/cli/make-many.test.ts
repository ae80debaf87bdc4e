/** One desktop each for many people by the command line: as the API promises its answers. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { testFolder } from '../support/folder.ts'
import { fakeServer, person } from './server.ts'

const pool = { id: '01900000-0000-7000-8000-000000000013', name: 'office' }
const users = ['ana', 'ben', 'cem'].map((name, n) => ({ id: `01900000-0000-7000-8000-00000000000${n}`, name }))
const task = {
  id: '01900000-0000-7000-8000-000000000015',
  kind: 'desktop.many',
  state: 'succeeded',
  progress: 100,
  steps: [],
  error: null,
  estimateMs: null,
  subject: { type: 'desktops', id: '01900000-0000-7000-8000-000000000015', name: 'office: 2 desktops' },
}

/** Whoever is called cem is refused. */
async function say(...words: string[]) {
  const sent: { userIds: string[]; dryRun: boolean }[] = []
  await using server = await fakeServer({
    'GET /api/v1/pools': () => ({ body: { items: [pool] } }),
    'GET /api/v1/users': ({ query }) => ({
      body: { items: users.filter(({ name }) => [name, null].includes(query.get('name'))) },
    }),
    [`POST /api/v1/pools/${pool.id}/actions/makeDesktops`]: ({ body }) => {
      const ask = JSON.parse(body)
      sent.push(ask)
      const results = ask.userIds.map((userId: string, n: number) =>
        userId === users[2]?.id
          ? { userId, userName: 'cem', desktop: null, error: { code: 'invalid', text: 'entitle them first' } }
          : { userId, userName: null, desktop: { id: null, name: `office-${n}`, hostName: 'h1' }, error: null },
      )
      return ask.dryRun ? { body: { results } } : { status: 202, body: { task, results } }
    },
  })
  const { around, out, err } = person(server.url)
  const code = await hdcs(words, around)
  return { code, out: out(), err: err(), sent }
}

describe('hdcs make for many', () => {
  it('makes one for each who is named, and shows whose is which', async () => {
    const said = await say('make', 'office', '--for', 'ana', '--for', 'ben', '--for', 'ana', '--vcpus', '2')
    expect(said.sent).toEqual([{ userIds: [users[0]?.id, users[1]?.id], hardware: { vcpus: 2 }, dryRun: false }])
    expect(said.out).toMatch(/^ana +office-0 +h1 +made\nben +office-1 +h1 +made$/m)
    expect(said.code).toBe(0)
  })

  it('takes them of a file, and tries it first', async () => {
    const folder = testFolder()
    const file = join(folder, 'class.txt')
    writeFileSync(file, '# class 7b\nana\r\n\n  ben # the tall one\n')
    const said = await say('make', 'office', '--people', file, '--dry-run')
    expect(said.sent).toMatchObject([{ userIds: [users[0]?.id, users[1]?.id], dryRun: true }])
    expect(said.out).toMatch(/ana +office-0 +h1 +would be made/)
    writeFileSync(file, '# nobody\n')
    expect((await say('make', 'office', '--people', file)).code).toBe(2)
    expect((await say('make', 'office', '--people', join(folder, 'none'))).err).toContain('cannot be read')
  })

  it('says who is refused and why, and fails for it', async () => {
    const said = await say('make', 'office', '--for', 'ana', '--for', 'cem')
    expect(said.out).toMatch(/ana +office-0 +h1 +made\ncem +— +— +entitle them first/)
    expect(said).toMatchObject({ code: 6, err: expect.stringContaining(`hdcs task ${task.id}`) })
    const tried = await say('--json', 'make', 'office', '--for', 'ana', '--for', 'cem', '--dry-run')
    expect(JSON.parse(tried.out).results).toHaveLength(2)
    expect(tried).toMatchObject({ code: 6, err: expect.stringContaining('nothing is made yet') })
  })

  it('makes none where a name is nobody’s, or one name is for all', async () => {
    const said = await say('make', 'office', '--for', 'ana', '--for', 'anna', '--for', 'bän')
    expect(said).toMatchObject({ code: 5, sent: [], err: expect.stringContaining('Nobody is called anna, bän') })
    expect(await say('make', 'office', '--for', 'ana', '--for', 'ben', '--name', 'x')).toMatchObject({
      code: 2,
      sent: [],
    })
  })
})
