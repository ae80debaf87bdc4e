import { describe, expect, it } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { secretsCut } from '../../vmm/agent-scripts.ts'
import type { GuestScript, Host } from '../../vmm/host.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import type { SetupStep } from '../../vmm/spec.ts'
import { makeControl } from './control.ts'
import { hostSpec, installationId, machineSpec } from './wishes.ts'

const log = makeLog('test', 'silent')
const step = (text: string, more: Partial<SetupStep> = {}): SetupStep => ({
  id: 'before-1',
  name: 'before',
  shell: 'sh',
  text,
  input: '',
  environment: {},
  timeoutSeconds: 60,
  retries: 0,
  ...more,
})

async function site(own: Partial<Host> = {}) {
  const host = { ...makeSimHost({ installationId, hostName: 'sim' }), ...own }
  const control = makeControl()
  const agent = await startAgent({ host, connect: control.connect, log })
  return {
    host,
    control,
    agent,
    wish: (steps: SetupStep[], facts: Parameters<typeof machineSpec>[1] = {}) => {
      const spec = machineSpec(1, { setup: { key: '1', steps }, ...facts })
      control.tell({ type: 'wish', spec: hostSpec([spec]) })
      return spec.id
    },
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]()
      await host[Symbol.asyncDispose]()
    },
  }
}
type Site = Awaited<ReturnType<typeof site>>
const setupEnded = async ({ control }: Site, id: string) => {
  const report = await control.machine(id, ({ setup }) => setup?.state === 'done' || setup?.state === 'failed')
  return { ...report.setup, trouble: report.trouble }
}

describe('a guest that shall be customised', () => {
  it('runs its scripts one after the other, each once, and tells what each wrote', async () => {
    await using here = await site()
    const id = here.wish([
      step('echo named', { id: 'hostname-1', name: 'hostName' }),
      step('echo for $HDCS_POOL', { environment: { HDCS_POOL: 'demo' } }),
    ])
    expect(await setupEnded(here, id)).toMatchObject({
      key: '1',
      state: 'done',
      runs: [
        { name: 'hostName', attempt: 1, state: 'done', exitCode: 0, output: 'named\n' },
        { name: 'before', attempt: 1, state: 'done', exitCode: 0, output: 'for demo\n' },
      ],
      trouble: null,
    })
  })

  it('tries again what failed, and goes on', async () => {
    await using here = await site()
    const id = here.wish([step('exit 3 # once', { retries: 1 }), step('echo on', { id: 'after-1', name: 'after' })])
    const { state, runs } = await setupEnded(here, id)
    expect(state).toBe('done')
    expect(runs?.map(({ name, attempt, exitCode }) => [name, attempt, exitCode])).toEqual([
      ['before', 1, 3],
      ['before', 2, 0],
      ['after', 1, 0],
    ])
  })

  it('that keeps failing says which step, how and its last words, and runs nothing after it', async () => {
    await using here = await site()
    const id = here.wish([
      step('echo no such server\nexit 7', { retries: 2 }),
      step('echo on', { id: 'after-1', name: 'after' }),
    ])
    expect(await setupEnded(here, id)).toMatchObject({
      state: 'failed',
      runs: [{ attempt: 1 }, { attempt: 2 }, { name: 'before', attempt: 3, state: 'failed', exitCode: 7 }],
      trouble: {
        code: 'setup_failed',
        text: 'Customisation failed: “before” ended with exit code 7 (try 3). Its last line: no such server',
      },
    })
  })

  it('whose agent runs no programs is told at once, without another try', async () => {
    await using here = await site()
    const id = here.wish([step('no-exec')])
    const { trouble } = await setupEnded(here, id)
    expect(trouble?.text).toContain('could not be run: The guest’s agent runs no programs')
  })

  it('is ended by force when it takes too long, and said to be late', async () => {
    await using here = await site()
    const id = here.wish([step('sleep 600', { timeoutSeconds: 0.05 })])
    expect((await setupEnded(here, id)).trouble?.text).toContain('was ended by force after 0.05 s')
  })

  it('begins again with another wish, and not what ended well in the last', async () => {
    await using here = await site()
    const id = here.wish([step('exit 1')])
    await setupEnded(here, id)
    here.wish([step('echo well', { id: 'before-2' })], { generation: 2, setup: null })
    await here.control.machine(id, ({ setup, trouble }) => !setup && trouble === null)
    here.wish([], { generation: 3, setup: { key: '2', steps: [step('echo well', { id: 'before-2' })] } })
    await here.control.machine(id, ({ setup }) => setup?.key === '2' && setup.state === 'done')
  })

  it('when the guest goes down in the middle, counts that as a try and begins the next', async () => {
    await using here = await site()
    const id = here.wish([step('echo begun\nsleep 600', { retries: 1 })])
    await here.control.machine(id, ({ setup }) => setup?.runs[0]?.output === 'begun\n')
    here.host.guestCrash(id)
    const report = await here.control.machine(id, ({ setup }) => setup?.runs.length === 2)
    expect(report.setup?.runs[0]).toMatchObject({ state: 'failed', text: expect.stringContaining('went down') })
    expect(report.setup?.runs[1]).toMatchObject({ attempt: 2, state: 'running' })
  })
})

describe('an agent that was killed while a script runs', () => {
  it('is followed by one that finds it running, starts it no second time and hears its end', async () => {
    const asked: string[] = []
    await using here = await site()
    const guestScript = here.host.guestScript.bind(here.host)
    here.host.guestScript = (id: string, script: GuestScript) => {
      asked.push(script.id)
      return guestScript(id, script)
    }
    const id = here.wish([step('echo one\nsleep 0.3')])
    await here.control.machine(id, ({ setup }) => setup?.runs[0]?.output === 'one\n')
    await here.agent[Symbol.asyncDispose]()
    const again = makeControl()
    await using _agent = await startAgent({ host: here.host, connect: again.connect, log })
    again.tell({
      type: 'wish',
      spec: hostSpec([machineSpec(1, { setup: { key: '1', steps: [step('echo one\nsleep 0.3')] } })]),
    })
    const { setup } = await again.machine(id, report => report.setup?.state === 'done')
    expect(setup?.runs).toMatchObject([{ attempt: 1, exitCode: 0, output: 'one\n' }])
    expect(new Set(asked)).toEqual(new Set(['before-1-1']))
  })
})

describe('what a script wrote', () => {
  it('is told without what was told to it in secret: whole, line by line, and cut in two', () => {
    expect(secretsCut('a Geh31mnis b Geh31mnis\n', ['Geh31mnis\n'])).toBe('a •••••• b ••••••\n')
    expect(secretsCut('one\nkey-2\n', ['key-1\nkey-2'])).toBe('one\n••••••\n')
    expect(secretsCut('31mnis and more', ['Geh31mnis'])).toBe('•••••• and more')
    expect(secretsCut('nothing of it', ['', 'no'])).toBe('nothing of it')
  })
})
