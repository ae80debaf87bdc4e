/** Many hosts, for real: three libvirt hosts, live moves, cuts and power cuts, and a person who watches. */
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { connectDatabase, type Db } from '../../db/connect.ts'
import { settingInstallationId } from '../../db/settings.ts'
import { pause } from '../../lib/clock.ts'
import { launchBrowser, visit } from '../support/browser.ts'
import { fillSignIn, open, personPassword, screenOf, waitForScreen } from '../support/portal.ts'
import { until } from '../support/site.ts'
import { type LabCluster, startLabCluster } from './cluster.ts'
import { disksOf, type Guests, leasesHeld, watchGuests } from './guests.ts'

let site: LabCluster
let guests: Guests
let browser: Browser
let db: Db
let poolId: string
let page: Page
/** Whose desktop is her own, disk and all. */
const ana = { desktopId: '' }
const size = 12

beforeAll(async () => {
  site = await startLabCluster('acceptance', [
    { name: 'h1', cluster: 'main' },
    { name: 'h2', cluster: 'main' },
    { name: 'h3', cluster: 'second' },
  ])
  const socket = encodeURIComponent(join(site.product.folder, 'database', 'socket'))
  db = connectDatabase(`postgres://postgres@${socket}/postgres`, () => {
    // The control plane took its database down with it: the next question says so.
  })
  guests = watchGuests(site.lab, await settingInstallationId(db))
  browser = await launchBrowser()
  poolId = (await site.admin.poolList({ query: { name: 'demo' } })).items[0]?.id ?? ''
  await site.admin.userCreate({ body: { name: 'ana', password: personPassword, roles: ['person'] } })
  page = (await visit(browser, site.product.url)).page
}, 240_000)
afterAll(async () => {
  await browser?.close()
  await guests?.[Symbol.asyncDispose]()
  await db?.destroy()
  await site?.[Symbol.asyncDispose]()
}, 120_000)
afterEach(() => expect([...guests.twice]).toEqual([]))

const desktops = async () => (await site.admin.desktopList({ query: { limit: 200 } })).items
const anas = () => site.admin.desktopGet({ params: { id: ana.desktopId } })
/** Of her desktop's guest. */
const answerOf = (host: string, script: string) => {
  // libvirt hears of a guest's agent a moment after the guest came.
  const ask = () => guests.run(host, ana.desktopId, script).catch(() => undefined)
  return until('her guest answers', ask, 180_000)
}
const hostNamed = async (name: string) => {
  const [host] = (await site.admin.hostList({ query: { name } })).items
  if (!host) throw new Error(`no host ${name}`)
  return host
}
/** All wished desktops are ready, none anywhere else on its way. */
const settled = (timeoutMs: number, count = size) =>
  until(
    `${count} desktops are at rest`,
    async () => {
      const all = await desktops()
      const ready = all.filter(({ phase, move }) => phase === 'ready' && !move)
      return ready.length === all.length && ready.filter(one => one.poolId === poolId).length === count && ready
    },
    timeoutMs,
  ).catch(async error => {
    const rows = (await desktops()).map(
      one =>
        `${one.name} ${one.hostName} ${one.phase} ${one.reason} ${JSON.stringify(one.step ?? one.move)} ${one.trouble?.text}`,
    )
    throw new Error(rows.join('\n'), { cause: error })
  })

/** What is written of desktops is what is on the hosts: nothing lacks, nothing is left over. */
async function expectNoOrphans(): Promise<void> {
  const rows = await desktops()
  const wished = rows.map(({ id, hostName }) => `${hostName} ${id}`).sort()
  await until(
    'every host has exactly its desktops',
    async () => {
      const seen = await guests.seen()
      const there = [...seen].flatMap(([host, machines]) => machines.map(({ id }) => `${host} ${id}`)).sort()
      return JSON.stringify(there) === JSON.stringify(wished)
    },
    60_000,
  )
  for (const cluster of ['main', 'second']) {
    const here = new Set(site.lab.hosts.filter(host => host.cluster === cluster).map(({ name }) => name))
    const ids = rows.flatMap(({ id, hostName }) => (here.has(hostName ?? '') ? [id] : [])).sort()
    await until(
      `the storage of ${cluster} has exactly their disks`,
      async () => {
        const { disks, parts } = disksOf(site.lab, cluster)
        return JSON.stringify(disks.map(disk => disk.split('.')[0])) === JSON.stringify(ids) && parts.length === 0
      },
      60_000,
    )
    expect(leasesHeld(site.lab, cluster)).toBe(ids.length)
  }
  expect(new Set(rows.map(({ address }) => address)).size).toBe(rows.length)
  const ports = async () => db.selectFrom('screen_port').select(['desktop_id', 'host_id', 'port']).execute()
  await until(
    'every desktop has one screen port, on its host',
    async () => {
      const held = (await ports()).map(row => `${row.host_id} ${row.desktop_id}`).sort()
      return JSON.stringify(held) === JSON.stringify(rows.map(({ id, hostId }) => `${hostId} ${id}`).sort())
    },
    60_000,
  )
  const open = [...(await guests.seen())].flatMap(([host, machines]) =>
    machines.map(({ graphics }) => `${host} ${graphics?.port}`),
  )
  expect(new Set(open).size).toBe(open.length)
}

