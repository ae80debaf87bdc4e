/** What administrators do to hosts, and ask about places, by the command line: as the API promises its answers. */
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { exitCodes } from '../../cli/exit.ts'
import { type Asked, fakeServer, person } from './server.ts'

const host = { id: '01900000-0000-7000-8000-000000000011', name: 'h1' }
const cluster = { id: '01900000-0000-7000-8000-000000000012', name: 'main' }
const pool = { id: '01900000-0000-7000-8000-000000000013', name: 'demo' }
const desktop = { id: '01900000-0000-7000-8000-000000000014', name: 'demo-1', hostName: 'h2' }
const taskId = '01900000-0000-7000-8000-000000000015'
const task = (state: string) => ({
  id: taskId,
  kind: 'host.evacuate',
  state,
  progress: state === 'running' ? 50 : 100,
  steps: state === 'running' ? [{ name: 'leaving', state: 'current', text: '1 desktop is left' }] : [],
  error: null,
  estimateMs: null,
  subject: { type: 'host', ...host },
})
const plan = {
  hostId: host.id,
  hostName: 'h1',
  desktops: [
    {
      desktopId: desktop.id,
      desktopName: 'demo-1',
      userName: 'ana',
      do: 'migrate',
      kind: 'live',
      hostId: null,
      hostName: 'h2',
      because: 'it has most room',
    },
    {
      desktopId: pool.id,
      desktopName: 'demo-2',
      userName: null,
      do: 'wait',
      kind: null,
      hostId: null,
      hostName: null,
      because: 'nobody has room',
    },
  ],
  counts: { migrate: 1, restart: 0, remake: 0, remove: 0, wait: 1 },
}
const judged = (hostName: string, fits: boolean, reason: string) => ({
  hostId: host.id,
  hostName,
  clusterName: 'main',
  fits,
  score: fits ? 81.6 : null,
  reason,
})

/** What was sent, by the last word of the path. */
function world() {
  const sent: Record<string, unknown> = {}
  const keep = (name: string, answer: (body: { dryRun?: boolean }) => { status?: number; body: unknown }) =>
    function answered({ body }: Asked) {
      const said = body === '' ? {} : JSON.parse(body)
      sent[name] = said
      return answer(said)
    }
  const listed = (item: { name: string }) => () => ({ body: { items: [item], nextCursor: null } })
  const planned = ({ dryRun }: { dryRun?: boolean }) =>
    dryRun ? { body: { plan, host } } : { status: 202, body: { plan, host, task: task('running') } }
  const steps = [
    {
      do: 'move',
      cause: 'balance',
      desktopName: 'demo-1',
      fromHostName: 'h1',
      toHostName: 'h2',
      because: 'h1 is at 92 %',
    },
    { do: 'off', hostName: 'h3', because: 'it is nearly idle' },
  ]
  const answers = {
    'GET /api/v1/hosts': listed(host),
    'GET /api/v1/clusters': listed(cluster),
    'GET /api/v1/pools': listed(pool),
    'GET /api/v1/desktops': listed(desktop),
    [`GET /api/v1/tasks/${taskId}`]: () => ({ body: task('succeeded') }),
    [`POST /api/v1/hosts/${host.id}/actions/enterMaintenance`]: keep('enter', planned),
    [`POST /api/v1/hosts/${host.id}/actions/leaveMaintenance`]: keep('leave', planned),
    [`POST /api/v1/hosts/${host.id}/actions/fence`]: keep('fence', () => ({
      status: 202,
      body: { task: task('succeeded'), host },
    })),
    [`PATCH /api/v1/clusters/${cluster.id}`]: keep('update', () => ({ body: cluster })),
    [`POST /api/v1/clusters/${cluster.id}/actions/balance`]: keep('balance', () => ({
      body: { steps, notes: ['demo-3 rests for 15 minutes'], enabled: { rebalance: true, consolidate: false } },
    })),
    [`POST /api/v1/pools/${pool.id}/actions/place`]: keep('place', () => ({
      body: {
        desktops: ['h2', 'h3', 'h2'].map(hostName => ({
          hostId: host.id,
          hostName,
          why: `${hostName} has most room`,
          hosts: [judged('h2', true, 'most room'), judged('h1', false, 'it is in maintenance')],
        })),
        short: 1,
        shortReason: 'h2 and h3 are full',
      },
    })),
    [`POST /api/v1/desktops/${desktop.id}/actions/migrate`]: keep('move', ({ dryRun }) => {
      const hosts = [judged('h1', true, 'most room'), judged('h3', false, 'it is full')]
      const choice = { hostId: host.id, hostName: 'h1', kind: 'live', why: 'h1 has most room', hosts }
      return dryRun ? { body: { choice, desktop } } : { status: 202, body: { choice, desktop, task: task('running') } }
    }),
    [`GET /api/v1/hosts/${host.id}/history`]: () => ({
      body: {
        items: [
          { id: '2', at: '2026-01-01T11:58:00Z', what: 'fenced', amount: null, reason: '', userName: 'root' },
          {
            id: '1',
            at: '2026-01-01T11:57:00Z',
            what: 'fenceFailed',
            amount: 3,
            reason: 'no such outlet',
            userName: null,
          },
          { id: '0', at: '2026-01-01T11:56:00Z', what: 'lost', amount: 15, reason: '', userName: null },
        ],
        nextCursor: null,
      },
    }),
    [`GET /api/v1/desktops/${desktop.id}/placement`]: () => ({
      body: {
        items: [
          {
            at: '2026-01-01T11:57:00Z',
            cause: 'move',
            hostId: host.id,
            hostName: 'h2',
            why: 'h1 was emptied',
            hosts: [judged('h2', true, 'most room'), judged('h1', false, 'it is in maintenance')],
          },
        ],
      },
    }),
  }
  return { sent, answers }
}

