/** Things to be done once, with an answer. The same id asked again (a lost connection) is answered, not done, again. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Reporter } from './agent-reporter.ts'
import type { Host } from './host.ts'
import type { FromAgent } from './protocol.ts'
import type { Operation } from './spec.ts'

/** Answers kept for questions that come again. Fewer: a long outage could repeat a reboot. */
const keptAnswers = 500

const operations = {
  reboot: async (host, id) => {
    await host.machineReboot(id)
    return null
  },
  reset: async (host, id) => {
    await host.machineReset(id)
    return null
  },
  screenshot: async (host, id) => Buffer.from(await host.machineScreenshot(id)).toString('base64'),
} satisfies Record<Operation['name'], (host: Host, machineId: string) => Promise<string | null>>

export function startAgentOperations({ host, reporter, log }: { host: Host; reporter: Reporter; log: Log }) {
  const answers = new Map<string, Promise<FromAgent>>()
  return (operation: Operation): void => {
    let answer = answers.get(operation.id)
    if (!answer) {
      answer = answerOf(host, operation, log)
      answers.set(operation.id, answer)
      for (const id of answers.keys()) if (answers.size > keptAnswers) answers.delete(id)
    }
    void answer.then(reporter.send)
  }
}

async function answerOf(host: Host, { id, machineId, name }: Operation, log: Log): Promise<FromAgent> {
  try {
    const data = await operations[name](host, machineId)
    return { type: 'operated', operationId: id, trouble: null, data }
  } catch (thrown) {
    const { code, message } = asHdcsError(thrown, `The machine could not be asked for “${name}”.`)
    log.warn({ machine: machineId, operation: name, code, err: thrown }, message)
    return { type: 'operated', operationId: id, trouble: { code, text: message }, data: null }
  }
}
