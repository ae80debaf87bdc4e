/** Switches hosts off and on: by the cluster's power command, on also by Wake-on-LAN. Each attempt is a task with its log. */
import { createSocket } from 'node:dgram'
import { nudge } from '../db/events.ts'
import { hostHistoryAdd } from '../db/host-history.ts'
import { taskLogAdd, taskSet } from '../db/tasks.ts'
import { transact } from '../db/transact.ts'
import type { Broker } from './broker.ts'
import { type CommandOutcome, commandRun } from './commands.ts'
import { taskOpen } from './tasks.ts'

/** Longer: a hanging power switch holds balancing up; shorter: slow ones are given up. */
const commandMs = 60_000
/** Where network cards listen for a magic packet, by custom. */
const wakePort = 9

export interface HostToSwitch {
  id: string
  name: string
  address: string
  /** For Wake-on-LAN; null: not known. */
  mac: string | null
  /** `cluster.power_command` */
  command: string | null
}

/** Why it cannot be switched off and on again; null: it can. */
export const powerRefused = ({ command }: Pick<HostToSwitch, 'command'>): string | null =>
  command === null ? 'its cluster has no power command' : null

/** Six times 0xff, then sixteen times the address. Pure. */
export function magicPacket(mac: string): Uint8Array {
  const address = mac.split(':').map(part => Number.parseInt(part, 16))
  return Uint8Array.from([...Array<number>(6).fill(0xff), ...Array.from({ length: 16 }, () => address).flat()])
}

const powerEvents = {
  on: { done: 'poweredOn', failed: 'powerOnFailed' },
  off: { done: 'poweredOff', failed: 'powerOffFailed' },
} as const

/** Opens a task and ends it with the command's own. Never throws for what the command does. */
export async function hostSwitch(
  broker: Broker,
  host: HostToSwitch,
  to: 'on' | 'off',
  because: string,
): Promise<boolean> {
  const subject = { type: 'host', id: host.id, name: host.name }
  const kind = to === 'on' ? 'host.powerOn' : 'host.powerOff'
  const begun = broker.clock.now()
  const task = await broker.db.transaction().execute(tx => taskOpen(tx, { kind, subject, requestedBy: null }, begun))
  await taskLogAdd(broker.db, task.id, because, begun)
  const outcome = await switched(host, to)
  for (const line of outcome.lines) await taskLogAdd(broker.db, task.id, line, broker.clock.now())
  const text = `${host.name} was not switched ${to}: ${outcome.lines.at(-1)}. Look at its power switch.`
  const ended = broker.clock.now()
  await transact(broker.db, async tx => {
    await taskSet(tx, task.id, {
      state: outcome.ok ? 'succeeded' : 'failed',
      progress: 100,
      error: outcome.ok ? null : { code: 'unreachable', text },
      finished_at: ended,
    })
    const told = outcome.ok ? { reason: because } : { reason: outcome.lines.at(-1) ?? '', amount: 1 }
    await hostHistoryAdd(tx, { hostId: host.id, what: powerEvents[to][outcome.ok ? 'done' : 'failed'], ...told }, ended)
  })
  await nudge(broker.db, 'tasks')
  return outcome.ok
}

async function switched({ command, name, address, mac }: HostToSwitch, to: 'on' | 'off'): Promise<CommandOutcome> {
  if (command !== null) return commandRun(command, [to, name, address], commandMs)
  if (to === 'on' && mac !== null) return wake(mac)
  return { ok: false, lines: ['there is neither a power command nor an address for Wake-on-LAN'] }
}

function wake(mac: string): Promise<CommandOutcome> {
  return new Promise(resolve => {
    const socket = createSocket('udp4')
    const end = (error: Error | null) => {
      socket.close()
      const text = error ? `the magic packet could not be sent (${error.message})` : `a magic packet went to ${mac}`
      resolve({ ok: error === null, lines: [text] })
    }
    socket.once('error', end)
    socket.bind(() => {
      socket.setBroadcast(true)
      socket.send(magicPacket(mac), wakePort, '255.255.255.255', end)
    })
  })
}
