import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSimStorage } from '../../vmm/sim-file.ts'
import { simForeign } from '../../vmm/sim-foreign.ts'
import { makeSimHost, makeSimStorage, type SimStorage } from '../../vmm/sim-host.ts'
import { imageSpec, installationId, machineSpec } from '../vmm/wishes.ts'
import { describeHost, keepSent } from './host.ts'
import { poolSpec } from './host-volumes.ts'

async function underTest(storage: SimStorage, folder?: string) {
  const sent = new Map<string, Uint8Array>()
  const stranger = simForeign('sim', 'stranger')
  const host = makeSimHost({
    installationId,
    hostName: 'sim',
    storage,
    sendExport: keepSent(sent),
    foreign: [stranger],
  })
  return {
    host,
    again: async () => host,
    stranger: async () => makeSimHost({ installationId: crypto.randomUUID(), hostName: 'sim' }),
    image: imageSpec(),
    sent,
    foreign: async () => stranger.id,
    subnet: '10.200.0.0/24',
    machine: machineSpec(1),
    pool: poolSpec('/srv/contract'),
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]()
      if (folder) await rm(folder, { recursive: true })
    },
  }
}

describeHost('a simulated host', () => underTest(makeSimStorage()))

describeHost('a simulated host on a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hdcs-sim-'))
  return underTest(await openSimStorage(join(folder, 'simulated.json'), installationId), folder)
})
