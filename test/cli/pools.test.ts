/** Pools made, resized and removed by the command line: as the API promises its answers. */
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { type Asked, fakeServer, person } from './server.ts'

const hardware = {
  vcpus: 4,
  memoryBytes: 2 ** 31,
  diskBytes: null,
  video: 'virtio',
  sound: false,
  firmware: 'uefi',
  diskBus: 'scsi',
}
const id = '01900000-0000-7000-8000-000000000013'
const pool = { id, name: 'demo', maxSize: 5, warm: 2, warnings: [], hardware }
const template = { id: '01900000-0000-7000-8000-000000000014', name: 'tiny' }
const resize = {
  make: 2,
  start: 0,
  stop: 1,
  remake: 0,
  remove: ['demo-3'],
  over: 1,
  short: 1,
  shortReason: 'no memory',
}
const task = {
  id: '01900000-0000-7000-8000-000000000015',
  kind: 'pool.delete',
  state: 'succeeded',
  progress: 100,
  steps: [],
  error: null,
  estimateMs: null,
  subject: { type: 'pool', id: pool.id, name: 'demo' },
}

const counts = { ok: 3, failed: 1, skipped: 0, waiting: 0, looking: 0 }
const verification = { id: '01900000-0000-7000-8000-000000000031', counts }
const broken = { id: pool.id, name: 'demo-2', state: 'failed', text: 'its guest has no address' }

async function say(...words: string[]) {
  const sent: unknown[] = []
  const keep = ({ body }: Asked) => void sent.push(body === '' ? {} : JSON.parse(body))
  const path = `/api/v1/pools/${pool.id}`
  await using server = await fakeServer({
    'GET /api/v1/pools': () => ({ body: { items: [pool] } }),
    'GET /api/v1/templates': () => ({ body: { items: [template] } }),
    'POST /api/v1/pools': asked => {
      keep(asked)
      return { status: 201, body: pool }
    },
    [`PUT ${path}/entitlements`]: asked => {
      keep(asked)
      return { body: {} }
    },
    [`PATCH ${path}`]: asked => {
      keep(asked)
      return { body: { ...pool, changes: { fields: [], resize } } }
    },
    [`GET ${path}/removal`]: () => ({
      body: { text: 'demo is removed with 2 desktops.', loss: true, people: [{}], versions: [] },
    }),
    [`POST ${path}/actions/verify`]: asked => {
      keep(asked)
      return { status: 202, body: { task: { ...task, kind: 'pool.verify' }, verification } }
    },
    [`GET /api/v1/verifications/${verification.id}`]: () => ({ body: verification }),
    [`GET /api/v1/verifications/${verification.id}/desktops`]: ({ query }) => ({
      body: { items: query.get('state') === 'failed' ? [broken] : [], nextCursor: null },
    }),
    [`DELETE ${path}`]: () => ({ status: 202, body: { task } }),
  })
  const { around, out, err } = person(server.url)
  const code = await hdcs(words, around)
  return { code, out: out(), err: err(), sent, asked: server.asked }
}

describe('hdcs pools', () => {
  it('makes one of a template, open to everyone if wished, and says what comes next', async () => {
    const said = await say('pools', 'make', 'demo', 'tiny', '--max', '5', '--warm', '2', '--everyone')
    expect(said.sent).toEqual([
      { name: 'demo', templateId: template.id, kind: 'floating', maxSize: 5, warm: 2 },
      { everyone: true },
    ])
    expect(said.out).toMatch(
      /demo is made: up to 5 desktops, 2 kept ready\n.*\n.*hdcs verify demo\nEveryone may use it./,
    )
  })

  it('makes one with hardware of its own, by the same options as a desktop; the rest is its template’s', async () => {
    const words = ['--vcpus', '4', '--memory', '2048', '--firmware', 'uefi', '--disk-bus', 'scsi', '--sound', 'off']
    const said = await say('pools', 'make', 'demo', 'tiny', ...words)
    const wished = { vcpus: 4, memoryBytes: 2 ** 31, firmware: 'uefi', diskBus: 'scsi', sound: false }
    expect(said.sent).toEqual([{ name: 'demo', templateId: template.id, kind: 'floating', hardware: wished }])
    expect(said.out).toContain('Each has 4 vCPU, 2.0 GiB, disk on scsi, virtio, sound off, uefi.')
    expect(await say('pools', 'make', 'demo', 'tiny', '--disk', 'huge')).toMatchObject({
      code: 2,
      sent: [],
      err: expect.stringContaining('--disk takes a number, not “huge”'),
    })
  })

  it('resizes one, and says what that makes and removes; only that, when asked so', async () => {
    const said = await say('pools', 'resize', 'demo', '--warm', '4', '--dry-run')
    expect(said.asked).toContain(`PATCH /api/v1/pools/${pool.id}?dryRun=true`)
    expect(said.out).toBe(
      'demo: 2 made, 1 stopped, 1 removed (demo-3) (would be done; what people have stays)\n1 more than that are in use: they stay, and nobody new gets one meanwhile\n1 of them find no host now: no memory\n',
    )
    expect((await say('pools', 'resize', 'demo')).code).toBe(2)
    expect((await say('pools', 'resize', 'demo', '--max', 'many')).err).toMatch(/whole number/)
  })

  it('removes none without a word when somebody loses something', async () => {
    const asked = await say('pools', 'remove', 'demo')
    expect(asked).toMatchObject({ code: 2, err: expect.stringMatching(/removed with 2 desktops. Say so with --yes/) })
    const said = await say('pools', 'remove', 'demo', '--yes')
    expect(said.asked).toContain(`DELETE /api/v1/pools/${pool.id}?force=true`)
    expect(said.out).toBe('demo is removed\n')
  })

  it('sees that all of one works, and names what does not', async () => {
    const said = await say('verify', 'demo', '--batch', '20')
    expect(said.sent).toEqual([{ batch: 20 }])
    expect(said.code).toBe(8)
    expect(said.out).toMatch(/demo: 3 work, 1 do not\n.*\ndemo-2 +failed +its guest has no address/)
    expect((await say('verify', 'demo', '--batch', 'all')).code).toBe(2)
  })
})
