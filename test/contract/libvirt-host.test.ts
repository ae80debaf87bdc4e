import { imageSpec, machineSpec, nicSpec } from '../vmm/wishes.ts'
import { foreignMake } from './foreign.ts'
import { describeHost, keepSent } from './host.ts'
import { poolSpec } from './host-volumes.ts'
import { realPlace } from './real.ts'

describeHost('QEMU under libvirt', async () => {
  const sent = new Map<string, Uint8Array>()
  const place = await realPlace('contract', { sendExport: keepSent(sent) })
  const opened = [await place.open()]
  const [host] = opened
  if (!host) throw new Error('no host')
  return {
    host,
    async again() {
      const fresh = await place.open()
      opened.push(fresh)
      return fresh
    },
    stranger: () => place.open(crypto.randomUUID()),
    image: imageSpec(),
    sent,
    foreign: () => foreignMake(place.folder),
    subnet: '10.249.0.0/28',
    machine: machineSpec(1, {
      id: crypto.randomUUID(),
      name: 'contract-1',
      nic: nicSpec('10.249.0.5'),
    }),
    pool: poolSpec(`${place.pools}/contract`),
    async [Symbol.asyncDispose]() {
      for (const each of opened) await each[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
    },
  }
})
