/** Looks now and then which machines of the host are not ours, apart from everything else: a slow libvirt delays no beat. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Host } from './host.ts'
import type { ForeignMachine } from './report.ts'

/** Each look reads the definition of every stranger. Shorter: hundreds of them cost; longer: a new one is seen late. */
const everyMs = 30_000

export interface ForeignWatch extends Disposable {
  /** What was not told over this connection yet; undefined: nothing new. */
  news(): ForeignMachine[] | undefined
  /** Another connection: it was told nothing. */
  forget(): void
}

export function startForeignWatch({ host, log }: { host: Host; log: Log }): ForeignWatch {
  let found: ForeignMachine[] | undefined
  let told = ''
  let trouble = ''
  let looking = false

  async function look(): Promise<void> {
    if (looking) return
    looking = true
    try {
      found = await host.foreignMachines()
      trouble = ''
    } catch (thrown) {
      const { code, message } = asHdcsError(thrown)
      // Once per reason; the last list stays until there is another.
      if (message !== trouble) log.warn({ code, err: thrown }, 'machines that are not ours could not be listed')
      trouble = message
    } finally {
      looking = false
    }
  }
  void look()
  const timer = setInterval(() => void look(), everyMs)
  return {
    news() {
      const text = JSON.stringify(found)
      if (found === undefined || text === told) return undefined
      told = text
      return found
    },
    forget() {
      told = ''
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
