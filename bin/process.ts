/** What every process of ours does the same way: settings, a clean end, errors in words. */
import { type Config, readConfig } from '../lib/config.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { type Log, makeLog } from '../lib/log.ts'

/** A clean end takes well under a second; longer than this, something hangs and the next start has to recover anyway. */
const endTimeoutMs = 15_000

/** What `start` made; some end by themselves, with these words. */
type Running = AsyncDisposable & { ended?: Promise<string> }

/**
 * Runs until Ctrl-C or SIGTERM, then ends what `start` returned. Desktops are never ended with us.
 * Exit codes: 0 clean, 1 could not start or end, 130 asked twice to end.
 */
export async function runProcess(
  name: string,
  start: (given: { config: Config; log: Log; tell: (text: string) => void }) => Promise<Running>,
  farewell = 'Ending; desktops stay as they are.',
): Promise<void> {
  if (Number.parseInt(process.versions.node, 10) < 24)
    fail(`Node 24 is needed, this is ${process.versions.node}: start with npm start.`)
  const began = performance.now()
  const tell = (text: string) =>
    console.log(`  ${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`)
  // Asked to end while starting: the start is let through, then everything is ended in order.
  const asked = Promise.withResolvers<void>()
  let times = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (++times > 1) process.exit(130)
      asked.resolve()
    })
  try {
    const config = readConfig(process.env, process.getuid?.() === 0)
    const log = makeLog(name, config.logLevel)
    process.on('unhandledRejection', error => log.error({ err: error }, 'a promise nobody waited for was broken'))
    const running = await start({ config, log, tell })
    const ended = running.ended ?? new Promise<never>(() => {})
    console.log(`\n${await Promise.race([asked.promise.then(() => farewell), ended])}`)
    setTimeout(() => fail('It did not end in time; the next start recovers.'), endTimeoutMs).unref()
    await running[Symbol.asyncDispose]()
    process.exit(0)
  } catch (thrown) {
    const debug = ['debug', 'trace'].includes(process.env.HDCS_LOG_LEVEL ?? '')
    const error = asHdcsError(thrown, `Could not start: ${reasonOf(thrown)}`)
    if (error.cause && debug) console.error(error.cause)
    fail(error.cause && !debug ? `${error.message} (HDCS_LOG_LEVEL=debug tells more.)` : error.message)
  }
}

/** A program that does one thing and ends. Exit codes: 0 done, 1 not, with the reason in words. */
export async function runOnce(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    fail(error instanceof HdcsError ? error.message : String(error))
  }
}

const reasonOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message || thrown.name : String(thrown))

function fail(text: string): never {
  console.error(`hdcs: ${text}`)
  process.exit(1)
}
