/** Keeps the desktops' network and the rules of who may reach what as wished; machines with a NIC start only under both. */
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { KnownMachine, World } from './agent-world.ts'
import type { Host } from './host.ts'
import type { Trouble } from './report.ts'
import type { NetworkSpec } from './spec.ts'

/** Shorter: a network that cannot be made fills the log; longer: what was repaired is noticed late. */
const againMs = 5_000
/** Rules that somebody took away are put back within this time. Shorter: an idle host with many desktops works for nothing. */
const lookMs = 10_000

const textOf = (network: NetworkSpec) => JSON.stringify(network)

export interface AgentNetwork extends Disposable {
  /** Makes what is not as wished. */
  ensure(): void
  /** Whether this machine has a network to start on, and its rules are in force. */
  ready(known: KnownMachine): boolean
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
  let readyNetwork: string | null = null
  /** Every card up to this version of the wish is under its rules (World.nicsVersion). */
  let inForce = -1
  let looked = false
  let busy = false
  let ended = false
  let trouble: Trouble | null = null

  const isMade = () => world.network !== null && readyNetwork === textOf(world.network)

  async function make(wished: NetworkSpec): Promise<void> {
    if (!isMade()) {
      await host.networkEnsure(wished)
      readyNetwork = textOf(wished)
      inForce = -1
    }
    const version = world.nicsVersion
    looked = true
    const nics = [...world.machines.values()].flatMap(({ spec }) => spec?.nic ?? [])
    const wrong = await host.guestsEnsure(nics).catch(error => {
      inForce = -1
      throw error
    })
    inForce = version
    tell(wrong.length > 0 ? { code: 'invalid', text: `Left out of the desktops’ rules: ${wrong.join('; ')}.` } : null)
  }

  function tell(told: Trouble | null, cause?: unknown): void {
    if (told && trouble?.text !== told.text) log.warn({ code: told.code, err: cause }, told.text)
    trouble = told
  }

  async function turn(wished: NetworkSpec): Promise<void> {
    try {
      await make(wished)
      busy = false
      changed()
    } catch (thrown) {
      const error = asHdcsError(thrown, 'The desktops’ network cannot be made; the agent’s log says why.')
      tell({ code: error.code, text: error.message }, error)
      setTimeout(() => {
        busy = false
        if (!ended) changed()
      }, againMs).unref()
    }
  }

  function ensure(): void {
    const { network } = world
    if (!network || busy || ended || (isMade() && inForce === world.nicsVersion && looked)) return
    busy = true
    track(turn(network))
  }

  const looking = setInterval(() => {
    looked = false
    ensure()
  }, lookMs)

  return {
    ensure,
    ready: known => isMade() && known.nicVersion <= inForce,
    doubt() {
      readyNetwork = null
    },
    get trouble() {
      return trouble
    },
    [Symbol.dispose]() {
      ended = true
      clearInterval(looking)
    },
  }
}
