/** An administrator's screen of any machine: it is shown to one at a time, and is nobody's session. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { makeGatewayHub } from '../../broker/gateways.ts'
import { poolList } from '../../broker/pools.ts'
import { screenGet, screenOpen } from '../../broker/screens.ts'
import { sessionConnect } from '../../broker/sessions.ts'
import { systemClock } from '../../lib/clock.ts'
import { makeLog } from '../../lib/log.ts'
import { closeCodes } from '../../spice/close-codes.ts'
import { makeGateway } from '../../spice/gateway.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const origin = 'http://unused'
const server = createServer()
let site: TestSite
let admin: Principal
let ana: Principal
let id: string
let name: string

beforeAll(async () => {
  site = await startSite()
  ;({ admin } = await siteWarm(site))
  const gateway = makeGateway({
    ticketKey: site.broker.ticketKey,
    clock: systemClock,
    log: makeLog('gateway', 'silent'),
  })
  const hub = makeGatewayHub(site.broker)
  // As a notification would: this gateway hears at once what is over.
  hub.attach({
    sessions: gateway.sessions,
    kick: over => over.forEach(one => void gateway.kick(one.id, one.taken)),
  })
  review = () => hub.review()
  server.on('upgrade', (request, socket, head) => void gateway.upgrade(request, socket, head))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  site.broker.gatewayUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  ana = await site.person('ana')
  const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
  const { desktop } = await desktopClaimFor(site.broker, ana, demo?.id ?? '')
  ;({ id, name } = desktop)
  await site.until('it is ready', async () => (await desktopGet(site.broker, ana, id)).phase === 'ready')
}, 60_000)
afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  server.close()
  server.closeAllConnections()
})
let review: () => Promise<void>

/** The main channel of a screen; `closed` says why it ended. */
async function opened(webSocketUrl: string) {
  const socket = new WebSocket(`${webSocketUrl}&channel=1.0`, 'binary')
  const closed = once(socket, 'close').then(([code]) => Number(code))
  await once(socket, 'message')
  return { socket, closed }
}
const session = async () => (await desktopGet(site.broker, admin, id)).session?.state ?? null
const clients = (count: number) =>
  site.until(`its host says that ${count} look`, async () => {
    const row = await site.broker.db
      .selectFrom('desktop')
      .select('observed_clients')
      .where('id', '=', id)
      .executeTakeFirst()
    return row?.observed_clients === count
  })
const watch = (take = false, desktopId = id) => screenOpen(site.broker, admin, desktopId, origin, { take })

describe('an administrator', () => {
  it('sees the screen of a desktop that nobody looks at, and its person is not connected by it', async () => {
    expect(await screenGet(site.broker, admin, id)).toEqual({ holder: null })
    const screen = await opened((await watch()).webSocketUrl)
    await clients(1)
    expect(await screenGet(site.broker, admin, id)).toMatchObject({
      holder: { userId: admin.userId, userName: admin.name, administrator: true },
    })
    expect(await session()).toBeNull()
    screen.socket.close()
    await clients(0)
    expect(await session()).toBeNull()
  })

  it('takes the screen from who looks at it only when that is said; they are told why', async () => {
    const { webSocketUrl, sessionId } = await sessionConnect(site.broker, ana, id, origin)
    const person = await opened(webSocketUrl)
    await site.until('she is connected', async () => (await session()) === 'connected')
    expect(await screenGet(site.broker, admin, id)).toMatchObject({ holder: { userName: 'ana', administrator: false } })
    await expect(watch()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('ana') })
    const taken = await watch(true)
    await review()
    expect(await person.closed).toBe(closeCodes.taken)
    // Her page asks so where the desktop ends her screen before the gateway hears of it.
    await expect(sessionConnect(site.broker, ana, id, origin, sessionId)).rejects.toMatchObject({ code: 'forbidden' })
    const screen = await opened(taken.webSocketUrl)
    await site.until('she is not connected', async () => (await session()) === 'disconnected')

    const again = await sessionConnect(site.broker, ana, id, origin)
    await review()
    expect(await screen.closed).toBe(closeCodes.taken)
    const back = await opened(again.webSocketUrl)
    await site.until('she is connected', async () => (await session()) === 'connected')
    back.socket.close()
  })

  it('sees what nobody has, and gives it to nobody by that', async () => {
    const { items } = await desktopList(site.broker, admin, { limit: 10 })
    const free = items.find(desktop => desktop.userId === null && desktop.power === 'running')?.id ?? ''
    const screen = await opened((await watch(false, free)).webSocketUrl)
    expect(await desktopGet(site.broker, admin, free)).toMatchObject({ userId: null, session: null, phase: 'ready' })
    screen.socket.close()
  })

  it('sees no screen of what does not run, nor does anybody who is none', async () => {
    const stranger = { ...ana, permissions: new Set(['desktop.read' as const]) }
    const seen = await desktopGet(site.broker, stranger, id)
    expect(seen.actions.find(action => action.name === 'screen')).toMatchObject({ allowed: false })
    await desktopAct(site.broker, ana, id, 'poweroff')
    await site.until('it stands still', async () => (await desktopGet(site.broker, ana, id)).phase === 'stopped')
    await expect(watch()).rejects.toMatchObject({ code: 'conflict', message: `${name}: it does not run.` })
  })
})
