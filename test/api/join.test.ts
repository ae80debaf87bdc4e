import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { programArchive } from '../../api/join.ts'
import { firstStart } from '../../broker/first-start.ts'
import { origin, startApi, type TestApi } from '../support/api.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'hdcs-archive-'))
let api: TestApi
beforeAll(async () => {
  api = await startApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** What is inside, links and folders marked as tar marks them. */
const listed = (archive: Uint8Array): string[] =>
  execFileSync('tar', ['--list', '--gzip', '--file=-'], { input: archive, encoding: 'utf8' }).trim().split('\n')

describe('the script that a new host runs', () => {
  it('knows whence it came, and is a whole program for bash', async () => {
    const response = await api.request('/join')
    expect(response.headers.get('content-type')).toContain('text/x-shellscript')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const script = await response.text()
    expect(script).toContain(`control='${origin}'`)
    expect(script.trimEnd().split('\n').at(-1)).toBe('main "$@"')
    execFileSync('bash', ['-n'], { input: script })
  })

  it.each(["desk.test'; rm -rf /; '", 'desk.test$(id)', 'desk.test`id`'])('is not given to %s', async host => {
    const response = await api.app.request('/join', { headers: { host } })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'invalid' })
  })

  it('is in the line of a join token, which says when no other machine can reach it', async () => {
    await firstStart(api.broker)
    const { token } = await api.person('keeper', ['infrastructureAdministrator'])
    const made = async (at: string) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      return (await api.app.request(`${at}/api/v1/hosts/join-tokens`, { method: 'POST', headers, body: '{}' })).json()
    }
    for (const at of ['http://localhost:8080', 'http://127.0.0.1:8080', 'http://[::1]:8080'])
      expect(await made(at)).toMatchObject({ reachable: false })
    const line = await made(origin)
    expect(line).toMatchObject({ reachable: true })
    expect(line.command).toBe(`(echo HDCS_JOIN_TOKEN=${line.token}; curl -fsSL '${origin}/join') | bash`)
  })
})

describe('the program that a new host fetches', () => {
  it('is what this installation runs, and nothing else of its folder', async () => {
    const response = await api.request('/join/hdcs.tar.gz')
    expect(response.headers.get('content-type')).toBe('application/gzip')
    const files = listed(await response.bytes())
    for (const file of ['package-lock.json', 'scripts/agent.sh', 'bin/join.ts', 'images/tiny/init', 'LICENSE'])
      expect(files).toContain(file)
    expect(files.filter(file => /(^|\/)(\.git|node_modules|dist|test|bench)(\/|$)/.test(file))).toEqual([])
    const rooms = [...new Set(files.map(file => (file.includes('/') ? `${dirname(file).split('/')[0]}` : file)))]
    const known = ['ls-files', '--cached', '--others', '--exclude-standard', ...rooms]
    const ours = execFileSync('git', known, { cwd: root, encoding: 'utf8' }).trim().split('\n')
    expect(files.toSorted()).toEqual(ours.toSorted())
  })

  it('leaves out keys, data, logs, disks, links and whatever has no name of ours', async () => {
    const program = ['api/app.ts', 'images/tiny/init', 'images/desktop/files/etc/skel/.config/user-dirs.dirs']
    const rooms = 'auth bin broker cli db lib scripts spice vmm web'.split(' ').map(room => `${room}/one.ts`)
    const papers = 'LICENSE README.md package-lock.json package.json tsconfig.json'.split(' ')
    const secrets = [
      'ticket.key',
      'database/base/1',
      '.env',
      '.git/config',
      'bin/.env',
      'bin/server.pem',
      'scripts/id_rsa',
      'web/dist/index.html',
      'lib/node_modules/a/index.js',
      'lib/node_modules/a/index.ts',
      'db/dump.sql',
      'bin/agent.log',
      'images/tiny.qcow2',
      'images/tiny/.ssh/authorized',
    ]
    for (const file of [...program, ...rooms, ...papers, ...secrets]) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), file)
    }
    symlinkSync('/etc/shadow', join(folder, 'lib', 'shadow.ts'))
    symlinkSync('/etc', join(folder, 'lib', 'etc'))
    const archive = await programArchive(folder)
    expect(listed(archive).toSorted()).toEqual([...program, ...rooms, ...papers].toSorted())
    expect(Buffer.compare(archive, await programArchive(folder))).toBe(0)
  })
})
