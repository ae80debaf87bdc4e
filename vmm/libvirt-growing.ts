/** A guest that runs gets more vCPUs and memory from libvirt, and its agent brings them online where its system does not. */
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { checkGrowth } from './growing.ts'
import { memoryXml } from './hardware-xml.ts'
import type { GrownHardware, Host, IdleHardware } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { isLibvirt } from './libvirt/errors.ts'
import { affectFlags } from './libvirt/flags.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'
import type { RunningHardware } from './report.ts'

/** Plugging in takes 0.1 s; under emulation on a busy host some seconds. */
const plugMs = 60_000
const askSeconds = 5
/** A guest notices what was plugged in within a second: it is looked at so often, so many times. */
const lookMs = 250
const looks = 12

interface Vcpu {
  'logical-id': number
  online: boolean
  'can-offline'?: boolean
}
interface Block {
  'phys-index': number
  online: boolean
}

export function libvirtGrowing(
  daemon: LibvirtDaemon,
  domains: LibvirtDomains,
): Pick<Host, 'machineGrow' | 'guestUseAll'> {
  const hardwareOf = async (id: string): Promise<RunningHardware> => {
    const { hardware } = await domains.get(id)
    if (!hardware) throw new HdcsError('protocol', 'libvirt does not say how much the machine has.')
    return hardware
  }

  async function plugMemory(id: string, has: RunningHardware, to: GrownHardware): Promise<void> {
    const xml = memoryXml(has.memoryBytes, to.memoryBytes - has.memoryBytes).xml
    const attach = { domain: refOf(id), xml, flags: affectFlags.live }
    try {
      await daemon.actions.domainAttachDeviceFlags(attach, { timeoutMs: plugMs, lane: id })
    } catch (thrown) {
      // By an agent that was killed, a moment ago.
      if ((await hardwareOf(id)).memoryBytes < to.memoryBytes) throw thrown
    }
  }

  /** @returns null where its agent does not know the question. */
  async function ask<T>(id: string, execute: string, given?: object): Promise<T | null> {
    const command = JSON.stringify({ execute, ...(given && { arguments: given }) })
    const call = { domain: refOf(id), command, timeoutSeconds: askSeconds }
    try {
      // Its connection is its own, as that of pings: a guest that hangs holds no start and no person up.
      const options = { timeoutMs: (askSeconds + 1) * 1_000, lane: `grow ${id}` }
      const answer = await daemon.statistics.domainQemuAgentCommand(call, options)
      return (JSON.parse(answer ?? '{}') as { return?: T }).return ?? null
    } catch (thrown) {
      if (thrown instanceof Error && unknown.test(thrown.message)) return null
      if (isLibvirt(thrown, 'agentUnresponsive', 'agentUnsynced', 'operationTimeout'))
        throw new HdcsError('timeout', 'The guest’s agent does not answer.', { cause: thrown })
      throw thrown
    }
  }

  async function idleVcpus(id: string, vcpus: number): Promise<number> {
    const seen = await ask<Vcpu[]>(id, 'guest-get-vcpus')
    if (!seen) return 0
    const off = seen.filter(({ online }) => !online)
    const on = off.map(vcpu => ({ 'logical-id': vcpu['logical-id'], online: true }))
    const set = on.length > 0 ? await ask<number>(id, 'guest-set-vcpus', { vcpus: on }) : 0
    return Math.max(0, vcpus - (seen.length - off.length) - (set ?? 0))
  }

  async function idleMemory(id: string, memoryBytes: number): Promise<number> {
    const info = await ask<{ size: number }>(id, 'guest-get-memory-block-info')
    const seen = info && (await ask<Block[]>(id, 'guest-get-memory-blocks'))
    if (!info || !seen) return 0
    const off = seen.filter(({ online }) => !online)
    const blocks = off.map(block => ({ 'phys-index': block['phys-index'], online: true }))
    const set =
      blocks.length > 0
        ? await ask<{ response: string }[]>(id, 'guest-set-memory-blocks', { 'mem-blks': blocks })
        : null
    const came = set?.filter(({ response }) => response === 'success').length ?? 0
    return Math.max(0, memoryBytes - (seen.length - off.length + came) * info.size)
  }

  return {
    async machineGrow(id, to) {
      const has = await hardwareOf(id)
      checkGrowth(has, to)
      const { vcpus } = to
      if (vcpus > has.vcpus)
        await daemon.actions.domainSetVcpusFlags(
          { domain: refOf(id), vcpus, flags: affectFlags.live },
          { timeoutMs: plugMs, lane: id },
        )
      if (to.memoryBytes > has.memoryBytes) await plugMemory(id, has, to)
      return hardwareOf(id)
    },
    async guestUseAll(id) {
      let idle: IdleHardware = { vcpus: 0, memoryBytes: 0 }
      for (let look = 0; look < looks; look++) {
        const { vcpus, memoryBytes } = await hardwareOf(id)
        idle = { vcpus: await idleVcpus(id, vcpus), memoryBytes: await idleMemory(id, memoryBytes) }
        if (idle.vcpus === 0 && idle.memoryBytes === 0) break
        await pause(lookMs)
      }
      return idle
    },
  }
}

/** Of an agent that is older, of another system, or was told by its image not to. */
const unknown = /has been disabled|has not been found|CommandNotFound|not (currently )?supported|unsupported/i
