import { afterAll, beforeAll, expect, it } from 'vitest'
import { layoutFaults } from '../support/browser.ts'
import { open, openPortal, type Portal } from '../support/portal.ts'

let portal: Portal

beforeAll(async () => {
  portal = await openPortal('tasks')
})
afterAll(() => portal?.[Symbol.asyncDispose]())

async function demo() {
  const [pool] = (await portal.admin.poolList({ query: { name: 'demo' } })).items
  if (!pool) throw new Error('the first start makes a pool')
  return pool
}

it('finds a task by its state and kind, with keys alone, and reads its steps and log', async () => {
  const { page, context, faults } = await portal.signIn()
  const { desktop, task: claim } = await portal.admin.poolClaim({ params: { id: (await demo()).id } })
  const ended = ({ id }: { id: string }) => portal.admin.taskGet({ params: { id }, query: { wait: '30s' } })
  await ended(claim)
  const act = async (name: 'shutdown' | 'start') =>
    ended((await portal.admin.desktopAct({ params: { id: desktop.id, name } })).task)
  await act('shutdown')
  const task = await act('start')
  await open(page, '/admin')
  await page.getByRole('link', { name: 'Tasks', exact: true }).click()
  await page.getByRole('heading', { name: 'Tasks' }).waitFor()
  await page.getByRole('button', { name: 'State', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Ended', exact: true }).click()
  await page.getByRole('button', { name: 'Kind', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Start', exact: true }).click()
  const found = page.getByRole('table').getByRole('link', { name: /^Start · / })
  const others = page.getByRole('table').getByRole('link', { name: /^(Get|Shut|Push)/ })
  await expect.poll(() => others.count()).toBe(0)
  await found.first().waitFor()
  // The address holds the filters: it can be sent to a colleague.
  expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({ state: 'ended', kind: 'desktop.start' })
  await found.first().focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: `Start · ${task.subject.name}` }).waitFor()
  expect(new URL(page.url()).pathname).toBe(`/admin/tasks/${task.id}`)
  await page.getByRole('list', { name: 'Steps' }).getByRole('listitem').first().waitFor()
  const log = page.getByRole('log')
  await log.getByText(/Done$/).waitFor()
  // In words, not as the server names its steps.
  expect(await log.innerText()).not.toMatch(/ {2}(queue|start|boot|ready|done)\b/)
  expect(await page.getByRole('button', { name: 'Cancel task' }).count()).toBe(0)
  expect(await layoutFaults(page)).toEqual([])
  expect(faults).toEqual([])
  await context.close()
})

it('is led to a task by the tray, and calls it off after reading what that takes back', async () => {
  const { page, context, faults } = await portal.signIn()
  const { id } = await demo()
  const at = new Date(Date.now() + 3_600_000).toISOString()
  const made = await portal.admin.pushMake({ params: { id }, body: { version: 1, at } })
  if (!('task' in made)) throw new Error('it was only tried')
  await open(page, '/admin')
  await page.getByRole('button', { name: /running/ }).click()
  await page.getByRole('link', { name: 'Steps and log of Push a version · demo' }).click()
  await page.getByText('It begins at').waitFor()
  expect(new URL(page.url()).pathname).toBe(`/admin/tasks/${made.task.id}`)
  await page.getByRole('button', { name: 'Cancel task' }).click()
  const question = page.getByRole('dialog', { name: 'Cancel “Push a version · demo”?' })
  await question.getByText('stays on the version it has').waitFor()
  await question.getByRole('button', { name: 'Let it go on' }).click()
  await question.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Cancel task' }).click()
  await question.getByRole('button', { name: 'Cancel task' }).click()
  await question.waitFor({ state: 'detached' })
  await page.getByText('Cancelled', { exact: true }).first().waitFor()
  await page.getByRole('button', { name: 'Cancel task' }).waitFor({ state: 'detached' })
  expect(faults).toEqual([])
  await context.close()
})

it('says what is not there: no match, and a task that does not exist', async () => {
  const { page, context } = await portal.signIn()
  await open(page, '/admin/tasks')
  await page.getByRole('searchbox', { name: 'Search tasks' }).fill('nobody-has-this-name')
  await page.getByRole('heading', { name: 'Nothing matches' }).or(page.getByText('Nothing matches')).first().waitFor()
  await open(page, '/admin/tasks/01900000-0000-7000-8000-00000000dead')
  await page.getByText('The address may be old, or the thing was removed.').waitFor()
  await context.close()
})
