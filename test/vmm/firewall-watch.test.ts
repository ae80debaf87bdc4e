import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { makeRulesWatch } from '../../vmm/firewall-watch.ts'
import { startNetWorld } from '../support/net-world.ts'
import { installationId } from './wishes.ts'

it('hears of changes of its own table alone', async () => {
  await using world = await startNetWorld(installationId, { supernet: '10.128.0.0/14', subnet: '10.128.4.0/22' })
  using watch = makeRulesWatch(world.enter, 'hdcs-watched')
  const nft = (...args: string[]) => {
    const [enter = '', ...rest] = [...world.enter, 'nft', ...args]
    return promisify(execFile)(enter, rest)
  }
  /** Ends with the test's own deadline: a monitor needs some milliseconds to begin and to tell. */
  const until = async (quiet: boolean) => {
    while (watch.quiet() !== quiet) await sleep(100)
  }
  expect(watch.quiet()).toBe(false)
  await until(true)
  for (let round = 0; round < 2; round++) {
    await nft('add', 'table', 'inet', 'hdcs-watched')
    await nft('add', 'chain', 'inet', 'hdcs-watched', 'one')
    await until(false)
    await until(true)
    await nft('flush', 'ruleset')
    await until(false)
    await until(true)
  }
  await nft('add', 'table', 'inet', 'somebody')
  await sleep(500)
  expect(watch.quiet()).toBe(true)
})
