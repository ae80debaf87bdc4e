/** Questions to a host that it answers at once: through its agent, whichever process that is connected to. */
import type { Principal } from '../auth/principal.ts'
import { hostRows } from '../db/hosts.ts'
import { operationAnswer, operationInsert, operationsForget } from '../db/tasks.ts'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { HostXml, MachineXml } from '../vmm/report.ts'
import type { Operation } from '../vmm/spec.ts'
import type { Broker } from './broker.ts'
import { desktopGet } from './desktops.ts'

/** A host that is there answers in milliseconds. Longer: a page waits for nothing; shorter: a busy host seems away. */
const answerMs = 10_000
/** Between two looks whether it answered. Shorter: more queries; longer: each question takes so much more. */
const lookMs = 20
/** A question so old was asked by a process that was killed. */
const staleMs = 60_000

/**
 * @param machineId null: about the host itself.
 * @throws HdcsError `not_found`, `unreachable` (lost, or no answer in time), and what the host says of why it cannot.
 */
export async function hostAsk(
  broker: Broker,
  ask: { hostId: string; machineId: string | null; name: Operation['name']; id?: string },
  signal: AbortSignal,
): Promise<Buffer> {
  const [host] = await hostRows(broker.db, { ids: [ask.hostId] })
  if (!host) throw new HdcsError('not_found', 'There is no such host.')
  const away = (text: string) =>
    new HdcsError('unreachable', `${host.name} ${text}: look whether it and its agent run.`)
  if (host.state === 'lost') throw away('is lost')
  const now = broker.clock.now()
  const { hostId: host_id, machineId: desktop_id, name, id = newId(now.getTime()) } = ask
  await broker.db.transaction().execute(tx => operationInsert(tx, { id, host_id, desktop_id, task_id: null, name }))
  try {
    for (const deadlineMs = Date.now() + answerMs; Date.now() < deadlineMs; await pause(lookMs, signal)) {
      if (signal.aborted) throw new HdcsError('cancelled', 'Nobody waits for the answer any more.')
      const answer = await operationAnswer(broker.db, id)
      if (answer?.trouble) throw new HdcsError(answer.trouble.code, answer.trouble.text)
      if (answer) return Buffer.from(answer.data ?? '', 'base64')
    }
    throw away(`did not answer within ${answerMs / 1000} s`)
  } finally {
    await operationsForget(broker.db, id, new Date(now.getTime() - staleMs))
  }
}

const parsed = <T>(answer: Buffer) => JSON.parse(answer.toString()) as T

/** A desktop's domain as libvirt has it in this moment, or as it would start. @throws HdcsError as `hostAsk`. */
export async function desktopXml(broker: Broker, principal: Principal, id: string, signal: AbortSignal) {
  const { hostId, hostName } = await desktopGet(broker, principal, id)
  if (hostId === null) throw new HdcsError('not_found', 'The desktop is on no host.')
  const answer = parsed<MachineXml>(await hostAsk(broker, { hostId, machineId: id, name: 'xml' }, signal))
  return { ...answer, hostName, readAt: broker.clock.now().toISOString() }
}

export async function hostXml(broker: Broker, id: string, signal: AbortSignal) {
  const answer = parsed<HostXml>(await hostAsk(broker, { hostId: id, machineId: null, name: 'hostXml' }, signal))
  return { ...answer, readAt: broker.clock.now().toISOString() }
}
