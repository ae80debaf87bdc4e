import { mkdirSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SessionStatus } from '../../spice/session.ts'
import { halves, words } from '../../vmm/sim-spice.ts'
import { startTestPages, type TestPages } from './browser.ts'
import { type Recorder, startRecorder } from './recorder.ts'
import { password, type Rig, startRig } from './rig.ts'

let pages: TestPages
let rig: Rig
let recorder: Recorder | undefined
let page: Page & { troubles: string[] }
beforeAll(async () => {
  pages = await startTestPages()
})
afterAll(() => pages[Symbol.asyncDispose]())
beforeEach(async () => {
  rig = await startRig({ name: 'demo-12' })
})
afterEach(async () => {
  await page.close()
  await recorder?.close()
  recorder = undefined
  await rig[Symbol.asyncDispose]()
})

const last = (): Promise<SessionStatus> => page.evaluate(() => window.seen.at(-1) as SessionStatus)
const reaches = (wanted: object) =>
  vi.waitFor(async () => expect(await last()).toMatchObject(wanted), { timeout: 20_000 })
/** The page against the recorder. */
async function openRecorded(
  options: Parameters<typeof startRecorder>[0],
  viewport?: { width: number; height: number },
) {
  const made = await startRecorder(options)
  recorder = made
  page = await pages.open(
    rig,
    async () => rig.url(await rig.ticket({ spice: { host: made.host, port: made.port, password } })),
    viewport,
  )
  await reaches({ state: 'ready' })
  await page.locator('canvas').focus()
  return made
}
const keysAre = (made: Recorder, keys: string) => vi.waitFor(() => expect(made.keys()).toBe(keys))

