/** Keeps the desktops' network as wished; machines with a NIC start only on it. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { World } from './agent-world.ts'
import type { Host } from './host.ts'
import type { Trouble } from './report.ts'
import type { NetworkSpec } from './spec.ts'

/** Shorter: a network that cannot be made fills the log; longer: what was repaired is noticed late. */
const againMs = 5_000

const textOf = ({ supernet, subnet }: NetworkSpec) => `${subnet} of ${supernet}`

export interface AgentNetwork {
  /** Makes it unless it is there. */
  ensure(): void
  ready(): boolean
  /** It may be gone: it is ensured anew. */
  doubt(): void
  readonly trouble: Trouble | null
}

export function startAgentNetwork(parts: {
  host: Host
  world: World
  log: Log
  track: (work: Promise<unknown>) => void
  /** It came, or there is a reason why not. */
  changed: () => void
}): AgentNetwork {
  const { host, world, log, track, changed } = parts
  let readySubnet: string | null = null
  let busy = false
  let trouble: Trouble | null = null

  async function make(wished: NetworkSpec): Promise<void> {
    try {
      await host.networkEnsure(wished)
      readySubnet = textOf(wished)
      trouble = null
      busy = false
      changed()
    } catch (thrown) {
      const error = asHdcsError(thrown, 'The desktops’ network cannot be made; the agent’s log says why.')
      if (trouble?.text !== error.message) log.warn({ code: error.code, err: error }, error.message)
      trouble = { code: error.code, text: error.message }
      setTimeout(() => {
        busy = false
        changed()
      }, againMs).unref()
    }
  }

  return {
    ensure() {
      const { network } = world
      if (!network || busy || readySubnet === textOf(network)) return
      busy = true
      track(make(network))
    },
    ready: () => world.network !== null && readySubnet === textOf(world.network),
    doubt() {
      readySubnet = null
    },
    get trouble() {
      return trouble
    },
  }
}