/** Runs one command line; @returns how it ended, what it said where, and what was sent. */
async function say(...words: string[]) {
  const { sent, answers } = world()
  await using server = await fakeServer(answers)
  const { around, out, err } = person(server.url)
  const code = await hdcs(words, around)
  return { code, out: out(), err: err(), sent }
}

describe('hosts by command line', () => {
  it('show what is in use of all, as the pages do', async () => {
    const amount = (used: number, total: number) => ({ used, total, reserved: total / 2, free: total / 2 - used })
    const resources = { desktops: amount(1, 8), vcpus: amount(2, 16), memoryBytes: amount(2 ** 30, 2 ** 34) }
    const state = { state: 'online', since: '2026-01-01T11:58:00Z', address: null }
    const place = { siteName: 'main', clusterName: 'main', subnet: '10.128.0.0/22', troubles: [], tags: [], resources }
    const items = [{ ...host, ...state, ...place }]
    await using server = await fakeServer({ 'GET /api/v1/hosts': () => ({ body: { items, nextCursor: null } }) })
    const { around, out } = person(server.url)
    await hdcs(['hosts'], around)
    expect(out()).toMatch(/ 1\/8 +2\/16 +1\.0 GiB\/16\.0 GiB /)
  })
})

describe('maintenance by command line', () => {
  it('shows its plan and changes nothing, with --dry-run', async () => {
    const { code, out, sent } = await say('hosts', 'maintenance', 'h1', 'on', '--dry-run')
    expect(code).toBe(exitCodes.done)
    expect(sent).toEqual({ enter: { evacuate: true, dryRun: true } })
    expect(out).toMatch(/^DESKTOP +USER +DO +TO +BECAUSE\n/)
    expect(out).toMatch(/demo-1 +ana +migrate \(live\) +h2 +it has most room/)
    expect(out).toMatch(/demo-2 +— +wait +— +nobody has room\nmigrate 1, wait 1\n$/)
  })

  it('shows its plan, then follows the host until it is empty', async () => {
    const { code, out, err, sent } = await say('hosts', 'maintenance', 'h1', 'on')
    expect(code).toBe(exitCodes.done)
    expect(sent).toEqual({ enter: { evacuate: true, dryRun: false } })
    expect(err.indexOf('demo-1')).toBeLessThan(err.indexOf('leaving: 1 desktop is left'))
    expect(out).toBe('h1: maintenance on done\n')
  })

  it('ends with the desktops fetched back, or left where they are', async () => {
    expect((await say('hosts', 'maintenance', 'h1', 'off')).sent).toEqual({ leave: { bringBack: true, dryRun: false } })
    const stay = await say('hosts', 'maintenance', 'h1', 'off', '--stay')
    expect(stay.sent).toEqual({ leave: { bringBack: false, dryRun: false } })
  })

  it('is on or off, and of a host that there is', async () => {
    expect(await say('hosts', 'maintenance', 'h1', 'maybe')).toMatchObject({ code: exitCodes.usage, sent: {} })
    const unknown = await say('hosts', 'maintenance', 'h9', 'on')
    expect(unknown).toMatchObject({ code: exitCodes.notFound, sent: {} })
    expect(unknown.err).toContain('known: h1')
  })
})