describe('a desktop in the browser', () => {
  it('is drawn by a worker under a strict policy, and typing changes the picture', async () => {
    page = await pages.open(rig, async () => rig.url(await rig.ticket()))
    await reaches({ state: 'ready', width: 800, height: 480, agent: false })
    const canvas = page.locator('canvas')
    await vi.waitFor(async () => expect((await page.evaluate(() => window.session.stats()))?.frames).toBeGreaterThan(0))
    const before = await canvas.screenshot()
    await page.keyboard.type('hello 42')
    await vi.waitFor(() => expect(rig.screen.typed()).toBe('HELLO 42'))
    await vi.waitFor(async () => expect((await canvas.screenshot()).equals(before)).toBe(false))
    mkdirSync('test/out', { recursive: true })
    await page.screenshot({ path: 'test/out/spice-session.png' })
    expect(await canvas.evaluate(element => (element as HTMLElement).style.cursor)).toMatch(/^url\("data:image\/png/)
    expect(await page.evaluate(() => window.session.stats())).toMatchObject({ skipped: {} })
    expect(page.troubles).toEqual([])
  })

  it('comes back by itself with a new ticket when the gateway went away', async () => {
    let tickets = 0
    page = await pages.open(rig, async () => {
      tickets++
      return rig.url(await rig.ticket())
    })
    await reaches({ state: 'ready' })
    rig.breakConnections()
    await vi.waitFor(async () =>
      expect((await page.evaluate(() => window.seen)).map(({ state }) => state)).toContain('reconnecting'),
    )
    await reaches({ state: 'ready' })
    expect(tickets).toBe(2)
    expect(await page.locator('canvas').count()).toBe(1)
  })

  it('does not fight for a desktop that was opened somewhere else', async () => {
    page = await pages.open(rig, async () => rig.url(await rig.ticket()))
    await reaches({ state: 'ready' })
    const first = page
    page = await pages.open(rig, async () => rig.url(await rig.ticket()))
    await reaches({ state: 'ready' })
    await vi.waitFor(async () =>
      expect(await first.evaluate(() => window.seen.at(-1))).toMatchObject({
        state: 'closed',
        reason: 'taken_over_or_off',
      }),
    )
    expect(await last()).toMatchObject({ state: 'ready' })
    await first.close()
  })

  it('follows a desktop that moved to another host, without anybody doing anything', async () => {
    const there = await startRig({ name: 'demo-12' })
    const spice = { host: there.screen.host, port: there.screen.port, password }
    const follow = async () => rig.url(await rig.ticket({ spice }))
    page = await pages.open(rig, async () => rig.url(await rig.ticket()), undefined, undefined, follow)
    await reaches({ state: 'ready' })
    await rig.screen.close()
    await vi.waitFor(async () => {
      const states = (await page.evaluate(() => window.seen)).map(({ state }) => state)
      expect(states.filter(state => state === 'ready').length).toBeGreaterThan(1)
      expect(states).not.toContain('closed')
    })
    await page.locator('canvas').focus()
    await page.keyboard.type('here')
    await vi.waitFor(() => expect(there.screen.typed()).toBe('HERE'))
    await there[Symbol.asyncDispose]()
  })

  it('says that a session was ended, and comes back when asked', async () => {
    // Every ticket is a session of its own, as the control plane makes them.
    let sessions = 0
    page = await pages.open(rig, async () => rig.url(await rig.ticket({ sessionId: `kicked-${++sessions}` })))
    await reaches({ state: 'ready' })
    rig.gateway.kick('kicked-1')
    await reaches({ state: 'closed', reason: 'ended' })
    await page.evaluate(() => window.session.reconnect())
    await reaches({ state: 'ready' })
    await page.evaluate(() => window.session.close())
    await reaches({ state: 'closed', reason: 'left' })
    expect(await page.locator('canvas').count()).toBe(0)
  })

  it('says so when the browser cannot draw in a worker', async () => {
    page = await pages.open(
      rig,
      async () => rig.url(await rig.ticket()),
      undefined,
      () => {
        HTMLCanvasElement.prototype.transferControlToOffscreen = () => {
          throw new Error('not here')
        }
      },
    )
    await reaches({ state: 'closed', reason: 'refused' })
    const code = await page.evaluate(() => {
      const status = window.seen.at(-1)
      return status?.state === 'closed' ? status.cause?.code : null
    })
    expect(code).toBe('unsupported')
    expect(await page.locator('canvas').count()).toBe(0)
  })

  it('waits for a desktop that does not answer', async () => {
    rig.screen.setPassword(null, new Date())
    page = await pages.open(rig, async () => rig.url(await rig.ticket()))
    await reaches({ state: 'reconnecting', reason: 'desktop_unreachable' })
    rig.screen.setPassword(password, new Date(Date.now() + 60_000))
    await reaches({ state: 'ready' })
  })
})

describe('keys', () => {
  it('go by their place: AltGr, Meta, Pause and Print are what the guest sees', async () => {
    const made = await openRecorded({})
    for (const key of ['KeyA', 'AltRight', 'MetaLeft', 'PrintScreen', 'Pause', 'NumpadEnter'])
      await page.keyboard.press(key)
    await keysAre(made, '1e 9e e0 38 e0 b8 e0 5b e0 db e0 37 e0 b7 e1 1d 45 e1 9d c5 e0 1c e0 9c')
  })

  it('are released when the page loses the focus, once', async () => {
    const made = await openRecorded({})
    await page.keyboard.down('ShiftLeft')
    await page.keyboard.down('KeyA')
    await page.evaluate(() => (document.activeElement as HTMLElement).blur())
    await keysAre(made, '2a 1e aa 9e')
    await page.keyboard.up('KeyA')
    await page.keyboard.up('ShiftLeft')
    await page.locator('canvas').focus()
    await page.keyboard.press('KeyB')
    await keysAre(made, '2a 1e aa 9e 30 b0')
  })

  it('are pressed in order and released in reverse by a button of the page', async () => {
    const made = await openRecorded({})
    await page.evaluate(() => window.session.keys('ControlLeft', 'AltLeft', 'Delete'))
    await keysAre(made, '1d 38 e0 53 e0 d3 b8 9d')
  })
})

describe('the pointer', () => {
  it("is where it is in the guest's own pixels, also in a canvas that was scaled down or up", async () => {
    const made = await openRecorded({ width: 2000, height: 1000 }, { width: 1000, height: 600 })
    await page.mouse.move(300, 200)
    await vi.waitFor(() => expect(made.pointer.at(-1)).toBe('move 600,400 buttons 0'))
    await page.mouse.move(2, 2)
    made.resize(500, 400)
    await reaches({ state: 'ready', width: 500, height: 400 })
    const box = await page.locator('canvas').boundingBox()
    expect(box).toMatchObject({ width: 750, height: 600 })
    await page.mouse.move((box?.x ?? 0) + 749, (box?.y ?? 0) + 599)
    await vi.waitFor(() => expect(made.pointer.at(-1)).toBe('move 499,399 buttons 0'))
  })

  it('keeps both buttons of a chord, and gathers small turns of the wheel', async () => {
    const made = await openRecorded({})
    await page.mouse.move(100, 100)
    made.clear()
    await page.mouse.down()
    await page.mouse.down({ button: 'right' })
    await page.mouse.up({ button: 'right' })
    await page.mouse.up()
    const presses = () => made.pointer.filter(line => !line.startsWith('move'))
    await vi.waitFor(() =>
      expect(presses()).toEqual([
        'press 1 buttons 1',
        'press 3 buttons 5',
        'release 3 buttons 1',
        'release 1 buttons 0',
      ]),
    )
    made.clear()
    for (let turn = 0; turn < 25; turn++) await page.mouse.wheel(0, 10)
    await page.mouse.wheel(0, -120)
    const down = ['press 5 buttons 16', 'release 5 buttons 0']
    await vi.waitFor(() => expect(presses()).toEqual([...down, ...down, 'press 4 buttons 8', 'release 4 buttons 0']))
  })
})

describe("the guest's agent", () => {
  const word = (body: Buffer, index: number) => body.readUInt32LE(4 * index)
  /** Clipboard by selection and demand, as spice-vdagent announces. */
  const capabilities = Buffer.from(new Uint32Array([0, (1 << 5) | (1 << 6)]).buffer)
  const grabUtf8 = Buffer.from(new Uint32Array([0, 1]).buffer)

  it('is asked for the resolution of the area, and again when that changes', async () => {
    const made = await openRecorded({ agent: true }, { width: 1280, height: 720 })
    const asked = () => made.agent.filter(({ type }) => type === 2).map(({ body }) => [word(body, 3), word(body, 2)])
    await vi.waitFor(() => expect(asked().at(-1)).toEqual([1280, 720]))
    await page.setViewportSize({ width: 1603, height: 901 })
    await vi.waitFor(() => expect(asked().at(-1)).toEqual([1600, 900]))
    await page.evaluate(() => window.session.setFollow(false))
    await page.evaluate(() => window.session.resize(640, 480))
    await vi.waitFor(() => expect(asked().at(-1)).toEqual([640, 480]))
  })

  it.each([20, 5_000, 100_000])('takes %i characters of text and hands as many back', async length => {
    const made = await openRecorded({ agent: true })
    const said = () => made.agent.filter(({ type }) => type !== 2).at(-1)
    const text = 'grüße € '.padEnd(length, 'x')
    made.tellAgent(6, capabilities)
    await vi.waitFor(() => expect(made.agent.some(({ type }) => type === 6)).toBe(true))
    await page.evaluate(offer => window.session.clipboardOffer(offer), text)
    await vi.waitFor(() => expect(said()).toMatchObject({ type: 7, body: grabUtf8 }))
    made.tellAgent(8, grabUtf8)
    await vi.waitFor(() => expect(said()?.type).toBe(4))
    expect(said()?.body.toString('utf8', 8)).toBe(text)

    made.tellAgent(7, grabUtf8)
    await vi.waitFor(() => expect(said()).toMatchObject({ type: 8, body: grabUtf8 }))
    made.tellAgent(4, Buffer.concat([grabUtf8, Buffer.from(text)]))
    await vi.waitFor(async () => expect(await page.evaluate(() => window.copied.at(-1))).toBe(text))
  })
})

describe('pictures that come rarely', () => {
  it('are drawn in their turn: a JPEG, then what was drawn over it while it was decoded', async () => {
    const made = await openRecorded({ width: 200, height: 100 })
    const jpeg = await page.evaluate(async () => {
      const context = new OffscreenCanvas(200, 100).getContext('2d') as OffscreenCanvasRenderingContext2D
      context.fillStyle = '#20c040'
      context.fillRect(0, 0, 200, 100)
      const blob = await context.canvas.convertToBlob({ type: 'image/jpeg', quality: 1 })
      return [...new Uint8Array(await blob.arrayBuffer())]
    })
    const box = words(0, 0, 100, 200)
    const image = Buffer.concat([
      Buffer.alloc(8),
      Buffer.from([105, 0]),
      words(200, 100, jpeg.length),
      Buffer.from(jpeg),
    ])
    made.tell(
      2,
      304,
      Buffer.concat([words(0), box, Buffer.alloc(1), words(57), box, halves(8), Buffer.alloc(14), image]),
    )
    // DRAW_FILL of the left half in red.
    made.tell(
      2,
      302,
      Buffer.concat([words(0, 0, 0, 100, 100), Buffer.from([0, 1]), words(0xff0000), halves(8), Buffer.alloc(13)]),
    )
    const colours = () =>
      page.evaluate(async () => {
        const shown = document.querySelector('canvas') as HTMLCanvasElement
        const context = new OffscreenCanvas(200, 100).getContext('2d') as OffscreenCanvasRenderingContext2D
        context.drawImage(shown, 0, 0)
        return [50, 150].map(x => [...context.getImageData(x, 50, 1, 1).data].map(value => Math.round(value / 16)))
      })
    await vi.waitFor(async () =>
      expect(await colours()).toEqual([
        [16, 0, 0, 16],
        [2, 12, 4, 16],
      ]),
    )
    expect((await page.evaluate(() => window.session.stats()))?.skipped).toEqual({})
  })
})

describe('sound', () => {
  const start = Buffer.concat([words(2), halves(1), words(48_000, 0)])
  const seconds = async () => (await page.evaluate(() => window.session.stats()))?.soundSeconds ?? 0
  /** A packet every 20 ms until enough was heard. */
  async function heard(made: Recorder, mode: number, packet: Buffer) {
    await vi.waitFor(() => expect(made.open()).toContain(5))
    await page.mouse.click(50, 50)
    const before = await seconds()
    made.tell(5, 102, Buffer.concat([words(0), halves(mode)]))
    made.tell(5, 103, start)
    await page.keyboard.press('KeyA')
    const timer = setInterval(() => made.tell(5, 101, Buffer.concat([words(0), packet])), 20)
    await vi
      .waitFor(async () => expect(await seconds()).toBeGreaterThan(before + 0.5), { timeout: 10_000 })
      .finally(() => clearInterval(timer))
    made.tell(5, 104, Buffer.alloc(0))
  }

  it('is played as Opus and as samples', async () => {
    const made = await openRecorded({})
    // The shortest packet there is: 20 ms of stereo silence (RFC 6716).
    await heard(made, 3, Buffer.from([0xfc, 0xff, 0xfe]))
    await heard(made, 1, Buffer.alloc(48 * 20 * 4))
    expect(page.troubles).toEqual([])
  })
})
