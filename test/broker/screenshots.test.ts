/** Small looks at a screen: taken while somebody looks, one for all who do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopClaimFor } from '../../broker/assignments.ts'
import { desktopAct, desktopGet, desktopList } from '../../broker/desktops.ts'
import { poolList } from '../../broker/pools.ts'
import { desktopScreenshot } from '../../broker/screenshots.ts'
import { encodePng, makePicture } from '../../vmm/sim-picture.ts'
import { startApi } from '../support/api.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let id: string
beforeAll(async () => {
  site = await startSite()
  ;({ admin } = await siteWarm(site))
  const [desktop] = (await desktopList(site.broker, admin, { limit: 1 })).items
  id = desktop?.id ?? ''
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const size = (png: Uint8Array) => {
  const bytes = Buffer.from(png)
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}

describe('a picture of a screen', () => {
  it('is one for all who look within two seconds, and says how old it is', async () => {
    let atMs = Date.now()
    const broker = { ...site.broker, clock: { now: () => new Date(atMs) } }
    const [one, two] = await Promise.all([desktopScreenshot(broker, admin, id), desktopScreenshot(broker, admin, id)])
    expect(size(one.png)).toEqual({ width: 800, height: 480 })
    expect(two.png).toBe(one.png)
    atMs += 1_900
    expect(await desktopScreenshot(broker, admin, id)).toEqual({ png: one.png, ageSeconds: 2 })
    atMs += 200
    expect((await desktopScreenshot(broker, admin, id)).png).not.toBe(one.png)
  })

  it('comes as PNG with its age, to administrators alone', async () => {
    await using api = await startApi({ broker: site.broker })
    const root = await api.person('boss', ['infrastructureAdministrator'])
    const { png, takenAt } = await root.client.screenshot(id)
    expect(png.type).toBe('image/png')
    expect(Date.now() - takenAt.getTime()).toBeLessThan(60_000)
    const auditor = await api.person('aud', ['auditor'])
    await expect(auditor.client.screenshot(id)).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('is not there, with the reason, where its host gives none or the machine stands still', async () => {
    // Another process, which has seen nothing yet.
    const broker = { ...site.broker }
    const [demo] = (await poolList(site.broker, admin, { limit: 1 })).items
    const blind = (await desktopClaimFor(site.broker, admin, demo?.id ?? '')).desktop.id
    await desktopAct(site.broker, admin, blind, 'poweroff')
    await site.until('it stands', async () => (await desktopGet(site.broker, admin, blind)).phase === 'stopped')
    await expect(desktopScreenshot(broker, admin, blind)).rejects.toMatchObject({ code: 'conflict' })
    await site.broker.db.updateTable('desktop').set({ name: 'no-picture' }).where('id', '=', blind).execute()
    await desktopAct(site.broker, admin, blind, 'start')
    await site.until('it runs', async () => (await desktopGet(site.broker, admin, blind)).phase === 'ready')
    await expect(desktopScreenshot(broker, admin, blind)).rejects.toMatchObject({
      message: expect.stringContaining('no picture'),
    })
  })
})

it('of a simulated machine is a PNG that browsers draw', () => {
  const picture = makePicture(3, 2)
  picture.pixels.fill(0x123456)
  expect(Buffer.from(encodePng(picture)).subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
  expect(size(encodePng(picture))).toEqual({ width: 3, height: 2 })
})