describe('the history of a host by command line', () => {
  it('says when, what, how many, by whom and why', async () => {
    const { code, out } = await say('hosts', 'history', 'h1')
    expect(code).toBe(exitCodes.done)
    expect(out).toMatch(/^AT +WHAT +AMOUNT +BY +WHY\n/)
    expect(out).toMatch(/11:58:00Z +fenced +root/)
    expect(out).toMatch(/11:57:00Z +fence failed +3 +itself +no such outlet\n/)
    expect(out).toMatch(/11:56:00Z +lost +15 s +itself *\n$/)
  })
})

describe('a move by command line', () => {
  it('goes to the host that is named, and is followed', async () => {
    expect(await say('move', 'demo-1', 'h1', '--restart')).toMatchObject({
      code: exitCodes.done,
      out: 'demo-1 moved to h1: h1 has most room\n',
      sent: { move: { hostId: host.id, dryRun: false, restart: true } },
    })
  })

  it('says where it would go and why not elsewhere, with --dry-run', async () => {
    const { out, sent } = await say('move', 'demo-1', '--dry-run')
    expect(sent).toEqual({ move: { dryRun: true, restart: false } })
    expect(out).toMatch(/^demo-1 would go to h1 \(live\): h1 has most room\nCLUSTER\/HOST +FITS +SCORE +WHY\n/)
    expect(out).toMatch(/main\/h3 +no +— +it is full\n$/)
  })
})

describe('fencing by command line', () => {
  it('runs the cluster’s command', async () => {
    expect(await say('hosts', 'fence', 'h1')).toMatchObject({
      code: 0,
      out: 'h1: fence done\n',
      sent: { fence: { confirmed: false } },
    })
  })

  it('takes a word that the host is off only from whoever says that they looked', async () => {
    const asked = await say('hosts', 'fence', 'h1', '--off')
    expect(asked).toMatchObject({ code: exitCodes.usage, sent: {} })
    expect(asked.err).toContain('can destroy the disks')
    expect((await say('hosts', 'fence', 'h1', '--off', '--yes')).sent).toEqual({ fence: { confirmed: true } })
  })
})

describe('places by command line', () => {
  it('are said of a desktop: why there, and why not elsewhere', async () => {
    const { code, out } = await say('why', 'demo-1')
    expect(code).toBe(exitCodes.done)
    expect(out).toMatch(/^demo-1 was moved to h2 3 min ago: h1 was emptied\n/)
    expect(out).toMatch(/main\/h2 +yes +82 +most room\nmain\/h1 +no +— +it is in maintenance\n$/)
  })

  it('are foreseen for the next desktops of a pool, and how many find none', async () => {
    const { code, out, sent } = await say('pools', 'place', 'demo', '--count', '4', '--prewarm')
    expect(code).toBe(exitCodes.done)
    expect(sent).toEqual({ place: { count: 4, priority: 'prewarm' } })
    expect(out).toMatch(/^2 to h2: h2 has most room\n1 to h3: h3 has most room\n1 finds no host: h2 and h3 are full\n/)
    for (const count of ['x', '0', '201']) {
      const refused = await say('pools', 'place', 'demo', '--count', count)
      expect(refused).toMatchObject({ code: exitCodes.usage, sent: {} })
      expect(refused.err).toContain(`--count takes a number from 1 to 200, not ${count}.`)
    }
  })
})

describe('balancing by command line', () => {
  it('says what would be done, why, and what is on', async () => {
    const { code, out, sent } = await say('clusters', 'balance', 'main')
    expect(code).toBe(exitCodes.done)
    expect(sent).toEqual({ balance: { dryRun: true } })
    expect(out).toMatch(/^rebalance is on; consolidate is off \(hdcs clusters balance main --consolidate on\)\n/)
    expect(out).toMatch(/move +demo-1 +h1 +h2 +h1 is at 92 %\noff +h3 +— +— +it is nearly idle\ndemo-3 rests/)
  })

  it('is turned on and off', async () => {
    const { sent } = await say('clusters', 'balance', 'main', '--rebalance', 'on', '--consolidate', 'off')
    expect(sent.update).toEqual({ balance: { rebalance: { enabled: true }, consolidate: { enabled: false } } })
    const wrong = await say('clusters', 'balance', 'main', '--rebalance', 'perhaps')
    expect(wrong).toMatchObject({ code: exitCodes.usage, sent: {} })
  })
})
