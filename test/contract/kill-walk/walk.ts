/**
 * The control plane is killed before every change of the database that an operation makes it do, one after the other; a
 * new one takes over the same database and the same hosts. The list of fault points is what the operation really ran, read
 * off an undisturbed run. What is left between two changes is the same wherever it ends there; three operations, one of each
 * kind, are walked through at every statement all the same. Agents' own fault points are walked in test/vmm/agent-faults.test.ts and agent-move-faults.test.ts.
 */
import { expect } from 'vitest'
import type { Statement } from '../../support/mortal-database.ts'
import { until } from '../../support/site.ts'
import type { Clients, KillWorld } from './world.ts'

export interface Operation {
  /** All it asks of the API that writes: what the undisturbed run is held to. */
  asks: readonly string[]
  /** Walked at every statement, reads and those of a transaction that is not committed yet included. */
  everyStatement?: true
  /** Runs it to its end, all of it on one control plane. */
  run(ask: Clients): Promise<unknown>
  /** Whatever it came to before: back to where the next run begins. */
  restore(ask: Clients): Promise<unknown>
}

/** Commits of one kind each make a new state; more of them are no other fault point. */
const commitsWalked = 3

/** @throws what a kill left behind, and at which point. */
export async function walk(world: KillWorld, operation: Operation): Promise<void> {
  const points: Statement[] = []
  await operation.restore(world.clients())
  await world.settled()
  world.asked.clear()
  world.mortal().arm(statement => {
    const { name, count, changes } = statement
    const most = changes && name.startsWith('commit') ? commitsWalked : 1
    const walked = changes || (operation.everyStatement && !name.startsWith('begin'))
    if (walked && count <= most) points.push(statement)
    return false
  })
  await operation.run(world.clients())
  expect([...world.asked].sort()).toEqual([...operation.asks].sort())
  await world.settled()
  // What is asked from here on is ours, not the operation's.
  world.mortal().arm(() => false)
  await world.expectNoOrphans()
  await operation.restore(world.clients())
  await world.settled()
  // Some belong to beats and timers and come or do not come; the walk is worth nothing without most of them.
  const most = (missed: Statement[]) => missed.length < points.length * 0.4
  let missed = await killedBefore(world, operation, points)
  if (!most(missed)) missed = await killedBefore(world, operation, missed)
  console.info(`${points.length - missed.length} of ${points.length} fault points`)
  expect(missed).toSatisfy(most)
}

/** @returns the points that did not come. */
async function killedBefore(world: KillWorld, operation: Operation, points: Statement[]): Promise<Statement[]> {
  const missed: Statement[] = []
  for (const point of points) {
    const { name, count } = point
    const mortal = world.mortal()
    mortal.arm(statement => statement.name === name && statement.count === count)
    const whole = operation.run(world.clients()).then(world.settled)
    // Refused or cut off in the middle: whoever asked sees an error, and asks again.
    const error = await Promise.race([whole.catch((thrown: Error) => thrown), mortal.dead])
    if (mortal.isDead()) await world.controlAgain()
    else if (error) {
      const still = await world.restless()
      throw new Error(`not killed before ${name}#${count}, and ${error.message}: ${still.join('; ')}`, { cause: error })
    } else missed.push(point)
    world.mortal().arm(() => false)
    await checked(`killed before ${name}#${count}`, async () => {
      await operation.restore(world.clients())
      await world.settled()
      await world.expectNoOrphans()
    })
  }
  return missed
}

async function checked(when: string, work: () => Promise<void>): Promise<void> {
  await work().catch(cause => {
    throw new Error(`${when}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  })
}

/** Waits for the end of a receipt. @throws when it did not succeed. */
export async function done(ask: Clients[keyof Clients], task: { id: string }): Promise<void> {
  const ended = await ask.taskGet({ params: { id: task.id }, query: { wait: '20s' } })
  if (ended.state === 'succeeded') return
  throw new Error(`${ended.kind} ${ended.state}: ${ended.error?.text ?? JSON.stringify(ended.steps)}`)
}

/** Asked again by somebody who was cut off: refused means that it is as wished, or about to be. */
export const refused = (error: { code?: string }) => void expect(['conflict', 'not_found']).toContain(error.code)

/** Every desktop of a person's is given back or removed, and what is in the recycle bin too. */
export async function allGivenBack(world: KillWorld, { root }: Clients, poolId: string): Promise<void> {
  const left = async () => {
    const { items } = await root.desktopList({ query: { poolId, limit: 50 } })
    return items
  }
  for (const { id } of await left()) await root.desktopAct({ params: { id, name: 'delete' } }).catch(refused)
  await until('they are gone', async () => (await left()).length === 0)
  const { items } = await root.desktopList({ query: { binned: true, limit: 50 } })
  for (const { id } of items) await root.desktopAct({ params: { id, name: 'purge' } }).catch(refused)
  await world.settled()
}

const poolNamed = async ({ root }: Clients, name: string) => {
  const { items } = await root.poolList({ query: { name } })
  return items[0]
}
export const poolGone = (ask: Clients, name: string) =>
  until('the pool is gone', async () => (await poolNamed(ask, name)) === undefined)
/** Removed with all that is in it, whatever it was in the middle of. */
export const poolAway = (name: string) => async (ask: Clients) => {
  const left = await poolNamed(ask, name)
  if (left) await ask.root.poolDelete({ params: { id: left.id }, query: { force: true } }).catch(refused)
  await poolGone(ask, name)
}
