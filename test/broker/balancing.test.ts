import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { clusterBalancePlan } from '../../broker/balancing.ts'
import { commandRun } from '../../broker/commands.ts'
import { desktopList } from '../../broker/desktops.ts'
import { hostList } from '../../broker/hosts.ts'
import { poolGet, poolList, poolUpdate } from '../../broker/pools.ts'
import { magicPacket } from '../../broker/power.ts'
import { balanceReconciler } from '../../broker/reconcile/balance.ts'
import { newId } from '../../lib/ids.ts'
import { makeSimStorage } from '../../vmm/sim-storage.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const never = new AbortController().signal
const folder = mkdtempSync(join(tmpdir(), 'hdcs-power-'))
const command = join(folder, 'power')
const calls = join(folder, 'calls')
const called = () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [])

let site: TestSite
let admin: Principal
beforeAll(async () => {
  writeFileSync(command, `#!/bin/sh\necho "$@" >> ${calls}\n`)
  chmodSync(command, 0o755)
  const storage = makeSimStorage()
  site = await startSite({ sim: [{ storage }, { storage }] })
  admin = (await siteWarm(site)).admin
  // One on each: the first ones may both be where the image came first.
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  const { id = '' } = demo ?? {}
  for (const warm of [0, 2]) {
    await poolUpdate(site.broker, admin, id, { warm, minSize: warm })
    await site.until(`${warm} are warm`, async () => {
      const { counts } = await poolGet(site.broker, admin, id)
      return counts.ready === warm && counts.total === warm
    })
  }
}, 60_000)
afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

describe('a cluster of two nearly idle hosts', () => {
  it('plans nothing by itself, and says on request what it would do', async () => {
    const [host] = (await hostList(site.broker, admin, { limit: 2 })).items
    const plan = await clusterBalancePlan(site.broker, admin, host?.clusterId ?? '')
    expect(plan).toMatchObject({ steps: [], enabled: { rebalance: false, consolidate: false } })
    expect(plan.notes.join()).toContain('its cluster has no power command')
    await site.broker.db.updateTable('cluster').set({ power_command: command }).execute()
    const able = await clusterBalancePlan(site.broker, admin, host?.clusterId ?? '')
    expect(able.steps).toMatchObject([{ do: 'off' }])
    expect(called()).toEqual([])
  })

  it('leaves desktops where no other host may have them, and lets a host serve again that cannot be emptied', async () => {
    const { db } = site.broker
    const balance = JSON.stringify({ consolidate: { enabled: true } })
    await db.updateTable('cluster').set({ balance, power_command: command }).execute()
    await db
      .updateTable('pool')
      .set({ needs: ['gpu'] })
      .execute()
    const [host] = (await hostList(site.broker, admin, { limit: 2 })).items
    const plan = await clusterBalancePlan(site.broker, admin, host?.clusterId ?? '')
    expect(plan.steps).toEqual([])
    expect(plan.notes.join()).toContain('the host has no gpu')
    await db
      .updateTable('host')
      .set({ wished_off_at: new Date() })
      .where('id', '=', host?.id ?? '')
      .execute()
    await balanceReconciler(site.broker).step(never)
    expect((await db.selectFrom('host').select('wished_off_at').execute()).map(row => row.wished_off_at)).toEqual([
      null,
      null,
    ])
    expect(called()).toEqual([])
    await db.updateTable('pool').set({ needs: [] }).execute()
  })

  it('lets a desktop rest whose move failed', async () => {
    const { db } = site.broker
    const { items } = await desktopList(site.broker, admin, { limit: 10 })
    const [host] = (await hostList(site.broker, admin, { limit: 2 })).items
    const failed = items.map(({ id, hostId }) => ({
      id: newId(Date.now()),
      desktop_id: id,
      from_host_id: hostId,
      to_host_id: host?.id ?? '',
      from_name: '',
      to_name: '',
      kind: 'live' as const,
      cause: 'consolidation' as const,
      reason: 'it is emptied',
      state: 'failed' as const,
      trouble: JSON.stringify({ code: 'timeout', text: 'The line broke.' }),
      ended_at: new Date(),
    }))
    await db.insertInto('migration').values(failed).execute()
    const plan = await clusterBalancePlan(site.broker, admin, host?.clusterId ?? '')
    await db.deleteFrom('migration').execute()
    expect(plan.notes.join()).toContain('stays: its last move did not come about and it rests: The line broke.')
  })

  it('empties one, switches it off, places nothing there, and switches it on when it is not to save any more', async () => {
    const balance = JSON.stringify({ consolidate: { enabled: true } })
    await site.broker.db.updateTable('cluster').set({ balance, power_command: command }).execute()
    let minute = 0
    const clock = { now: () => new Date(Date.now() + minute * 60_000) }
    const reconciler = balanceReconciler({ ...site.broker, clock })
    await reconciler.step(never)
    expect(
      (await site.broker.db.selectFrom('host').select('wished_off_at').execute()).map(row => row.wished_off_at),
    ).toEqual([null, null])
    minute = 31
    await reconciler.step(never)
    const off = await site.broker.db
      .selectFrom('host')
      .select(['id', 'name'])
      .where('wished_off_at', 'is not', null)
      .executeTakeFirstOrThrow()
    await site.until('its desktops have left and its power went', async () => {
      await reconciler.step(never)
      return called().length > 0
    })
    expect(called()).toEqual([`off ${off.name} 127.0.0.1`])
    const { items } = await desktopList(site.broker, admin, { limit: 10 })
    expect(items.filter(({ hostId }) => hostId === off.id)).toEqual([])
    expect(items.every(({ phase }) => phase === 'ready')).toBe(true)
    await site.broker.db.updateTable('cluster').set({ balance: '{}' }).execute()
    await site.agentStop(Number(off.name.slice(-1)) - 1)
    await reconciler.step(never)
    expect(called()).toEqual([`off ${off.name} 127.0.0.1`, `on ${off.name} 127.0.0.1`])
    const on = await site.broker.db
      .selectFrom('host')
      .select('wished_off_at')
      .where('id', '=', off.id)
      .executeTakeFirst()
    expect(on?.wished_off_at).toBeNull()
  }, 60_000)
})

describe('a command', () => {
  it('is run without a shell, without our environment, with a deadline, and its words are kept', async () => {
    const script = join(folder, 'told')
    writeFileSync(script, '#!/bin/sh\necho "$1|$2|$HOME|$HDCS_DATABASE_URL"\nprintf "a\\033[1mb\\n" >&2\n')
    chmodSync(script, 0o755)
    const outcome = await commandRun(`${script} one`, ['$(id); two'], 5_000)
    expect(outcome).toEqual({ ok: true, lines: ['one|$(id); two||', 'a [1mb', 'it ended well'] })
    writeFileSync(script, '#!/bin/sh\nexec sleep 60\n')
    const late = await commandRun(script, [], 100)
    expect(late).toMatchObject({ ok: false, lines: [expect.stringContaining('took longer')] })
    expect(await commandRun(join(folder, 'none'), [], 100)).toMatchObject({ ok: false })
  })

  it('is not needed to wake a host: a magic packet is six times 255 and sixteen times its address', () => {
    const packet = magicPacket('52:54:00:01:02:03')
    expect(packet).toHaveLength(102)
    expect([...packet.slice(0, 12)]).toEqual([255, 255, 255, 255, 255, 255, 0x52, 0x54, 0, 1, 2, 3])
    expect([...packet.slice(-6)]).toEqual([0x52, 0x54, 0, 1, 2, 3])
  })
})
