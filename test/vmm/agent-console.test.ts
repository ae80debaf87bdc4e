import { expect, it } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { consoleBring } from '../../vmm/agent-console.ts'
import type { Host } from '../../vmm/host.ts'

/** A host as libvirt is: it ends the stream before, and says no more of it. */
function silentHost() {
  let end = () => {}
  const consoleOpen: Host['consoleOpen'] = async id => {
    if (id === 'off') throw new Error('it does not run')
    end()
    const over = new Promise<void>(resolve => (end = resolve))
    return {
      // biome-ignore lint/correctness/useYield: it writes nothing
      output: (async function* () {
        await over
      })(),
      write: async () => {},
      [Symbol.asyncDispose]: async () => end(),
    }
  }
  return { host: { consoleOpen } as Host, end: () => end() }
}

/** @returns what its page is told at the end. */
async function brought(host: Host, id: string, machineId = 'm') {
  const { promise: closed, resolve } = Promise.withResolvers<number>()
  const never = new Promise<void>(() => {})
  await consoleBring({
    host,
    operation: { id, machineId, name: 'console', console: { ticket: 't', gatewayUrl: null } },
    dialConsole: async () => ({
      send: async () => {},
      close: code => resolve(code),
      // biome-ignore lint/correctness/useYield: nobody types
      input: (async function* () {
        await never
      })(),
    }),
    log: makeLog('test', 'silent'),
  })
  return closed
}

it('tells who lost a console that another took it, though its host does not', async () => {
  const { host, end } = silentHost()
  const first = brought(host, '1')
  await expect(brought(host, '2', 'off')).rejects.toThrow()
  const second = brought(host, '3')
  expect(await first).toBe(4009)
  end()
  expect(await second).toBe(4000)
})
