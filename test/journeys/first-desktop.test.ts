import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectDaemon } from '../../vmm/libvirt/daemon.ts'
import { openPortal, type Portal, personPassword, screenOf, waitForScreen } from '../support/portal.ts'
import { until } from '../support/site.ts'

/** The main job on real parts: PostgreSQL, libvirt, QEMU, SPICE, Chromium. */
let portal: Portal
let poolId: string

beforeAll(async () => {
  portal = await openPortal('first', 0)
  const { admin } = portal
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  poolId = demo?.id ?? ''
  await admin.poolUpdate({ params: { id: poolId }, body: { warm: 2, maxSize: 2 } })
  for (const name of ['ana', 'ben', 'cas']) await portal.person(name)
  await until(
    'two desktops are warm',
    async () => (await admin.poolGet({ params: { id: poolId } })).counts.ready === 2,
    240_000,
  )
}, 300_000)
afterAll(() => portal?.[Symbol.asyncDispose]())

const desktopOf = async (name: string) => {
  const found = (await portal.admin.desktopList({ query: {} })).items.find(({ userName }) => userName === name)
  if (!found) throw new Error(`${name} has no desktop`)
  return found
}

/** Whether a file is on a desktop, asked through its guest agent: nothing of ours tells it. */
async function hasFile(desktopId: string, path: string): Promise<boolean> {
  await using daemon = await connectDaemon()
  const domain = { name: '', uuid: desktopId, id: -1 }
  const command = JSON.stringify({ execute: 'guest-file-open', arguments: { path, mode: 'r' } })
  return await daemon.actions
    .domainQemuAgentCommand({ domain, command, timeoutSeconds: 10 }, { timeoutMs: 15_000 })
    .then(
      () => true,
      error => {
        if (String((error as Error).message).includes('No such file')) return false
        throw error
      },
    )
}

const typeLine = async (page: Awaited<ReturnType<Portal['signIn']>>['page'], text: string) => {
  await page.keyboard.type(text, { delay: 30 })
  await page.keyboard.press('Enter')
}

describe('the first desktop', () => {
  it('is got with one click, drawn, and reacts to typing', async () => {
    const { page, context, faults } = await portal.signIn('ana', personPassword)
    await page.getByRole('button', { name: /^Get/ }).click()
    await page.waitForURL(/\/desktop\//)
    await waitForScreen(page)
    const before = await screenOf(page)
    // No shifted letters: Playwright's keyboard types them without Shift.
    await typeLine(page, 'touch /data/home/secret')
    await expect.poll(() => screenOf(page), { timeout: 15_000 }).not.toBe(before)
    const { id } = await desktopOf('ana')
    await until('the file is on the disk', () => hasFile(id, '/data/home/secret'))
    await page.screenshot({ path: 'test/out/first-desktop.png' })
    expect(faults).toEqual([])
    await context.close()
  })

  it('of a second person is another one', async () => {
    const { page, context } = await portal.signIn('ben', personPassword)
    await page.getByRole('button', { name: /^Get/ }).click()
    await page.waitForURL(/\/desktop\//)
    await waitForScreen(page)
    expect((await desktopOf('ben')).id).not.toBe((await desktopOf('ana')).id)
    await context.close()
  })

  it('given back is remade: its next person finds nothing of the last', async () => {
    const { id } = await desktopOf('ana')
    const ana = await portal.product.client('ana', personPassword)
    await ana.desktopAct({ params: { id, name: 'release' } })
    const cas = await portal.product.client('cas', personPassword)
    const { desktop } = await until(
      'cas gets the only one left',
      () => cas.poolClaim({ params: { id: poolId } }).catch(exhausted),
      120_000,
    )
    expect(desktop.id).toBe(id)
    await until('it is ready', async () => (await cas.desktopGet({ params: { id } })).phase === 'ready', 120_000)
    expect(await hasFile(id, '/data/home/secret')).toBe(false)
    expect(await hasFile(id, '/data/boots')).toBe(true)
  })
})

const exhausted = (error: { code?: string }) => {
  if (error.code === 'pool_exhausted') return undefined
  throw error
}
