import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { layoutFaults, wide } from '../support/browser.ts'
import { open, openPortal, type Portal, personPassword } from '../support/portal.ts'

let portal: Portal

beforeAll(async () => {
  portal = await openPortal('admin')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

/** The administrator's own, which runs: what nobody has is its pool's to start and stop. */
async function owned() {
  const [demo] = (await portal.admin.poolList({ query: { name: 'demo' } })).items
  const params = { id: demo?.id ?? '' }
  // A test before gave it to one person alone.
  await portal.admin.entitlementSet({ params, body: { everyone: true } })
  const { desktop, task } = await portal.admin.poolClaim({ params })
  await portal.admin.taskGet({ params: { id: task.id }, query: { wait: '30s' } })
  return desktop
}

describe('an administrator', () => {
  it('makes a pool, changes it and removes it, and every page follows', async () => {
    const { page, context, faults } = await portal.signIn()
    await page.getByRole('link', { name: 'Console' }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.getByRole('link', { name: 'Pools', exact: true }).click()
    await page.getByRole('link', { name: 'New pool' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('Physics Lab')
    await page.getByRole('textbox', { name: 'Description' }).focus()
    await page.getByText('Lower-case letters, digits and dashes; 40 at most').waitFor()
    await page.getByRole('textbox', { name: 'Name' }).fill('physics-lab')
    await page.getByRole('textbox', { name: 'Description' }).fill('For the physics class')
    await page.getByRole('textbox', { name: 'At most' }).fill('4')
    await page.getByRole('button', { name: 'Make the pool' }).click()
    await page.getByRole('heading', { name: 'physics-lab' }).waitFor()

    await page.getByRole('link', { name: 'Edit' }).click()
    await page.getByRole('textbox', { name: 'At most' }).fill('5')
    await page.getByRole('button', { name: 'Save changes' }).click()
    await page.getByText('0 – 5').waitFor()

    await page.getByRole('tab', { name: 'Desktops' }).click()
    await page.getByRole('link', { name: 'physics-lab-001', exact: true }).waitFor()

    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog', { name: 'Delete physics-lab?' }).getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('link', { name: 'New pool' }).waitFor()
    await page.getByRole('link', { name: 'physics-lab' }).waitFor({ state: 'detached' })
    expect(faults).toEqual([])
    await context.close()
  })

  it('is told beside the field what the server refuses', async () => {
    const { page, context } = await portal.signIn()
    await open(page, '/admin/pools/new')
    await page.getByRole('textbox', { name: 'Name' }).fill('demo')
    await page.getByRole('button', { name: 'Make the pool' }).click()
    await page.locator('.mantine-InputWrapper-error', { hasText: 'A pool named demo already exists' }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/admin/pools/new')
    await context.close()
  })

  it('adds a person, whose password is shown once and works', async () => {
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/people')
    await page.getByRole('button', { name: 'New person' }).click()
    const dialog = page.getByRole('dialog', { name: 'New person' })
    await dialog.getByRole('textbox', { name: 'User name' }).fill('dora')
    await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill('Dora Lind')
    await dialog.getByRole('button', { name: 'Add' }).click()
    const password = await dialog.locator('pre').innerText()
    await dialog.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('link', { name: 'dora' }).waitFor()
    expect(await dialog.count()).toBe(0)
    const dora = await portal.signIn('dora', password)
    await dora.page.getByText('Somebody else has seen your password').waitFor()
    expect(faults).toEqual([])
    await dora.context.close()
    await context.close()
  })

  it('gives a pool to one person only, and the others no longer see it', async () => {
    await portal.person('erik')
    const { page, context } = await portal.signIn()
    await open(page, '/admin/pools')
    await page.getByRole('link', { name: 'demo' }).click()
    await page.getByRole('tab', { name: 'Who may use it' }).click()
    await page.getByRole('switch', { name: 'Everyone with an account' }).click()
    await page.getByText('Nobody may use it yet').waitFor()
    await page.getByRole('button', { name: 'Save access' }).click()
    await page.getByText('was saved').waitFor()
    const erik = await portal.signIn('erik', personPassword)
    await erik.page.getByText('No desktop for you yet').waitFor()

    // The portal is live: what is given turns up without a reload.
    await page
      .getByRole('combobox', { name: 'People' })
      .or(page.getByRole('textbox', { name: 'People' }))
      .click()
    await page.getByRole('option', { name: 'erik' }).click()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Save access' }).click()
    await erik.page.getByRole('button', { name: /^Get/ }).waitFor({ timeout: 10_000 })
    await erik.context.close()
    await context.close()
  })

  it('sees a desktop change its state without touching the page, and why', async () => {
    const { page, context, faults } = await portal.signIn()
    const desktop = await owned()
    await open(page, `/admin/desktops/${desktop.id}`)
    await page.getByRole('button', { name: 'Suspend' }).click()
    await page.getByRole('table').getByRole('cell', { name: 'Paused' }).first().waitFor({ timeout: 15_000 })
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Force off' }).click()
    const question = page.getByRole('dialog', { name: /^Force off/ })
    await question.getByText('it is like pulling the plug').waitFor()
    await page.keyboard.press('Escape')
    await question.waitFor({ state: 'detached' })
    expect(faults).toEqual([])
    await context.close()
  })

  it('gets the line that joins a server, and the trail of all that was done', async () => {
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/hosts')
    await page.getByRole('button', { name: 'Add a server', exact: true }).click()
    await page.getByRole('button', { name: 'Make the line' }).click()
    await page.getByText('Waiting for it to report').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Audit trail' }).click()
    await page.getByRole('cell', { name: 'joinTokenMake' }).waitFor()
    // All of it is in sight.
    const beyond = (table: HTMLElement) => table.offsetWidth - (table.parentElement?.clientWidth ?? 0)
    expect(await page.getByRole('table').evaluate(beyond)).toBeLessThanOrEqual(0)
    expect(faults).toEqual([])
    await context.close()
  })

  it('builds a template by one button and follows it until it can be used', async () => {
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/templates')
    await page.getByRole('button', { name: 'Build the Debian desktop' }).click()
    await page.getByRole('button', { name: 'Build it' }).click()
    await page.getByRole('heading', { name: 'debian-desktop' }).waitFor()
    await page.getByText('Ready to use').waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('uploads an image, which is checked and sealed, and removes it again', async () => {
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/templates')
    await page.getByRole('button', { name: 'Upload an image' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'New template' })
    await dialog.getByRole('textbox', { name: 'Name' }).fill('own-image')
    await dialog
      .locator('input[type=file]')
      .setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no image') })
    await dialog.getByRole('button', { name: 'Upload an image' }).click()
    await dialog.getByText('This kind of file is not known').waitFor()
    const image = Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(6 * 1024 * 1024, 7)])
    await dialog
      .locator('input[type=file]')
      .setInputFiles({ name: 'own.qcow2', mimeType: 'application/octet-stream', buffer: image })
    await dialog.getByRole('button', { name: 'Upload an image' }).click()
    await page.getByRole('heading', { name: 'own-image' }).waitFor()
    await page.getByText('Ready to use').waitFor()
    await page.getByRole('button', { name: 'Delete' }).first().click()
    await page.getByRole('dialog', { name: 'Delete own-image?' }).getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Templates' }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('sees why a template could not be made, on its page and first on the overview', async () => {
    const { page, context, faults } = await portal.signIn()
    await portal.admin.templateCreate({ body: { name: 'fail-image', source: { kind: 'recipe', recipe: 'tiny' } } })
    await open(page, '/admin')
    await page.getByText('fail-image version 1 could not be made').waitFor()
    await page.getByRole('link', { name: 'Look' }).click()
    await page.getByRole('heading', { name: 'fail-image' }).waitFor()
    await page.getByText('builder failed').first().waitFor()
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('Version 1 is being made anew').waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('is told why a template that is in use cannot be deleted', async () => {
    const { page, context } = await portal.signIn()
    await open(page, '/admin/templates')
    await page.getByRole('link', { name: 'tiny' }).click()
    const refused = page.getByRole('button', { name: 'Delete' }).first()
    await page.getByRole('link', { name: 'New pool' }).focus()
    await page.keyboard.press('Tab')
    expect(await refused.evaluate(element => element === document.activeElement)).toBe(true)
    await page
      .getByRole('tooltip')
      .filter({ hasText: /pools? use/ })
      .waitFor()
    expect(await refused.getAttribute('aria-disabled')).toBe('true')
    await context.close()
  })

  it('acts on many desktops at once, and says how many allow it', async () => {
    await owned()
    const { page, context, faults } = await portal.signIn()
    await open(page, '/admin/desktops')
    await page
      .getByRole('link', { name: /^demo-/ })
      .nth(1)
      .waitFor()
    await page.getByRole('checkbox', { name: 'Select all on this page' }).click()
    await page.getByText(/\d selected/).waitFor()
    await page.getByRole('button', { name: /^Shut down/ }).click()
    await page
      .getByRole('dialog', { name: /^Shut down/ })
      .getByRole('button', { name: 'Shut down' })
      .click()
    await page.getByText(/^Shut down: asked for/).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })

  it('is led back to the list from the address of what is not there', async () => {
    const { page, context } = await portal.signIn()
    for (const address of ['hosts/01900000-0000-7000-8000-000000000001', 'hosts/nonsense']) {
      await open(page, `/admin/${address}`)
      await page.getByRole('heading', { name: 'There is nothing here' }).waitFor()
      await page.getByRole('main').getByRole('link', { name: 'Hosts' }).click()
      await page.getByRole('heading', { name: 'Hosts', level: 1 }).waitFor()
    }
    for (const address of ['pools/01900000-0000-7000-8000-000000000001/edit', 'nowhere']) {
      await open(page, `/admin/${address}`)
      await page.getByRole('heading', { name: 'There is nothing here' }).waitFor()
      await page.getByRole('navigation').getByRole('link', { name: 'Pools' }).waitFor()
    }
    await open(page, '/desktop/01900000-0000-7000-8000-000000000001')
    await page.getByText('This desktop is no longer yours').waitFor()
    expect(await page.getByRole('button', { name: 'Connect again' }).count()).toBe(0)
    await open(page, '/admin/people?tab=nothing')
    await page.getByRole('tab', { name: 'People', selected: true }).waitFor()
    await context.close()
  })

  it('finds one of many pools by a part of its name, and the address says what was looked for', async () => {
    const { page, context, faults } = await portal.signIn()
    const [demo] = (await portal.admin.poolList({ query: { name: 'demo' } })).items
    const names = Array.from({ length: 9 }, (_, index) => `course-${index}`)
    const made = []
    for (const name of names)
      made.push(
        await portal.admin.poolCreate({
          body: { name, kind: 'floating', templateId: demo?.templateId ?? '', warm: 0 },
        }),
      )
    await open(page, '/admin')
    await page
      .getByRole('main')
      .getByRole('link', { name: /^All \d+ pools$/ })
      .click()
    await page.getByRole('searchbox', { name: 'Search pools' }).fill('se-7')
    await page.getByRole('link', { name: 'demo' }).waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'course-7' }).waitFor()
    await page.waitForURL(/q=se-7/)
    for (const { id } of made) await portal.admin.poolDelete({ params: { id } })
    expect(faults).toEqual([])
    await context.close()
  })

  it('reads names of one long word whole on a phone, in pages, lists and questions', async () => {
    const { page, context } = await portal.signIn('admin', undefined, { ...wide, width: 390, height: 844 })
    const [demo] = (await portal.admin.poolList({ query: { name: 'demo' } })).items
    const name = 'supercalifragilisticexpialidociouspoolxx'
    const { id } = await portal.admin.poolCreate({
      body: { name, kind: 'floating', templateId: demo?.templateId ?? '', warm: 0 },
    })
    await open(page, `/admin/pools?q=${name}`)
    const link = page.getByRole('link', { name })
    await link.waitFor()
    // Not in the narrow column of the labels.
    expect((await link.boundingBox())?.width).toBeGreaterThan(200)
    await link.click()
    await page.getByRole('heading', { name }).waitFor()
    expect(await layoutFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Delete' }).click()
    const title = page.getByRole('dialog').getByRole('heading')
    await title.waitFor()
    expect(await title.evaluate(element => element.scrollWidth - element.clientWidth)).toBe(0)
    await portal.admin.poolDelete({ params: { id } })
    await context.close()
  })

  it('finds a page, a pool and a desktop by typing Ctrl K', async () => {
    const { page, context } = await portal.signIn()
    await open(page, '/admin')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').fill('demo')
    await page.getByRole('option', { name: /demo.*Pool/ }).waitFor()
    await page
      .getByRole('option', { name: /demo-00/ })
      .first()
      .waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/admin\/pools\//)
    await context.close()
  })

  it('keeps the page and freezes its actions while the server is away, and goes on when it is back', async () => {
    const { page, context } = await portal.signIn()
    const pools = (await portal.admin.poolList()).items
    await open(page, `/admin/pools/${pools[0]?.id}`)
    await page.getByRole('heading', { name: 'demo' }).waitFor()
    await portal.product.kill()
    await page.getByText('Reconnecting…').waitFor({ timeout: 20_000 })
    await page.getByRole('heading', { name: 'demo' }).waitFor()
    await portal.product.start()
    await page.getByText('Reconnecting…').waitFor({ state: 'detached', timeout: 30_000 })
    await context.close()
  })
})