describe('three hosts', () => {
  it('join with their tokens, each into its cluster, with a network and a storage', async () => {
    const { items } = await site.admin.hostList()
    expect(items.map(({ name, state, siteName, clusterName }) => ({ name, state, siteName, clusterName }))).toEqual([
      { name: 'h1', state: 'online', siteName: 'main', clusterName: 'main' },
      { name: 'h2', state: 'online', siteName: 'main', clusterName: 'main' },
      { name: 'h3', state: 'online', siteName: 'second', clusterName: 'second' },
    ])
    expect(new Set(items.map(({ subnet }) => subnet)).size).toBe(3)
    expect(items.map(({ address }) => address)).toEqual(site.lab.hosts.map(({ address }) => address))
    const [h1, h2, h3] = items.map(({ storageId }) => storageId)
    expect(h1).toBe(h2)
    expect(h1).not.toBe(h3)
  })

  it(`share a pool of ${size}, evenly, and say why each desktop is where it is`, async () => {
    await until(
      'the template is sealed',
      async () => (await site.admin.poolGet({ params: { id: poolId } })).currentVersion === 1,
      120_000,
    )
    await until(
      'the template is on all three',
      async () => {
        const { desktops: places } = await site.admin.poolPlace({ params: { id: poolId }, body: {} })
        return places[0]?.hosts.every(({ fits }) => fits)
      },
      120_000,
    )
    await site.admin.poolUpdate({ params: { id: poolId }, body: { warm: size, maxSize: size } })
    const ready = await settled(280_000)
    const counts = Object.groupBy(ready, ({ hostName }) => hostName ?? '')
    expect(Object.keys(counts).sort()).toEqual(['h1', 'h2', 'h3'])
    for (const some of Object.values(counts)) expect(some?.length).toBeGreaterThanOrEqual(3)
    const [first] = ready
    const { items } = await site.admin.placementList({ params: { id: first?.id ?? '' } })
    expect(items.at(-1)).toMatchObject({ cause: 'make', hostName: first?.hostName })
    await expectNoOrphans()
  })

  it('give a person a desktop of her own, and show it to her', async () => {
    const [main] = (await site.admin.clusterList({ query: { name: 'main' } })).items
    const { templateId } = await site.admin.poolGet({ params: { id: poolId } })
    const clusterIds = main ? [main.id] : []
    const own = await site.admin.poolCreate({
      body: { name: 'own', kind: 'persistent', templateId, clusterIds, maxSize: 1 },
    })
    await site.admin.entitlementSet({ params: { id: own.id }, body: { everyone: true } })
    const client = await site.product.client('ana', personPassword)
    ana.desktopId = (await client.poolClaim({ params: { id: own.id } })).desktop.id
    await open(page, '/')
    await fillSignIn(page, 'ana', personPassword)
    await page.waitForURL(url => url.pathname !== '/login')
    await page.getByRole('link', { name: /^Open – / }).click({ timeout: 60_000 })
    await waitForScreen(page)
  })

  it('are emptied live, one of them, while a person watches a moving picture and loses nothing', async () => {
    await page.evaluate(() => Object.assign(window, { sameVisit: true }))
    const source = (await anas()).hostName ?? ''
    await guests.run(source, ana.desktopId, 'echo this boot >/run/mark')
    await using watching = watchPicture(page)
    const { id } = await hostNamed(source)
    const entered = await site.admin.hostEnterMaintenance({ params: { id }, body: { evacuate: true } })
    const taskId = 'task' in entered ? entered.task.id : ''
    await until(
      'the evacuation is done',
      async () => (await site.admin.taskGet({ params: { id: taskId } })).state === 'succeeded',
      180_000,
    ).catch(async error => {
      throw new Error(JSON.stringify(await site.admin.taskLog({ params: { id: taskId } })), { cause: error })
    })
    const target = (await anas()).hostName ?? ''
    expect(target).toBe(source === 'h1' ? 'h2' : 'h1')
    // What is in memory only came along: it is the same boot of the same guest.
    expect(await answerOf(target, 'cat /run/mark')).toBe('this boot')
    await waitForScreen(page)
    const seenBefore = watching.changes()
    await until('the picture moves on', async () => watching.changes() > seenBefore + 2)
    expect(await page.evaluate(() => 'sameVisit' in window)).toBe(true)
    expect(watching.longestStandstillMs()).toBeLessThan(15_000)
    expect((await guests.seen()).get(source)).toEqual([])
    await settled(200_000)
    await expectNoOrphans()
    await site.hostIs(source, 'maintenance')
  })

  it('give the desktops of one that is cut off new places, and it ends what it still has of them', async () => {
    for (const host of (await site.admin.hostList()).items.filter(({ state }) => state === 'maintenance')) {
      await site.admin.hostLeaveMaintenance({ params: { id: host.id }, body: {} })
      await site.hostIs(host.name, 'online')
    }
    const away = (await anas()).hostName ?? ''
    const there = (await desktops()).filter(({ hostName }) => hostName === away)
    await site.lab.cut(away)
    await site.hostIs(away, 'lost')
    await until(
      'all but the one whose disk the lost host still writes are elsewhere',
      async () => {
        const now = new Map((await desktops()).map(one => [one.id, one]))
        const moved = there.filter(({ id }) => now.get(id)?.hostName !== away)
        return there.filter(({ id }) => id !== ana.desktopId).every(({ id }) => moved.some(one => one.id === id))
      },
      60_000,
    )
    await site.lab.heal(away)
    await site.hostIs(away, 'online')
    await settled(200_000)
    await expectNoOrphans()
  })

  it('give the desktops of one that lost power new places, and a person hers with all she kept', async () => {
    // Half of them, because on two emulated cores each of them boots for seconds.
    const fewer = size / 2
    await site.admin.poolUpdate({ params: { id: poolId }, body: { warm: fewer, maxSize: fewer } })
    await settled(60_000, fewer)
    const away = (await anas()).hostName ?? ''
    await guests.run(away, ana.desktopId, 'echo hers >/data/kept; sync')
    await site.lab.kill(away)
    await page
      .getByText(/The server of your desktop does not answer|Your desktop is starting/)
      .waitFor({ timeout: 60_000 })
    const back = await until(
      'hers runs elsewhere',
      async () => {
        const one = await anas()
        return one.hostName !== away && one.phase === 'ready' && one
      },
      90_000,
    )
    expect(await answerOf(back.hostName ?? '', 'cat /data/kept')).toBe('hers')
    await waitForScreen(page)
    expect(await page.evaluate(() => 'sameVisit' in window)).toBe(true)
    await settled(200_000, fewer)
    await site.lab.start(away)
    await site.hostIs(away, 'online')
    await settled(60_000, fewer)
    await expectNoOrphans()
  })
})

/** Looks at the picture four times a second; while the page shows none, it stands still. */
function watchPicture(page: Page) {
  const ended = new AbortController()
  let last = ''
  let changes = 0
  let lastAtMs = performance.now()
  let longestMs = 0
  const looking = (async () => {
    while (!ended.signal.aborted) {
      const picture = await screenOf(page).catch(() => '') // the page draws its own words over it meanwhile
      const nowMs = performance.now()
      longestMs = Math.max(longestMs, nowMs - lastAtMs)
      if (picture !== '' && picture !== last) {
        last = picture
        lastAtMs = nowMs
        changes++
      }
      await pause(250, ended.signal)
    }
  })()
  return {
    changes: () => changes,
    longestStandstillMs: () => longestMs,
    async [Symbol.asyncDispose]() {
      ended.abort()
      await looking
    },
  }
}
