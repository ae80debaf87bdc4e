import { expect, it } from 'vitest'
import { HdcsError } from '../../lib/errors.ts'
import { makeLog } from '../../lib/log.ts'
import { startAgentStorage } from '../../vmm/agent-storage.ts'
import { emptyWorld } from '../../vmm/agent-world.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import { poolSpec } from '../contract/host-volumes.ts'
import { until } from '../support/site.ts'

it('notices while it runs that a volume’s file, or its pool, is gone, and that it is back', async () => {
  await using host = makeSimHost({ installationId: crypto.randomUUID(), hostName: 'h1' })
  const away = new Set<string>()
  const unless = (name: string) => {
    if (away.has(name)) throw new HdcsError('not_found', `${name} is gone`)
  }
  const pool = poolSpec('/srv/shelf')
  const volume = {
    ...{ id: crypto.randomUUID(), name: 'data', poolId: pool.id, format: 'qcow2' as const },
    ...{ sizeBytes: 2 ** 20, made: false, gone: false },
  }
  const world = { ...emptyWorld('here'), storage: { pools: [pool], volumes: [volume] } }
  using storage = startAgentStorage({
    host: {
      ...host,
      storagePoolLook: async spec => {
        unless('pool')
        return host.storagePoolLook(spec)
      },
      storagePoolEnsure: async spec => {
        unless('pool')
        return host.storagePoolEnsure(spec)
      },
      volumeEnsure: async (spec, usedBy) => {
        unless('volume')
        return host.volumeEnsure(spec, usedBy)
      },
    },
    world,
    log: makeLog('test', 'silent'),
    nowMs: () => Date.now(),
    track: () => {},
    say: () => {},
    changed: () => {},
    lookMs: 10,
  })
  const is = (state: string, text?: string) =>
    until(state, async () => {
      const [said] = storage.report().volumes
      return said?.state === state && (text === undefined || said.trouble?.text === text)
    })
  storage.turn()
  await is('ready')
  for (const name of ['volume', 'pool']) {
    away.add(name)
    await is('failed', `${name} is gone`)
    expect(storage.isReady(volume.id)).toBe(false)
    away.clear()
    await is('ready')
    expect(storage.isReady(volume.id)).toBe(true)
  }
})
