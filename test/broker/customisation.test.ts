import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { answersPreview } from '../../broker/customisation.ts'
import { desktopLog } from '../../broker/desktop-log.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { entitlementSet } from '../../broker/entitlements.ts'
import { poolCreate, poolGet, poolUpdate } from '../../broker/pools.ts'
import { scriptTry } from '../../broker/script-trials.ts'
import { sessionConnect } from '../../broker/sessions.ts'
import { taskGet, taskStory } from '../../broker/tasks.ts'
import { setupRuns, setupRunsPrune } from '../../db/customisation.ts'
import { newId } from '../../lib/ids.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
const forever = new AbortController().signal

beforeAll(async () => {
  site = await startSite()
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const script = (text: string, retries = 0) => ({ text, timeoutSeconds: 60, retries })
const nothing = { shell: 'sh', hostName: false, domain: null, before: null, after: null } as const
type Wish = Partial<NonNullable<Parameters<typeof poolCreate>[2]['customise']>>

async function poolOf(name: string, customise: Wish, more: Partial<Parameters<typeof poolCreate>[2]> = {}) {
  const wish = { ...nothing, ...customise }
  const body = { name, kind: 'floating' as const, templateId, warm: 1, maxSize: 4, customise: wish, ...more }
  const pool = await poolCreate(site.broker, admin, body)
  await entitlementSet(site.broker, admin, pool.id, { everyone: true })
  return pool
}
const readyIn = (poolId: string, count = 1) =>
  site.until('they are ready', async () => (await poolGet(site.broker, admin, poolId)).counts.ready === count)
const desktopsOf = async (poolId: string) => (await desktopList(site.broker, admin, { limit: 10, poolId })).items
const runsOf = (desktopId: string) => setupRuns(site.broker.db, { desktopId })
const ended = (principal: Principal, id: string) => taskGet(site.broker, principal, id, 20_000, forever)

describe('a pool whose guests are customised', () => {
  it('counts a desktop as ready when what shall be run before anybody gets it ended well, once', async () => {
    const pool = await poolOf('before', { hostName: true, before: script('echo $HDCS_DESKTOP of $HDCS_POOL') })
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    const runs = await runsOf(desktop?.id ?? '')
    expect(runs.map(({ step, state, exit_code }) => [step, state, exit_code])).toEqual([
      ['hostName', 'done', 0],
      ['before', 'done', 0],
    ])
    expect(runs[1]?.output).toBe(`${desktop?.name} of before\n`)
    await desktopAct(site.broker, admin, desktop?.id ?? '', 'reboot')
    expect(await runsOf(desktop?.id ?? '')).toHaveLength(2)
  })

  it('tells how a desktop was made that nobody waited for, and of each life of its disk on its own', async () => {
    // With room for a second one, the first might go when it is given back.
    const pool = await poolOf('warm', { before: script('echo made $HDCS_DESKTOP') }, { maxSize: 1 })
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    const id = desktop?.id ?? ''
    const log = (life?: number) => desktopLog(site.broker, admin, id, life)
    expect(await log()).toMatchObject({ life: 1, lives: [{ life: 1, state: 'ready', to: null, userName: null }] })
    const { steps, items } = await log()
    expect(steps.find(({ name }) => name === 'before')).toMatchObject({ state: 'done', exitCode: 0, attempts: 1 })
    expect(items.map(({ text }) => text)).toContain(`before | made ${desktop?.name}`)
    expect(items.at(-1)?.text).toMatch(/^ready: /)

    const nell = await site.person('nell')
    const claimed = await desktopClaimFor(site.broker, nell, pool.id)
    await ended(nell, claimed.task.id)
    await desktopAct(site.broker, nell, claimed.desktop.id, 'release')
    const again = async () => (await log()).lives.some(({ life, state }) => life === 2 && state === 'ready')
    await site.until('it has another life', again)
    expect((await log()).items.filter(({ text }) => text.startsWith('before | '))).toHaveLength(1)
    expect((await log(1)).lives.map(({ life, userName }) => [life, userName])).toEqual([
      [2, null],
      [1, 'nell'],
    ])
    await expect(log(7)).rejects.toMatchObject({ code: 'not_found' })
    await expect(desktopLog(site.broker, nell, newId(), undefined)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('keeps the newest hundred of what scripts of a desktop wrote', async () => {
    const desktop_id = newId()
    const runs = Array.from({ length: 130 }, (_, n) => ({
      desktop_id,
      step_id: `before-${n}-1`,
      attempt: 1,
      step: 'before' as const,
      state: 'done' as const,
      exit_code: 0,
      text: '',
      output: `${n}`,
      started_at: new Date(Date.now() - (130 - n) * 1000),
      ms: 1,
    }))
    await site.broker.db.insertInto('setup_run').values(runs).execute()
    expect((await runsOf(desktop_id)).at(-1)?.output).toBe('129')
    await setupRunsPrune(site.broker.db)
    const kept = await site.broker.db
      .selectFrom('setup_run')
      .select('output')
      .where('desktop_id', '=', desktop_id)
      .execute()
    expect(kept.map(({ output }) => Number(output)).toSorted((a, b) => a - b)[0]).toBe(30)
    expect(kept).toHaveLength(100)
  })

  it('lets a person in when what is run for them ended, and tells them what it waits for', async () => {
    const pool = await poolOf('after', { after: script('echo for $HDCS_USER\nsleep 0.4') })
    await readyIn(pool.id)
    const ana = await site.person('ana')
    const { task, desktop } = await desktopClaimFor(site.broker, ana, pool.id)
    expect(task.state).toBe('running')
    expect(desktop).toMatchObject({ phase: 'starting', step: { name: 'customising' } })
    await expect(sessionConnect(site.broker, ana, desktop.id, 'http://here')).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is being customised'),
    })
    expect((await desktopClaimFor(site.broker, ana, pool.id)).task.state).toBe('running')
    const end = await ended(ana, task.id)
    expect(end).toMatchObject({ state: 'succeeded' })
    expect(end.steps.map(({ name }) => name)).toContain('customise')
    expect(await desktopGet(site.broker, ana, desktop.id)).toMatchObject({ phase: 'ready', step: null })
    expect(await runsOf(desktop.id)).toMatchObject([{ step: 'after', exit_code: 0, output: 'for ana\n' }])
    const { summary, items } = await taskStory(site.broker, admin, task.id)
    expect(summary).toMatchObject({ state: 'succeeded' })
    const after = summary.steps.find(({ name }) => name === 'after')
    expect(after).toMatchObject({ state: 'done', ms: 400, exitCode: 0, attempts: 1 })
    expect(summary.ms).toBeGreaterThanOrEqual(400)
    const lines = items.map(({ text }) => text)
    expect(lines).toContain('after | for ana')
    expect(lines).toContain('after: ended with exit code 0 after 0.4 s')
    expect((await taskStory(site.broker, ana, task.id)).items.map(({ text }) => text)).not.toContain('after | for ana')
    await desktopAct(site.broker, ana, desktop.id, 'release')
    await readyIn(pool.id)
    const bea = await site.person('bea')
    const second = await desktopClaimFor(site.broker, bea, pool.id)
    await ended(bea, second.task.id)
    const outputs = (await runsOf(second.desktop.id)).map(({ output }) => output)
    expect(outputs.at(-1)).toBe('for bea\n')
  })

  it('takes a claim back whose scripts fail: its person is told, and has nothing that does not work', async () => {
    const pool = await poolOf('after-fails', { after: script('echo no home for $HDCS_USER\nexit 4') })
    await readyIn(pool.id)
    const cas = await site.person('cas')
    const { task } = await desktopClaimFor(site.broker, cas, pool.id)
    expect(await ended(cas, task.id)).toMatchObject({ state: 'failed', error: { code: 'setup_failed' } })
    expect((await desktopList(site.broker, cas, { limit: 10, mine: true })).items).toEqual([])
    const told = await taskGet(site.broker, admin, task.id, 0, forever)
    expect(told.error?.text).toBe(
      'Customisation failed: “after” ended with exit code 4. Its last line: no home for cas',
    )
  })

  it('sets aside what fails, with its reason, gives it to nobody, and stops making more after three', async () => {
    const pool = await poolOf('fails', { before: script('echo no licence\nexit 3', 1) })
    await site.until('it pauses', async () => (await poolGet(site.broker, admin, pool.id)).status === 'restrained')
    const seen = await poolGet(site.broker, admin, pool.id)
    expect(seen.statusText).toContain('“before” ended with exit code 3 (try 2). Its last line: no licence')
    expect(seen.warnings.join()).toContain('set aside and given to nobody')
    // One more may have been begun before the third had failed: three stay.
    const desktops = await site.until('three are left', async () => {
      const all = await desktopsOf(pool.id)
      return all.length === 3 && all.every(({ phase }) => phase === 'failed') && all
    })
    const dot = await site.person('dot')
    await expect(desktopClaimFor(site.broker, dot, pool.id)).rejects.toMatchObject({ code: 'pool_exhausted' })

    const [first] = desktops
    const again = first?.actions.find(({ name }) => name === 'customise')
    expect(again).toMatchObject({ allowed: true })
    await poolUpdate(site.broker, admin, pool.id, { customise: { ...nothing, after: script('echo well') } })
    await readyIn(pool.id)
  })

  it('runs the scripts of one that was set aside once more when an administrator says so', async () => {
    const pool = await poolOf('again', { before: script('exit 3 # once') })
    const failed = await site.until('it failed', async () =>
      (await desktopsOf(pool.id)).find(({ phase }) => phase === 'failed'),
    )
    const { task } = await desktopAct(site.broker, admin, failed.id, 'customise')
    expect(await ended(admin, task.id)).toMatchObject({ state: 'succeeded' })
    expect((await runsOf(failed.id)).map(({ exit_code }) => exit_code)).toEqual([3, 0])
  })

  it('changed, begins anew what nobody has, and leaves alone what people have', async () => {
    const pool = await poolOf('changed', { before: script('echo one') }, { warm: 1, maxSize: 2 })
    await readyIn(pool.id)
    const eve = await site.person('eve')
    const { desktop } = await desktopClaimFor(site.broker, eve, pool.id)
    await readyIn(pool.id)
    await poolUpdate(site.broker, admin, pool.id, { customise: { ...nothing, before: script('echo two') } })
    const other = await site.until('the free one was customised anew', async () => {
      const free = (await desktopsOf(pool.id)).find(({ id }) => id !== desktop.id)
      const runs = await runsOf(free?.id ?? desktop.id)
      return runs.at(-1)?.output === 'two\n' && free
    })
    expect(other.userId).toBeNull()
    expect(await desktopGet(site.broker, eve, desktop.id)).toMatchObject({ phase: 'ready' })
    expect((await runsOf(desktop.id)).map(({ output }) => output)).toEqual(['one\n'])
  })
})

describe('the password of a domain', () => {
  it('is kept sealed, never told, and given to the guest on its standard input alone', async () => {
    const password = 'Ze1tgeist-ö'
    const domain = { name: 'corp.example', user: 'joiner', ou: null, password }
    const pool = await poolOf('joins', { domain })
    expect(pool.customise?.domain).toEqual({ name: 'corp.example', user: 'joiner', ou: null, passwordSet: true })
    await readyIn(pool.id)
    const tables = ['customisation', 'pool', 'desktop', 'setup_run', 'task', 'transition', 'event'] as const
    for (const table of tables) {
      const rows = await site.broker.db.selectFrom(table).selectAll().execute()
      expect(JSON.stringify(rows)).not.toContain(password)
    }
    const { password: _, ...kept } = domain
    const same = await poolUpdate(site.broker, admin, pool.id, { customise: { ...nothing, domain: kept } })
    expect(same.customise?.domain?.passwordSet).toBe(true)
  })

  it('that is kept goes to no other domain', async () => {
    const domain = { name: 'one.example', user: 'joiner', ou: null, password: 'secret' }
    const pool = await poolOf('moves', { domain }, { warm: 0 })
    const other = { name: 'other.example', user: 'joiner', ou: null }
    const update = poolUpdate(site.broker, admin, pool.id, { customise: { ...nothing, domain: other } })
    await expect(update).rejects.toMatchObject({
      code: 'invalid',
      fields: [{ field: 'body.customise.domain.password' }],
    })
  })
})

describe('an answer file', () => {
  const answers = {
    unattend: null,
    timeZone: null,
    language: 'en-US',
    keyboard: null,
    administrator: null,
    password: 'Adm1n-geheim',
    productKey: 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE',
  }
  const windows = { ...nothing, shell: 'powershell' as const }

  it('is in its guest’s drive from its first boot until it was ready, and its secrets are nowhere else', async () => {
    const media: (string | undefined)[] = []
    const [host] = site.hosts
    if (!host) throw new Error('no host')
    const { guestScript, machineStart } = host
    host.machineStart = async spec => {
      if (spec.answers) media.push(spec.answers.text)
      return machineStart.call(host, spec)
    }
    const seen: (string | undefined)[] = []
    host.guestScript = (id, script) => {
      if (script.id.startsWith('answers-')) seen.push(host.medium(id))
      return guestScript.call(host, id, script)
    }
    const domain = { name: 'corp.example', user: 'joiner', ou: null, password: 'D0main-geheim' }
    const pool = await poolOf('windows', { ...windows, domain, answers })
    expect(pool.customise?.answers).toMatchObject({ language: 'en-US', passwordSet: true, productKeySet: true })
    expect(pool.customise?.answers).not.toHaveProperty('password')
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    if (!desktop) throw new Error('no desktop')
    for (const text of [media[0], seen[0]]) {
      expect(text).toContain(`<ComputerName>${desktop.name}</ComputerName>`)
      for (const secret of [answers.password, answers.productKey, domain.password]) expect(text).toContain(secret)
    }
    expect((await runsOf(desktop.id)).map(({ step, state }) => [step, state])).toEqual([
      ['answers', 'done'],
      ['domain', 'done'],
    ])
    await site.until('the medium is gone', async () => host.medium(desktop.id) === undefined)
    const tables = ['customisation', 'pool', 'desktop', 'setup_run', 'task', 'transition', 'event'] as const
    for (const table of tables) {
      const rows = JSON.stringify(await site.broker.db.selectFrom(table).selectAll().execute())
      for (const secret of [answers.password, answers.productKey, domain.password]) expect(rows).not.toContain(secret)
    }
    Object.assign(host, { guestScript, machineStart })
  })

  it('is for Windows alone, and well-formed', async () => {
    const refusal = (customise: Wish) => poolOf('refused', customise)
    const asked = { ...answers, unattend: '<unattend' }
    await expect(refusal({ ...nothing, answers })).rejects.toMatchObject({
      fields: [{ field: 'body.customise.answers' }],
    })
    await expect(refusal({ ...windows, answers: asked })).rejects.toMatchObject({
      fields: [{ field: 'body.customise.answers.unattend' }],
    })
  })

  it('is shown as a desktop would get it, without what is secret', () => {
    const secrets = [{ name: 'LICENCE', value: 'L1zenz' }]
    const unattend =
      '<unattend xmlns="urn:schemas-microsoft-com:unattend"><a>{{HDCS_COMPUTER}} {{LICENCE}} {{HDCS_PRODUCT_KEY}}</a></unattend>'
    const shown = answersPreview({ ...windows, answers: { ...answers, unattend }, secrets }, 'a-very-long-desktop-name')
    expect(shown.text).toContain(`<a>${shown.computerName} •••••• ••••••</a>`)
  })
})

describe('a secret of a pool’s own', () => {
  it('reaches its scripts, is cut out of what they write, and is kept sealed until another is given', async () => {
    const secrets = [{ name: 'LICENCE', value: 'L1zenz-geheim' }]
    const pool = await poolOf('secrets', { before: script('echo key $LICENCE of $HDCS_POOL'), secrets })
    expect(pool.customise?.secrets).toEqual([{ name: 'LICENCE' }])
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    expect((await runsOf(desktop?.id ?? '')).map(({ output }) => output)).toEqual(['key •••••• of secrets\n'])
    const rows = await site.broker.db.selectFrom('customisation').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain('L1zenz-geheim')
    const again = { ...nothing, before: script('echo $LICENCE'), secrets: [{ name: 'LICENCE' }] }
    expect((await poolUpdate(site.broker, admin, pool.id, { customise: again })).customise?.secrets).toHaveLength(1)
    const other = { ...again, secrets: [{ name: 'OTHER' }] }
    await expect(poolUpdate(site.broker, admin, pool.id, { customise: other })).rejects.toMatchObject({
      fields: [{ field: 'body.customise.secrets.0.value' }],
    })
  })
})

describe('a script that is tried on one desktop', () => {
  const own = (text: string) => ({ text, shell: 'sh' as const, timeoutSeconds: 60, whileUsed: false })

  it('runs there once with the pool’s secrets, and its log says what it wrote', async () => {
    const secrets = [{ name: 'LICENCE', value: 'L1zenz-geheim' }]
    const after = script('echo $HDCS_USER has $LICENCE')
    const pool = await poolOf('tried', { after, secrets })
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    const id = desktop?.id ?? ''
    const task = await scriptTry(site.broker, admin, id, { ...own(''), text: undefined, script: 'after' })
    expect(await ended(admin, task.id)).toMatchObject({ kind: 'desktop.script', state: 'succeeded' })
    const { items, summary } = await taskStory(site.broker, admin, task.id)
    expect(items.map(({ text }) => text)).toContain('trial | root has ••••••')
    expect(summary.steps.at(-1)).toMatchObject({ name: 'trial', state: 'done', exitCode: 0 })
    expect(await desktopGet(site.broker, admin, id)).toMatchObject({ phase: 'ready' })
  })

  it('that fails says how; the desktop is as it was', async () => {
    const pool = await poolOf('tried-badly', {})
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    const id = desktop?.id ?? ''
    const task = await scriptTry(site.broker, admin, id, own('echo no licence\nexit 3'))
    expect(await ended(admin, task.id)).toMatchObject({
      state: 'failed',
      error: { code: 'setup_failed', text: 'The script ended with exit code 3. Its last line: no licence' },
    })
    expect(await desktopGet(site.broker, admin, id)).toMatchObject({ phase: 'ready', trouble: null })
    const neither = scriptTry(site.broker, admin, id, { ...own(''), text: undefined })
    await expect(neither).rejects.toMatchObject({ code: 'invalid' })
  })

  it('goes on under the next agent of its host, and is not begun again', async () => {
    const pool = await poolOf('tried-on', {})
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    const task = await scriptTry(site.broker, admin, desktop?.id ?? '', own('echo once\nsleep 1'))
    await site.agentStart(0)
    expect(await ended(admin, task.id)).toMatchObject({ state: 'succeeded' })
    expect(await runsOf(desktop?.id ?? '')).toMatchObject([{ step: 'trial', exit_code: 0, output: 'once\n' }])
  })

  it('is refused while somebody is connected, unless that is said', async () => {
    const pool = await poolOf('tried-used', {})
    await readyIn(pool.id)
    const [desktop] = await desktopsOf(pool.id)
    const id = desktop?.id ?? ''
    await site.broker.db
      .updateTable('desktop')
      .set({ observed_clients: 1 } as never)
      .where('id', '=', id)
      .execute()
    await expect(scriptTry(site.broker, admin, id, own('true'))).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('somebody is connected'),
    })
    const task = await scriptTry(site.broker, admin, id, { ...own('true'), whileUsed: true })
    expect(await ended(admin, task.id)).toMatchObject({ state: 'succeeded' })
  })
})
