/** Receipts of power switching (power.ts) that a process left open which ended meanwhile. */
import { taskLogAdd, taskSet, tasksOpen } from '../db/tasks.ts'
import type { Broker } from './broker.ts'

const kinds = ['host.powerOn', 'host.powerOff']

/** Ends them. Only the process that leads switches hosts: when it begins, nobody is at any. */
export async function powerReceiptsEnd(broker: Broker): Promise<void> {
  const left = (await tasksOpen(broker.db)).filter(({ kind }) => kinds.includes(kind))
  for (const task of left) {
    const now = broker.clock.now()
    const text = `Nobody knows whether ${task.subject_name} was switched: the control plane ended meanwhile. It is tried again while it is wished.`
    const error = { code: 'unreachable' as const, text }
    await taskSet(broker.db, task.id, { state: 'failed', progress: 100, error, finished_at: now })
    await taskLogAdd(broker.db, task.id, text, now)
  }
}
