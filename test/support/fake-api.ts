/**
 * A stand-in for the control plane while pages are being drawn: the routes of the API over data in memory, with states
 * that are hard to reach on purpose (failures, waits, full pools). No promise is tested against it.
 *
 *     node test/support/fake-api.ts 8099     → http://127.0.0.1:8099, any password but "wrong"
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { contentPolicy } from '../../api/headers.ts'
import { permissionsOf, type Role } from '../../auth/policy.ts'

type Json = Record<string, unknown>
const GiB = 2 ** 30
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()
const id = () => randomUUID()
const allow = (...names: string[]) => names.map(name => ({ name, allowed: true }))
const deny = (name: string, reason: string) => ({ name, allowed: false, reason })

const user = (name: string, displayName: string, roles: Role[], more: Json = {}) => ({
  id: id(),
  name,
  displayName,
  email: `${name}@example.org`,
  roles,
  disabled: false,
  passwordTemporary: false,
  groups: [],
  createdAt: ago(60 * 24 * 40),
  lastSeenAt: ago(12),
  actions: allow('delete'),
  ...more,
})
const users = [
  user('admin', 'First Administrator', ['userAdministrator', 'infrastructureAdministrator', 'person']),
  user('ana', 'Ana Kovač', ['person']),
  user('ben', 'Ben Ortiz', ['person'], { lastSeenAt: null }),
  user('chen', '陈晓明', ['person', 'instructor']),
  user('dora', 'Dora Lindqvist', ['auditor'], { disabled: true }),
]
const [admin, ana, ben, chen] = users as [Json, Json, Json, Json]
const groups: Json[] = [
  { id: id(), name: 'class-7b', description: 'Physics on Tuesdays', members: [ana, ben, chen], createdAt: ago(9000) },
]

const hardware = { vcpus: 2, memoryBytes: 2 * GiB, video: 'virtio', diskBytes: 20 * GiB, sound: true }
const version = (number: number, state: string, more: Json = {}) => ({
  id: id(),
  number,
  state,
  progress: state === 'sealed' ? 100 : 42,
  text: 'Unpacking packages (412 of 980)',
  source: { kind: 'recipe', recipe: 'desktop' },
  notes: '',
  virtualBytes: 20 * GiB,
  storedBytes: 2.4 * GiB,
  sha256: randomBytes(32).toString('hex'),
  desktops: 0,
  trouble: null,
  createdAt: ago(300),
  actions: allow('delete', 'retry'),
  ...more,
})
const templates: Json[] = [
  {
    id: id(),
    name: 'tiny',
    description: 'A very small system that boots in seconds',
    hardware: { ...hardware, vcpus: 1, memoryBytes: GiB / 8, sound: false, diskBytes: null },
    readyWhen: 'agent',
    pools: 1,
    desktops: 6,
    createdAt: ago(8000),
    actions: [deny('delete', 'the pool demo uses it')],
    versions: [
      version(1, 'sealed', {
        source: { kind: 'recipe', recipe: 'tiny' },
        storedBytes: 41 * 2 ** 20,
        virtualBytes: 256 * 2 ** 20,
        desktops: 6,
        actions: [deny('delete', '6 desktops stand on it')],
      }),
    ],
  },
  {
    id: id(),
    name: 'debian-desktop',
    description: 'Debian 12 with Xfce, LibreOffice and Firefox',
    hardware,
    readyWhen: 'agent',
    pools: 2,
    desktops: 14,
    createdAt: ago(6000),
    actions: [deny('delete', 'the pool office uses it')],
    versions: [version(1, 'sealed', { desktops: 14 }), version(2, 'making', { sha256: null, storedBytes: null })],
  },
  {
    id: id(),
    name: 'cad-lab',
    description: '',
    hardware,
    readyWhen: 'running',
    pools: 0,
    desktops: 0,
    createdAt: ago(100),
    actions: allow('delete'),
    versions: [
      version(1, 'failed', {
        source: { kind: 'upload', format: 'vmdk', sizeBytes: 9 * GiB, sha256: 'aa' },
        trouble: {
          code: 'invalid',
          text: 'The file is a text descriptor that names other files: upload the image itself.',
        },
        storedBytes: null,
        virtualBytes: null,
        sha256: null,
      }),
    ],
  },
]
const pool = (name: string, description: string, kind: string, template: Json, more: Json = {}) => ({
  id: id(),
  name,
  description,
  kind,
  templateId: template.id,
  templateName: template.name,
  templateVersion: null,
  currentVersion: 1,
  minSize: 0,
  maxSize: 10,
  warm: 2,
  cold: 1,
  maxPerUser: 1,
  hardware,
  start: 'boot',
  enabled: true,
  status: 'ok',
  statusText: '',
  restrainedUntil: null,
  counts: { total: 5, ready: 2, starting: 0, stopped: 1, assigned: 2, connected: 1, failed: 0, recycling: 0 },
  estimateMs: 0,
  actions: allow('update', 'delete', 'claim'),
  createdAt: ago(4000),
  ...more,
})
const pools: Json[] = [
  pool('demo', 'Try a desktop: it is reset when you give it back.', 'floating', templates[0] as Json),
  pool('office', 'Your own Debian desktop with LibreOffice and Firefox.', 'persistent', templates[1] as Json, {
    estimateMs: 38_000,
    counts: { total: 9, ready: 0, starting: 1, stopped: 1, assigned: 7, connected: 5, failed: 1, recycling: 0 },
    status: 'filling',
  }),
  pool('exam', 'Locked desktop for examinations', 'floating', templates[1] as Json, {
    maxSize: 3,
    estimateMs: null,
    counts: { total: 3, ready: 0, starting: 0, stopped: 0, assigned: 3, connected: 3, failed: 0, recycling: 0 },
  }),
  pool('render-lab', 'Many cores for rendering', 'floating', templates[1] as Json, {
    status: 'restrained',
    statusText:
      '3 desktops failed to start within 10 minutes: no space left in the pool default. Free space, then it tries again by itself.',
    restrainedUntil: new Date(Date.now() + 7 * 60_000).toISOString(),
    estimateMs: null,
    counts: { total: 1, ready: 0, starting: 0, stopped: 0, assigned: 0, connected: 0, failed: 1, recycling: 0 },
  }),
]
const [demo, office] = pools as [Json, Json]
const host = (name: string, more: Json = {}) => ({
  id: id(),
  name,
  clusterId: 'c1',
  clusterName: 'main',
  siteName: 'main',
  state: 'online',
  since: ago(500),
  capacity: 40,
  used: { desktops: 14, running: 11, vcpus: 22, memoryBytes: 22 * GiB },
  subnet: '10.77.0.0/22',
  facts: {
    hostName: name,
    kernel: '6.1.0-38-amd64',
    libvirtVersion: '9.0.0',
    qemuVersion: '7.2.17',
    cpuModel: 'AMD EPYC 7543P',
    cpus: 32,
    memoryBytes: 128 * GiB,
    accelerator: 'kvm',
    acceleratorReason: null,
    simulated: false,
  },
  usage: { cpu: 0.37, memoryUsedBytes: 61 * GiB, storageTotalBytes: 1800 * GiB, storageFreeBytes: 240 * GiB },
  troubles: [],
  actions: [deny('remove', '14 desktops are on it')],
  ...more,
})
const hosts: Json[] = [
  host('node-a'),
  host('node-b', {
    facts: {
      hostName: 'node-b',
      kernel: '6.1.0-38-amd64',
      libvirtVersion: '9.0.0',
      qemuVersion: '7.2.17',
      cpuModel: 'Intel Xeon',
      cpus: 8,
      memoryBytes: 32 * GiB,
      accelerator: 'tcg',
      acceleratorReason: '/dev/kvm opens, but a guest did not run within 10 s',
      simulated: false,
    },
  }),
  host('node-c', { state: 'lost', since: ago(7), usage: null, actions: allow('remove') }),
]
let serial = 0
const desktop = (of: Json, phase: string, who: Json | null, more: Json = {}) => {
  serial += 1
  return {
    id: id(),
    name: `${of.name}-${serial}`,
    poolId: of.id,
    poolName: of.name,
    kind: of.kind,
    hostId: hosts[0]?.id,
    hostName: 'node-a',
    userId: who?.id ?? null,
    userName: who?.name ?? null,
    address: `10.77.0.${10 + serial}`,
    templateVersion: 1,
    phase,
    reason: phase === 'ready' ? 'its guest agent answered' : 'asked for',
    since: ago(serial * 3),
    power: phase === 'ready' ? 'running' : 'stopped',
    step: null,
    session: null,
    trouble: null,
    assignedAt: who ? ago(95) : null,
    madeAt: ago(3000),
    actions:
      phase === 'ready'
        ? [
            ...allow('shutdown', 'poweroff', 'reboot', 'reset', 'suspend', 'release', 'delete'),
            deny('start', 'it is running already'),
          ]
        : [
            ...allow('start', 'resume', 'release', 'delete'),
            deny('shutdown', 'it is not running'),
            deny('reboot', 'it is not running'),
          ],
    ...more,
  }
}
const desktops: Json[] = [
  desktop(demo, 'ready', null),
  desktop(demo, 'ready', null),
  desktop(office, 'ready', ana, { session: { state: 'connected', since: ago(20), clients: 1 } }),
  desktop(office, 'stopped', ben),
  desktop(office, 'failed', chen, {
    trouble: {
      code: 'start_failed',
      text: 'The guest did not answer within 3 minutes: look at its screen, or reset it.',
    },
  }),
  desktop(office, 'starting', null, {
    step: { name: 'booting', startedAt: ago(0.3), estimateMs: 30_000, queuePlace: null },
  }),
  desktop(office, 'ready', admin),
  desktop(demo, 'recycling', null),
  desktop(office, 'paused', admin),
]
const task = (kind: string, state: string, subject: Json, more: Json = {}) => ({
  id: id(),
  kind,
  state,
  progress: state === 'running' ? 42 : 100,
  steps: [],
  error: null,
  subject: { type: 'desktop', id: subject.id, name: subject.name },
  startAt: null,
  createdAt: ago(4),
  finishedAt: state === 'running' ? null : ago(2),
  estimateMs: 30_000,
  requestedBy: 'admin',
  cancellable: state === 'running',
  ...more,
})
const tasks: Json[] = [
  task('template.build', 'running', templates[1] as Json, {
    steps: [{ name: 'making', state: 'current', text: 'Unpacking packages (412 of 980)' }],
  }),
  task('desktop.start', 'failed', desktops[4] as Json, {
    error: {
      code: 'start_failed',
      text: 'The guest did not answer within 3 minutes: look at its screen, or reset it.',
    },
  }),
  task('desktop.claim', 'succeeded', desktops[2] as Json),
]
const audit: Json[] = ['poolCreate', 'login', 'desktopAct', 'userCreate', 'entitlementSet', 'login'].map(
  (action, index) => ({
    id: id(),
    at: ago(index * 17),
    userId: admin.id,
    userName: 'admin',
    address: '10.0.0.7',
    action,
    subjectType: index % 2 ? null : 'pool',
    subjectId: index % 2 ? null : demo.id,
    outcome: index === 5 ? 'unauthenticated' : 'ok',
    detail: index % 2 ? {} : { name: 'demo', maxSize: 10 },
    requestId: id(),
  }),
)
const tokens: Json[] = [
  {
    id: id(),
    name: 'backup script',
    createdAt: ago(9000),
    lastUsedAt: ago(44),
    expiresAt: new Date(Date.now() + 40 * 86_400_000).toISOString(),
  },
]
const entitlements = new Map<unknown, Json>()
const streams = new Set<ServerResponse>()
let eventId = 0
const tell = (type: string, subject: unknown) => {
  eventId += 1
  for (const stream of streams)
    stream.write(
      `id: ${eventId}\nevent: ${type}\ndata: ${JSON.stringify({ type, id: subject, userId: null, poolId: null })}\n\n`,
    )
}
class Problem extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, detail: string) {
    super(detail)
    this.status = status
    this.code = code
  }
}
const me = (name: string) => {
  const found = users.find(candidate => candidate.name === name) ?? admin
  return { ...found, permissions: [...permissionsOf((found as { roles: Role[] }).roles)] } as Json
}
const find = (list: Json[], key: string) => {
  const found = list.find(item => item.id === key)
  if (!found) throw new Problem(404, 'not_found', 'There is no such thing.')
  return found
}
const page = (items: Json[]) => ({ items, nextCursor: null })
const later = (ms: number, act: () => void) => setTimeout(act, ms).unref()

interface Asked {
  path: string[]
  query: URLSearchParams
  body: Json
  who: string
}

function claim(poolId: string, who: string): [number, Json] {
  const of = find(pools, poolId)
  if (of.name === 'render-lab') throw new Problem(409, 'pool_exhausted', 'All desktops of this pool are taken.')
  const warm = desktops.find(item => item.poolId === poolId && item.phase === 'ready' && !item.userId)
  const person = me(who)
  if (warm) {
    Object.assign(warm, { userId: person.id, userName: person.name, assignedAt: ago(0) })
    later(20, () => tell('desktop.changed', warm.id))
    return [200, { desktop: warm, task: task('desktop.claim', 'succeeded', warm) }]
  }
  const made = desktop(of, 'starting', person, {
    step: { name: 'queued', startedAt: ago(0), estimateMs: 12_000, queuePlace: 2 },
    since: ago(0),
  })
  const doing = task('desktop.claim', 'running', made, { createdAt: ago(0), estimateMs: 12_000 })
  desktops.push(made)
  tasks.unshift(doing)
  const steps = ['making disk', 'starting', 'booting']
  steps.forEach((name, index) =>
    later(2500 * (index + 1), () => {
      made.step = { name, startedAt: ago(0), estimateMs: 12_000, queuePlace: null }
      tell('desktop.changed', made.id)
    }),
  )
  later(10_000, () => {
    Object.assign(made, { phase: 'ready', power: 'running', step: null })
    Object.assign(doing, { state: 'succeeded', progress: 100, finishedAt: ago(0) })
    tell('desktop.changed', made.id)
    tell('task.changed', doing.id)
  })
  return [202, { desktop: made, task: doing }]
}

function act(key: string, name: string): [number, Json] {
  const of = find(desktops, key)
  const changes: Record<string, Json> = {
    start: { phase: 'ready', power: 'running' },
    resume: { phase: 'ready', power: 'running' },
    shutdown: { phase: 'stopped', power: 'stopped' },
    poweroff: { phase: 'stopped', power: 'stopped' },
    suspend: { phase: 'paused', power: 'paused' },
    release: { phase: 'recycling', userId: null, userName: null },
  }
  Object.assign(of, changes[name] ?? {}, { since: ago(0) })
  if (name === 'delete') desktops.splice(desktops.indexOf(of), 1)
  later(50, () => tell('desktop.changed', of.id))
  return [202, { desktop: of, task: task(`desktop.${name}`, 'succeeded', of) }]
}

function answer(method: string, { path, query, body, who }: Asked): [number, unknown] {
  const [noun, key = '', sub = '', name = ''] = path
  const lists: Record<string, Json[]> = { users, groups, pools, desktops, templates, hosts, tasks, audit, tokens }
  const on = `${method} ${noun}${key ? '/x' : ''}${sub ? `/${sub}` : ''}`
  switch (on) {
    case 'GET me':
      return [200, me(who)]
    case 'PATCH me':
      if ((body.password as Json)?.old === 'wrong') throw new Problem(403, 'forbidden', 'This is not your password.')
      return [200, me(who)]
    case 'POST tokens': {
      const made = {
        id: id(),
        ...body,
        token: `hdcs_${randomBytes(24).toString('base64url')}`,
        createdAt: ago(0),
        lastUsedAt: null,
        expiresAt: ago(-60 * 24 * 90),
      }
      tokens.push(made)
      return [201, made]
    }
    case 'GET clusters':
      return [
        200,
        page([
          {
            id: '018f0000-0000-7000-8000-000000000001',
            name: 'main',
            siteId: 's',
            siteName: 'main',
            hosts: 3,
            capacity: 120,
            running: 22,
          },
        ]),
      ]
    case 'POST hosts/x':
      return [
        201,
        {
          token: 't',
          expiresAt: ago(-60),
          command: `curl -fsS http://desk.example/join | sudo sh -s -- ${randomBytes(12).toString('hex')}`,
        },
      ]
    case 'POST pools/x/claim':
      return claim(key, who)
    case 'GET pools/x/entitlements':
      return [200, entitlements.get(key) ?? { everyone: true, userIds: [], groupIds: [] }]
    case 'PUT pools/x/entitlements':
      entitlements.set(key, body)
      return [200, body]
    case 'POST desktops/x/actions':
      return act(key, name)
    case 'POST desktops/x/connect':
      return [
        200,
        {
          ticket: 't',
          expiresAt: ago(-1),
          webSocketUrl: 'ws://127.0.0.1:1/none',
          viewerFileUrl: '/',
          usb: { filter: '' },
        },
      ]
    case 'GET desktops/x/history':
      return [
        200,
        page(
          ['ready', 'starting', 'making'].map((to, index, all) => ({
            at: ago(index * 4 + 1),
            from: all[index + 1] ?? null,
            to,
            reason: ['its guest agent answered', 'the pool keeps 2 ready', 'the pool wants 5 desktops'][index],
            userName: index === 1 ? 'admin' : null,
          })),
        ),
      ]
    case 'GET tasks/x/log':
      return [
        200,
        {
          items: [
            { at: ago(4), text: 'asked for by admin' },
            { at: ago(3), text: 'the host node-a began' },
            { at: ago(1), text: 'Unpacking packages (412 of 980)' },
          ],
        },
      ]
    case 'POST users': {
      const made = user(String(body.name), String(body.displayName ?? body.name), (body.roles as Role[]) ?? ['person'])
      users.push(made)
      tell('user.created', made.id)
      return [201, { ...made, password: body.password ? null : 'correct-horse-battery' }]
    }
    case 'POST users/x/password':
      return [200, { password: 'velvet-otter-drums-42' }]
    case 'POST pools': {
      const of = find(templates, String(body.templateId))
      if (pools.some(item => item.name === body.name))
        throw new Problem(409, 'conflict', 'There is a pool of this name already.')
      const made = pool(String(body.name), String(body.description ?? ''), String(body.kind), of, {
        ...body,
        hardware: { ...hardware, ...(body.hardware as Json) },
        counts: { total: 0, ready: 0, starting: 0, stopped: 0, assigned: 0, connected: 0, failed: 0, recycling: 0 },
      })
      pools.push(made)
      tell('pool.created', made.id)
      return [201, made]
    }
    case 'POST templates': {
      const made = {
        id: id(),
        name: body.name,
        description: body.description,
        hardware,
        readyWhen: 'agent',
        pools: 0,
        desktops: 0,
        createdAt: ago(0),
        actions: allow('delete'),
        versions: [version(1, 'making', { source: body.source, progress: 3 })],
      }
      templates.push(made)
      return [202, { template: made, task: task('template.build', 'running', made) }]
    }
    case 'POST groups': {
      const made = {
        id: id(),
        ...body,
        members: users.filter(item => (body.userIds as string[]).includes(item.id)),
        createdAt: ago(0),
      }
      groups.push(made)
      return [201, made]
    }
  }
  const list = lists[noun ?? '']
  if (!list) throw new Problem(404, 'not_found', `No route ${on}`)
  if (method === 'GET' && key) return [200, find(list, key)]
  if (method === 'PATCH') {
    const of = find(list, key)
    Object.assign(of, body)
    tell(`${noun?.replace(/s$/, '')}.changed`, key)
    return [200, of]
  }
  if (method === 'DELETE') {
    list.splice(list.indexOf(find(list, key)), 1)
    return noun === 'pools'
      ? [202, { task: task('pool.delete', 'running', { id: key, name: 'pool' }) }]
      : [204, undefined]
  }
  let items = list
  const wanted = (field: string, as = field) => {
    const value = query.get(as)
    if (value) items = items.filter(item => String(item[field]) === value)
  }
  if (query.get('mine')) items = noun === 'desktops' ? items.filter(item => item.userId === me(who).id) : items
  for (const field of ['poolId', 'hostId', 'userId', 'phase', 'outcome']) wanted(field)
  if (query.get('subjectId')) items = items.filter(item => (item.subject as Json)?.id === query.get('subjectId'))
  const search = query.get('search')?.toLowerCase()
  if (search)
    items = items.filter(item => `${item.name} ${item.displayName} ${item.userName}`.toLowerCase().includes(search))
  return [200, page(items)]
}

const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const dist = join(import.meta.dirname, '../../web/dist')

async function handle(request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '/', 'http://x')
  if (!url.pathname.startsWith('/api/')) {
    const file = join(dist, url.pathname)
    if (url.pathname === '/healthz') return response.end('ok')
    if (url.pathname !== '/' && existsSync(file))
      return response
        .writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' })
        .end(readFileSync(file))
    const nonce = randomBytes(16).toString('base64')
    return response
      .writeHead(200, { 'content-type': 'text/html', 'content-security-policy': contentPolicy(nonce, []) })
      .end(readFileSync(join(dist, 'index.html'), 'utf8').replaceAll('__CSP_NONCE__', nonce))
  }
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const body = (text.startsWith('{') ? JSON.parse(text) : {}) as Json
  const who = /hdcs_session=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
  const path = url.pathname.split('/').slice(3)
  try {
    if (path[0] === 'login') {
      if (body.password === 'wrong') throw new Problem(401, 'unauthenticated', 'The name or the password is wrong.')
      return response
        .writeHead(200, { 'content-type': 'application/json', 'set-cookie': `hdcs_session=${body.name}; Path=/` })
        .end(JSON.stringify({ user: me(String(body.name)) }))
    }
    if (path[0] === 'logout') return response.writeHead(204, { 'set-cookie': 'hdcs_session=; Path=/; Max-Age=0' }).end()
    if (!who) throw new Problem(401, 'unauthenticated', 'Sign in first.')
    if (path[0] === 'events') {
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .write(`id: ${eventId}\nevent: hello\ndata: {}\n\n`)
      streams.add(response)
      return response.on('close', () => streams.delete(response))
    }
    const [status, out] = answer(request.method ?? 'GET', { path, query: url.searchParams, body, who })
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(out === undefined ? undefined : JSON.stringify(out))
  } catch (thrown) {
    const problem = thrown instanceof Problem ? thrown : new Problem(500, 'internal', String(thrown))
    response
      .writeHead(problem.status, { 'content-type': 'application/problem+json' })
      .end(JSON.stringify({ status: problem.status, code: problem.code, detail: problem.message, requestId: 'req-1' }))
  }
}

createServer((request, response) => void handle(request, response)).listen(Number(process.argv[2] ?? 8099), '127.0.0.1')
