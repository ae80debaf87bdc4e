/** A host joins, leaves and comes back: the product and an agent of its own, as people run them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { makeProduct } from '../support/product.ts'
import { until } from '../support/site.ts'

const program = fileURLToPath(new URL('../../bin/agent.ts', import.meta.url))
const leaveProgram = fileURLToPath(new URL('../../bin/leave.ts', import.meta.url))

it('joins with one line, is shown the door when it is removed, and comes back with a new token', async () => {
  await using product = await makeProduct('join', { simHosts: 1 })
  await product.start()
  const client = await product.client()
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-joining-'))
  let said = ''
  const run = (token: string, what = program): ChildProcess => {
    const env = { HDCS_CONTROL_URL: product.url, HDCS_JOIN_TOKEN: token, HDCS_DATA_DIR: folder, HDCS_SIM_HOSTS: '1' }
    const child = spawn(process.execPath, [what], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', text => (said += text))
    return child
  }
  const end = async (child: ChildProcess) => {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }
  const leave = async () => (await once(run('', leaveProgram), 'exit'))[0]
  const joined = async () => {
    const { items } = await client.hostList({ query: {} })
    return items.find(({ name, state }) => !name.startsWith('sim-') && state === 'online')
  }
  const total = async () => (await client.clusterList({})).items[0]?.resources.vcpus.total
  try {
    const alone = await total()
    const first = run((await client.joinTokenMake({ body: {} })).token)
    const host = await until('the host is online', joined)
    expect(await total()).toBeGreaterThan(alone ?? 0)
    expect(await leave()).toBe(1)
    expect(said).toContain('remove it in the console first')
    const gone = once(first, 'exit')
    await client.hostRemove({ params: { id: host.id } })
    expect(await total()).toBe(alone)
    expect((await gone)[0]).toBe(0)
    expect(said).toContain('This host was removed from its control plane')
    // Also one that was off meanwhile.
    expect((await once(run(''), 'exit'))[0]).toBe(0)
    expect(await leave()).toBe(0)
    expect(said).toContain('nothing of HDCS runs here any more')

    said = ''
    const second = run((await client.joinTokenMake({ body: {} })).token)
    const again = await until('the host is back', joined)
    expect(again.id).not.toBe(host.id)
    expect(again.subnet).toBe(host.subnet)
    await end(second)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
