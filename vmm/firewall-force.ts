/** Puts the desktops' rules (firewall.ts) in force with `nft`, in one step, and looks whether they still are. */
import { createHash } from 'node:crypto'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { type FirewallWish, firewallNone, firewallText, tableOf } from './firewall.ts'
import { makeRulesWatch } from './firewall-watch.ts'
import { type ProgramOptions, type ProgramResult, rootPath, runProgram } from './programs.ts'

export interface FirewallPlace {
  installationId: string
  /** Put before `nft` where the desktops live in another network namespace: `nsenter …`. */
  enter?: readonly string[]
}

export interface ForcedFirewall extends Disposable {
  /**
   * Does nothing when these very rules are in force, and puts them back when somebody changed or flushed them.
   * @returns what was left out, and is closed by that.
   * @throws HdcsError `unsupported` where nft is missing or refuses.
   */
  ensure(wish: Pick<FirewallWish, 'network' | 'nics'>): Promise<string[]>
}

/** nft takes 50 ms for a thousand guests. Longer: a start waits for what will not come. */
const nftMs = 20_000

export function makeFirewall(place: FirewallPlace): ForcedFirewall {
  /** As we wrote them, and as nft tells them. */
  let inForce: { text: string; told: Promise<string | null> } | null = null
  const watch = makeRulesWatch(place.enter ?? [], tableOf(place.installationId))
  return {
    async ensure(wish) {
      const { text, wrong } = firewallText({ ...wish, installationId: place.installationId })
      const alike = inForce?.text === text ? inForce : null
      if (alike && (watch.quiet() || (await sameTold(await alike.told, rulesTold(place))))) return wrong
      inForce = null
      await force(place, text)
      // Starts need not wait for what only the next look compares with. Unknown is never the same: they are put in force anew.
      inForce = { text, told: rulesTold(place).catch(() => null) }
      return wrong
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  }
}

/** For an installation that leaves a host: its rules go. Where there is no nft there never were any. */
export async function firewallRemove(place: FirewallPlace): Promise<void> {
  try {
    await force(place, firewallNone(place.installationId))
  } catch (thrown) {
    if (asHdcsError(thrown).code !== 'unsupported') throw thrown
  }
}

const sameTold = async (before: string | null, now: Promise<string | null>) => (await now) === before && before !== null

async function force(place: FirewallPlace, text: string): Promise<void> {
  const { code, errors } = await nft(place, ['-f', '-'], { input: text })
  if (code !== 0) throw unprotected(errors.split('\n')[0] || `exit code ${code}`)
}

/** What nft says of our tables, as a digest; null when it cannot, or one is gone. */
async function rulesTold(place: FirewallPlace): Promise<string | null> {
  const tell = async (family: string) => {
    const digest = createHash('sha256')
    const onLine = (line: string) => void digest.update(`${line}\n`)
    const { code } = await nft(place, ['-s', 'list', 'table', family, tableOf(place.installationId)], { onLine })
    return code === 0 ? digest.digest('hex') : null
  }
  const told = await Promise.all(['bridge', 'inet'].map(tell))
  return told.includes(null) ? null : told.join(' ')
}

async function nft(
  { enter = [] }: FirewallPlace,
  args: string[],
  options: Pick<ProgramOptions, 'input' | 'onLine'>,
): Promise<ProgramResult> {
  const [program = '', ...rest] = [...enter, 'nft', ...args]
  try {
    return await runProgram(program, rest, { ...options, timeoutMs: nftMs, env: { PATH: rootPath() } })
  } catch (thrown) {
    if (asHdcsError(thrown).code === 'unsupported') throw unprotected('nft is not installed', thrown)
    throw thrown
  }
}

const unprotected = (why: string, cause?: unknown) =>
  new HdcsError(
    'unsupported',
    `Desktops with a network do not start: the rules that keep them apart cannot be put in force (${why}). Install nftables and run the agent as root; HDCS_FIREWALL=off starts them unprotected.`,
    { cause },
  )
