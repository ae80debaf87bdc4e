import { expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { fakeServer, person } from './server.ts'

const pool = { id: '01900000-0000-7000-8000-000000000013', name: 'projects' }

async function say(...words: string[]) {
  const sent: unknown[] = []
  await using server = await fakeServer({
    'GET /api/v1/storage-pools': () => ({ body: { items: [pool] } }),
    [`PATCH /api/v1/storage-pools/${pool.id}`]: ({ body }) => {
      sent.push(JSON.parse(body))
      return { body: pool }
    },
  })
  const { around, out, err } = person(server.url)
  const code = await hdcs(['storage', 'mend', 'projects', ...words], around)
  return { code, out: out(), err: err(), sent }
}

it('sends the other place, and says what comes next', async () => {
  const nfs = await say('--nfs', 'nfs2.example:/vol/a')
  expect(nfs.sent).toEqual([{ source: { type: 'netfs', server: 'nfs2.example', path: '/vol/a' } }])
  expect(nfs.out).toContain('its hosts try it now')
  const ceph = await say('--ceph', 'hdcs', '--monitors', 'm1,m2:6789', '--user', 'u')
  expect(ceph.sent).toEqual([{ source: { type: 'rbd', pool: 'hdcs', monitors: ['m1', 'm2:6789'], user: 'u' } }])
  expect((await say('--dir', '/srv/b')).sent).toEqual([{ source: { type: 'dir', target: '/srv/b' } }])
  expect(await say()).toMatchObject({ code: 2, sent: [] })
})
