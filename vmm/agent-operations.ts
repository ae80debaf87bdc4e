/** Things to be done once, with an answer. The same id asked again (a lost connection) is answered, not done, again. */
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type ConsoleDial, consoleBring } from './agent-console.ts'
import type { Reporter } from './agent-reporter.ts'
import { scriptRun } from './agent-scripts.ts'
import type { Host } from './host.ts'
import type { FromAgent } from './protocol.ts'
import type { MachineSpec, Operation } from './spec.ts'

/** A whole screen of photographs. Higher: one picture holds up the line to the control plane, and its database. */
const mostPictureBytes = 6 * 2 ** 20
/** Answers kept for questions that come again. Fewer: a long outage could repeat a reboot. */
const keptAnswers = 500

const machineOf = ({ machineId }: Operation): string => {
  if (machineId === null) throw new HdcsError('invalid', 'No machine was named.')
  return machineId
}
const json = (answer: unknown) => new TextEncoder().encode(JSON.stringify(answer))

interface Asked {
  host: Host
  operation: Operation
  specOf(machineId: string): MachineSpec | null
  dialConsole?: ConsoleDial | undefined
  log: Log
  nowMs: () => number
  /** The agent ends. */
  ended: AbortSignal
}

const operations = {
  reboot: async ({ host, operation }) => {
    await host.machineReboot(machineOf(operation))
    return null
  },
  reset: async ({ host, operation }) => {
    await host.machineReset(machineOf(operation))
    return null
  },
  screenshot: async ({ host, operation }) => {
    const picture = await host.machineScreenshot(machineOf(operation))
    if (picture.length > mostPictureBytes)
      throw new HdcsError('too_large', 'What its screen shows makes too large a picture: open the screen instead.')
    return picture
  },
  xml: async ({ host, operation, specOf }) => {
    const id = machineOf(operation)
    return json(await host.machineXml(id, specOf(id)))
  },
  addresses: async ({ host, operation }) => json(await host.guestAddresses(machineOf(operation))),
  console: async asked => {
    await consoleBring(asked)
    return null
  },
  hostXml: async ({ host }) => json(await host.hostXml()),
  script: async ({ host, operation, specOf, nowMs, ended: signal }) => {
    const id = machineOf(operation)
    const { script } = operation
    if (!script) throw new HdcsError('invalid', 'No script was given.')
    const ask = () => host.guestScript(id, { ...script, id: `try-${operation.id}` })
    const silentMs = () => specOf(id)?.bootTimeoutMs ?? 0
    return json(await scriptRun({ ask, script, silentMs, nowMs, signal }))
  },
} satisfies Record<Operation['name'], (asked: Asked) => Promise<Uint8Array | null>>

/** @param specOf what is wished of a machine; null: nothing. */
export function startAgentOperations(parts: Omit<Asked, 'operation'> & { reporter: Reporter }) {
  const { reporter, log, ended } = parts
  const answers = new Map<string, Promise<FromAgent>>()
  return (operation: Operation): void => {
    let answer = answers.get(operation.id)
    if (!answer) {
      answer = answerOf({ ...parts, operation }, log)
      answers.set(operation.id, answer)
      for (const id of answers.keys()) if (answers.size > keptAnswers) answers.delete(id)
    }
    // What broke off because the agent ends is asked of the next one.
    void answer.then(said => ended.aborted || reporter.send(said))
  }
}

async function answerOf(asked: Asked, log: Log): Promise<FromAgent> {
  const { id, machineId, name } = asked.operation
  try {
    // A newer control plane may ask for what this agent does not know.
    if (!Object.hasOwn(operations, name))
      throw new HdcsError('unsupported', `This host’s agent cannot be asked for “${name}”: update it.`)
    const data = await operations[name](asked)
    return { type: 'operated', operationId: id, trouble: null, data: data && Buffer.from(data).toString('base64') }
  } catch (thrown) {
    const { code, message } = asHdcsError(thrown, `The host could not be asked for “${name}”.`)
    log.warn({ machine: machineId, operation: name, code, err: thrown }, message)
    return { type: 'operated', operationId: id, trouble: { code, text: message }, data: null }
  }
}
