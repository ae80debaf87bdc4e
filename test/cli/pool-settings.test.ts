/** A pool's settings and its people by the command line: as the API promises its answers. */
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { type Asked, fakeServer, person } from './server.ts'

const id = (n: number) => `01900000-0000-7000-8000-0000000000${10 + n}`
const pool = {
  id: id(0),
  name: 'demo',
  templateId: id(1),
  network: { mode: 'nat', neighbours: true },
  hardware: { vcpus: 2, memoryBytes: 2 ** 29, diskBytes: 2 ** 33, video: 'vga', sound: false },
  warnings: ['few hosts'],
}
const template = { id: id(1), hardware: { ...pool.hardware, diskBytes: null } }
const resize = { make: 0, start: 0, stop: 0, remake: 0, remove: [], over: 0, short: 0, shortReason: null }
const fields = [{ field: 'maxSize', applies: [{ when: 'nextStart', desktops: 3 }] }]

async function say(changes: object, ...words: string[]) {
  const sent: { query: string; body: unknown }[] = []
  const keep = ({ body, query }: Asked) => void sent.push({ query: query.toString(), body: JSON.parse(body) })
  let entitled: unknown = { everyone: false, userIds: [id(5)], groupIds: [id(7)] }
  await using server = await fakeServer({
    'GET /api/v1/pools': () => ({ body: { items: [pool] } }),
    [`GET /api/v1/templates/${template.id}`]: () => ({ body: template }),
    'GET /api/v1/clusters': () => ({ body: { items: [{ id: id(4), name: 'east' }] } }),
    'GET /api/v1/users': ({ query }) => ({
      body: { items: query.get('name') === 'ana' ? [{ id: id(6), name: 'ana' }] : [] },
    }),
    'GET /api/v1/groups': () => ({ body: { items: [{ id: id(7), name: 'class-7b' }] } }),
    [`PATCH /api/v1/pools/${pool.id}`]: asked => {
      keep(asked)
      return { body: { ...pool, changes: { fields, resize: { ...resize, ...changes } } } }
    },
    [`GET /api/v1/pools/${pool.id}/entitlements`]: () => ({ body: entitled }),
    [`PUT /api/v1/pools/${pool.id}/entitlements`]: asked => {
      keep(asked)
      entitled = JSON.parse(asked.body)
      return { body: entitled }
    },
  })
  const { around, out, err } = person(server.url)
  const code = await hdcs(words, around)
  return { code, out: out(), err: err(), sent }
}

describe('hdcs pools set', () => {
  it('tries a change before it is made, and says when it holds', async () => {
    const said = await say({}, 'pools', 'set', 'demo', 'maxSize=20', 'placement=null', 'needs=gpu,fast')
    const body = { maxSize: 20, placement: null, needs: ['gpu', 'fast'] }
    expect(said.sent).toEqual([
      { query: 'dryRun=true', body },
      { query: '', body },
    ])
    expect(said.out).toBe(
      'demo: maxSize at the next start (3 of its desktops)\nnothing is made or removed\nfew hosts\n',
    )
    const tried = await say({ make: 2 }, 'pools', 'set', 'demo', 'maxSize=20', '--dry-run')
    expect(tried.sent).toHaveLength(1)
    expect(tried.out).toContain('2 made (would be done')
  })

  it('leaves what is not named of network and hardware as it is, and takes names of clusters', async () => {
    const words = ['network.mode=routed', 'hardware.vcpus=4', 'clusterIds=east']
    const { sent } = await say({}, 'pools', 'set', 'demo', ...words)
    expect(sent[1]?.body).toEqual({
      network: { mode: 'routed', neighbours: true },
      hardware: { vcpus: 4, diskBytes: 2 ** 33 },
      clusterIds: [id(4)],
    })
    const whole = await say({}, 'pools', 'set', 'demo', 'network:={"mode":"isolated"}')
    expect(whole.sent[1]?.body).toEqual({ network: { mode: 'isolated' } })
  })

  it('asks where desktops are removed or made anew, and does nothing unasked', async () => {
    for (const loss of [{ remove: ['demo-3'] }, { remake: 2 }]) {
      const asked = await say(loss, 'pools', 'set', 'demo', 'maxSize=2')
      expect(asked).toMatchObject({ code: 2, err: expect.stringContaining('Say so with --yes') })
      expect(asked.sent).toHaveLength(1)
      expect((await say(loss, 'pools', 'set', 'demo', 'maxSize=2', '--yes')).sent).toHaveLength(2)
    }
  })

  it.each([
    ['a setting that there is not', 'colour=red', 'there are: name, description'],
    ['another pool’s id', 'id=x', 'no setting id'],
    ['what is no number', 'maxSize=many', 'not the kind of value'],
    ['a part of what guests are customised by', 'customise.before=x', 'said whole'],
    ['a word alone', 'maxSize', 'key=value'],
  ])('refuses %s', async (_title, word, reason) => {
    const said = await say({}, 'pools', 'set', 'demo', word)
    expect(said).toMatchObject({ code: 2, sent: [], err: expect.stringContaining(reason) })
  })
})

describe('hdcs pools entitle', () => {
  it('adds people, groups and everyone, and leaves who may already', async () => {
    const said = await say({}, 'pools', 'entitle', 'demo', '--for', 'ana', '--group', 'class-7b')
    expect(said.sent[0]?.body).toEqual({ everyone: false, userIds: [id(5), id(6)], groupIds: [id(7)] })
    expect(said.out).toBe('demo: 2 people and 1 group may use it\n')
    expect((await say({}, 'pools', 'entitle', 'demo', '--everyone')).out).toBe('demo: everyone may use it\n')
  })

  it('takes it from those who are named alone', async () => {
    const said = await say({}, 'pools', 'unentitle', 'demo', '--for', id(5), '--group', 'class-7b')
    expect(said.sent[0]?.body).toEqual({ everyone: false, userIds: [], groupIds: [] })
    expect(said.out).toBe('demo: nobody may use it\n')
  })

  it('changes nothing for nobody, and for a name that is nobody’s', async () => {
    expect(await say({}, 'pools', 'entitle', 'demo')).toMatchObject({ code: 2, sent: [] })
    expect(await say({}, 'pools', 'entitle', 'demo', '--for', 'anna')).toMatchObject({ code: 5, sent: [] })
    expect(await say({}, 'pools', 'unentitle', 'demo', '--group', 'none')).toMatchObject({ code: 5, sent: [] })
  })
})
