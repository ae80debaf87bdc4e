/** Tasks by the command line: as the API promises its answers. */
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { fakeServer, person } from './server.ts'

const task = {
  id: '01900000-0000-7000-8000-0000000000aa',
  kind: 'desktop.clone',
  state: 'running',
  progress: 40,
  steps: [{ name: 'disk', state: 'current' }],
  error: null,
  estimateMs: null,
  subject: { type: 'desktop', id: '01900000-0000-7000-8000-000000000001', name: 'demo-1' },
  createdAt: '2026-01-01T11:58:00Z',
  finishedAt: null,
  requestedBy: 'ana',
  takesBack: { text: 'The copy is removed.', loss: true },
}
const failed = {
  ...task,
  id: '01900000-0000-7000-8000-0000000000bb',
  kind: 'pool.push',
  state: 'failed',
  steps: [],
  requestedBy: null,
  finishedAt: '2026-01-01T11:58:30Z',
  error: { code: 'conflict', text: 'no host' },
  takesBack: null,
}

const many = {
  ...failed,
  id: '01900000-0000-7000-8000-0000000000cc',
  kind: 'desktop.many',
  subject: { type: 'desktops', id: '01900000-0000-7000-8000-0000000000cc', name: 'reboot: 2 desktops' },
}
const parts = [
  {
    subject: { type: 'desktop', id: task.id, name: 'demo-2' },
    state: 'refused',
    progress: 0,
    taskId: null,
    error: { code: 'conflict', text: 'it is not ready' },
  },
  {
    subject: { type: 'desktop', id: task.id, name: 'demo-1' },
    state: 'succeeded',
    progress: 100,
    taskId: task.id,
    error: null,
  },
]

async function say(...words: string[]) {
  await using server = await fakeServer({
    'GET /api/v1/tasks': ({ query }) => ({
      body: { items: query.get('state') === 'ended' ? [] : [task, failed], nextCursor: 'more' },
    }),
    [`GET /api/v1/tasks/${task.id}`]: () => ({ body: task }),
    [`GET /api/v1/tasks/${failed.id}`]: () => ({ body: failed }),
    [`GET /api/v1/tasks/${many.id}`]: () => ({ body: many }),
    [`GET /api/v1/tasks/${many.id}/parts`]: () => ({ body: { items: parts, nextCursor: null } }),
    [`GET /api/v1/tasks/${failed.id}/log`]: () => ({
      body: { summary: { state: 'failed', ms: 30_000, steps: [] }, items: [{ at: task.createdAt, text: 'begun' }] },
    }),
    [`POST /api/v1/tasks/${task.id}/cancel`]: () => ({ body: { ...task, state: 'cancelled' } }),
    [`POST /api/v1/tasks/${failed.id}/cancel`]: () => ({
      status: 409,
      body: { code: 'conflict', detail: 'The task has already ended.' },
    }),
  })
  const { around, out, err } = person(server.url)
  const code = await hdcs(words, around)
  return { code, out: out(), err: err(), asked: server.asked }
}

describe('hdcs tasks', () => {
  it('shows what is under way and what is over: how far, by whom, how long, what went wrong', async () => {
    const { out, asked } = await say('tasks')
    expect(asked).toEqual(['GET /api/v1/tasks?limit=30'])
    expect(out).toMatch(/TASK +KIND +OF +STATE +BY +ASKED +TOOK +NOTE/)
    expect(out).toMatch(/0000000000aa +desktop.clone +demo-1 +running 40 %, disk +ana +2 min ago +2 min/)
    expect(out).toMatch(/0000000000bb +pool.push +demo-1 +failed +— +2 min ago +30 s +no host/)
    expect(out).toContain('There are more')
  })

  it('shows what came of each of many, also where some were refused', async () => {
    const said = await say('task', many.id)
    expect(said.out).toMatch(/^desktop.many reboot: 2 desktops: failed$/m)
    expect(said.out).toMatch(/^demo-2 +refused +— +it is not ready\ndemo-1 +succeeded +0000000000aa/m)
    expect(said).toMatchObject({ code: 8, err: expect.stringContaining('no host') })
    expect(JSON.parse((await say('--json', 'task', many.id)).out)).toMatchObject({ id: many.id, parts })
  })

  it('asks for a state, a kind, one’s own and so many', async () => {
    const words = ['--state', 'open', '--kind', 'pool.push', '--mine', '--limit', '5', '--search', 'lab']
    const { asked } = await say('tasks', ...words)
    const [path, query] = (asked[0] ?? '').split('?')
    expect(path).toBe('GET /api/v1/tasks')
    expect(Object.fromEntries(new URLSearchParams(query))).toEqual({
      state: 'open',
      kind: 'pool.push',
      mine: 'true',
      limit: '5',
      search: 'lab',
    })
    expect((await say('tasks', '--state', 'ended')).out).toBe('There is no such task.\n')
    expect(JSON.parse((await say('--json', 'tasks')).out).items).toHaveLength(2)
  })

  it('refuses a state and a number that there are not', async () => {
    expect(await say('tasks', '--state', 'odd')).toMatchObject({
      code: 2,
      err: expect.stringContaining('open, failed'),
    })
    for (const limit of ['0', '501', '-1', 'many']) expect((await say('tasks', '--limit', limit)).code).toBe(2)
  })

  it('takes the end of an id for the whole', async () => {
    expect((await say('task', '00BB')).err).toContain('no host')
    expect((await say('log', '0000000000bb')).out).toContain('begun')
    expect(await say('task', '0cc0')).toMatchObject({ code: 5, err: expect.stringContaining('hdcs tasks') })
    expect((await say('task', 'demo')).code).toBe(5)
  })

  it('cancels none without a word where something is lost, and says what was taken back', async () => {
    const asked = await say('cancel', task.id)
    expect(asked).toMatchObject({ code: 2, err: expect.stringMatching(/The copy is removed. Say so with --yes/) })
    expect(asked.asked).not.toContain(`POST /api/v1/tasks/${task.id}/cancel`)
    expect((await say('cancel', '0000000000aa', '--yes')).out).toBe(
      'desktop.clone demo-1: cancelled. The copy is removed.\n',
    )
    expect(await say('cancel', failed.id)).toMatchObject({ code: 6, err: expect.stringContaining('already ended') })
  })
})
