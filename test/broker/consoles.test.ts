/** A machine's serial console: its host and the page meet at a gateway, which knows neither. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Principal } from '../../auth/principal.ts'
import { desktopConsole } from '../../broker/consoles.ts'
import { desktopGet, desktopList } from '../../broker/desktops.ts'
import { systemClock } from '../../lib/clock.ts'
import { makeLog } from '../../lib/log.ts'
import { closeCodes } from '../../spice/close-codes.ts'
import { makeGateway } from '../../spice/gateway.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const { signal } = new AbortController()
const server = createServer()
let site: TestSite
let admin: Principal
let id: string
let name: string

beforeAll(async () => {
  site = await startSite()
  ;({ admin } = await siteWarm(site))
  const log = makeLog('gateway', 'silent')
  const gateway = makeGateway({ ticketKey: site.broker.ticketKey, clock: systemClock, log })
  server.on('upgrade', (request, socket, head) => void gateway.upgrade(request, socket, head))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  site.broker.gatewayUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const [desktop] = (await desktopList(site.broker, admin, { limit: 1 })).items
  id = desktop?.id ?? ''
  name = desktop?.name ?? ''
}, 60_000)
afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  server.close()
  server.closeAllConnections()
})

/** The page's end: what came so far, what it types, and how it was closed. */
async function opened() {
  const { webSocketUrl } = await desktopConsole(site.broker, admin, id, { origin: 'http://unused', signal })
  const socket = new WebSocket(webSocketUrl)
  let text = ''
  socket.on('message', data => (text += String(data)))
  const closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }))
  await once(socket, 'open')
  return {
    url: webSocketUrl,
    socket,
    closed,
    said: (part: string) => site.until(`it says “${part}”`, async () => text.includes(part)),
  }
}

it('carries what its machine writes and what is typed, both ways', async () => {
  const page = await opened()
  await page.said(`Simulated console of ${name}`)
  page.socket.send(Buffer.from('help\r'))
  await page.said('colours')
  page.socket.close()
  await page.closed
})

it('goes to the last who asks for it, and tells the one before why', async () => {
  const first = await opened()
  await first.said('Simulated')
  const second = await opened()
  expect(await first.closed).toEqual({ code: closeCodes.taken, reason: 'another has the console now' })
  await second.said('Simulated')
  second.socket.close()
})

it('opens nothing a second time, nor for who has another ticket', async () => {
  const page = await opened()
  for (const url of [page.url, page.url.replace('console=', 'console=x')]) {
    const again = new WebSocket(url)
    const [error] = await once(again, 'error')
    expect(String(error)).toContain('403')
  }
  page.socket.close()
})

it('ends with its machine', async () => {
  const page = await opened()
  await page.said('Simulated')
  site.hosts[0]?.guestCrash(id)
  expect(await page.closed).toMatchObject({ code: closeCodes.desktopClosed })
})

it('is for administrators: its person’s desktop says so', async () => {
  const person = await site.person('ana')
  const desktop = await desktopGet(site.broker, { ...person, permissions: new Set(['desktop.read']) }, id)
  expect(desktop.actions.find(action => action.name === 'console')).toMatchObject({ allowed: false })
})
