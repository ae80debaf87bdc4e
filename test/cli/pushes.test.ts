/** Pools brought to another version by the command line: as the API promises its answers. */
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { timeOf } from '../../cli/pushes.ts'
import { type Asked, fakeServer, person } from './server.ts'

const pool = { id: '01900000-0000-7000-8000-000000000013', name: 'demo' }
const push = {
  id: '01900000-0000-7000-8000-000000000021',
  version: 3,
  fromVersion: 2,
  at: '2026-01-01T18:00:00.000Z',
  startedAt: null,
  state: 'scheduled',
  text: 'waits: version 3 is being made: 40 %',
  notes: '',
  requestedBy: 'root',
  counts: { done: 2, total: 5, inUse: 3 },
  actions: [
    { name: 'cancel', allowed: true },
    { name: 'rollback', allowed: true },
  ],
}
const task = (state: string) => ({
  id: '01900000-0000-7000-8000-000000000015',
  kind: 'pool.push',
  state,
  progress: 100,
  steps: [],
  error: null,
  estimateMs: null,
  subject: { type: 'pool', ...pool },
})
const plan = {
  version: 3,
  fromVersion: 2,
  follows: true,
  checks: [
    { name: 'sealed', ok: true, text: 'version 3 is sealed' },
    { name: 'images', ok: false, text: 'its image is first made on 1 host of 2' },
  ],
  remadeAtOnce: 2,
  remadeWhenGivenBack: 0,
  givenBackByForce: 1,
  kept: 0,
  already: 0,
  people: [{ desktopId: pool.id, desktopName: 'demo-1', userName: 'ana', connected: true }],
  actions: [{ name: 'push', allowed: true }],
}

async function say(...words: string[]) {
  const sent: unknown[] = []
  const keep = ({ body }: Asked) => void sent.push(body === '' ? {} : JSON.parse(body))
  await using server = await fakeServer({
    'GET /api/v1/pools': () => ({ body: { items: [pool] } }),
    [`GET /api/v1/pools/${pool.id}/pushes`]: () => ({ body: { items: [push], nextCursor: null } }),
    [`POST /api/v1/pools/${pool.id}/pushes`]: asked => {
      keep(asked)
      const { dryRun, at } = JSON.parse(asked.body)
      return dryRun ? { body: plan } : { status: 202, body: { push, task: task(at ? 'queued' : 'succeeded') } }
    },
    [`POST /api/v1/pushes/${push.id}/actions/cancel`]: () => ({ body: push }),
    [`POST /api/v1/pushes/${push.id}/actions/rollback`]: asked => {
      keep(asked)
      return { status: 202, body: { push: { ...push, version: 2 }, task: task('succeeded') } }
    },
  })
  const { around, out, err } = person(server.url)
  const code = await hdcs(words, around)
  return { code, out: out(), err: err(), sent }
}

describe('hdcs push', () => {
  it('asks for a version, a time and a notice, and waits for no night', async () => {
    const said = await say('push', 'demo', '3', '--at', '+2h', '--notice', '15')
    expect(said.sent).toEqual([
      { version: 3, at: '2026-01-01T14:00:00.000Z', force: { noticeMinutes: 15 }, dryRun: false },
    ])
    expect(said.out).toMatch(/demo goes to version 3 at 2026-01-01/)
    expect((await say('push', 'demo', '3')).out).toBe('demo is on version 3\n')
  })

  it('says before what would happen to whom', async () => {
    const { out } = await say('push', 'demo', '3', '--dry-run', '--notice', '0')
    expect(out).toMatch(/demo: 2 → 3/)
    expect(out).toMatch(/^! its image is first made on 1 host of 2$/m)
    expect(out).toMatch(/demo-1 {2}ana, connected/)
    expect(out).toMatch(/stays on the one that is pushed/)
  })

  it('shows how the last ones went, calls one off, and goes back', async () => {
    expect((await say('push', 'demo')).out).toMatch(/2 → 3 +scheduled .* 2\/5 +3 +root +waits: version 3/)
    expect((await say('push', 'demo', 'cancel')).out).toBe('demo: the push of version 3 is cancelled\n')
    expect((await say('push', 'demo', 'back')).out).toBe('demo is back on version 2\n')
  })

  it('says what it takes when it is given something else', async () => {
    expect(await say('push', 'demo', 'newest')).toMatchObject({ code: 2, err: expect.stringMatching(/Which version/) })
    expect(await say('push', 'demo', '3', '--at', 'noon')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--at takes/),
    })
  })
})

describe('a time', () => {
  const now = new Date(2026, 0, 1, 12, 0)
  it.each([
    ['18:00', new Date(2026, 0, 1, 18, 0)],
    ['8:30', new Date(2026, 0, 2, 8, 30)],
    ['+90m', new Date(2026, 0, 1, 13, 30)],
    ['+1d', new Date(2026, 0, 2, 12, 0)],
    ['2026-12-24 18:00', new Date(2026, 11, 24, 18, 0)],
    ['2026-12-24T18:00:00Z', new Date('2026-12-24T18:00:00Z')],
  ])('%s is read as of where one sits', (text, at) => {
    expect(timeOf(text, now)).toEqual(at)
  })
})
