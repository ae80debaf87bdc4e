/**
 * A host with desktops as a network sees them: namespaces joined by cables, no libvirt and no QEMU. Packets are real, and so
 * are the bridge, the routes and the rules; a desktop is a station that sends what it is told to (net-station.pl).
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bridgeOf } from '../../lib/routes.ts'
import { macOf, readSubnet, tapOf } from '../../vmm/networks.ts'
import type { NetworkSpec } from '../../vmm/spec.ts'

const run = promisify(execFile)
const program = fileURLToPath(new URL('net-station.pl', import.meta.url))
/** Everything here is one machine: an answer that is not there after this time never comes, however busy it is. */
const answerMs = 400
/** dnsmasq asks libvirt's helper before it answers. */
const leaseMs = 2_000

export interface Station extends Disposable {
  pid: number
  /** What the server saw as our address; null without an answer. */
  tcp(address: string, port: number): Promise<string | null>
  udp(address: string, port: number): Promise<string | null>
  ping(address: string): Promise<boolean>
  serve(port: number): Promise<void>
  /** “address netmask gateway seconds MAC-of-the-server”; null when nobody gives it one. */
  dhcp(): Promise<string | null>
  /** A frame in hex, from Ethernet's first byte. */
  send(frame: string): Promise<void>
  /** Frames that came since last asked. */
  heard(): Promise<string[]>
}

export interface NetWorld extends AsyncDisposable {
  /** To be put before a program that shall run on the host. */
  enter: string[]
  /** Runs `ip …` on the host. */
  ip(...args: string[]): Promise<void>
  /** Outside, beside the host: 198.51.100.1, .9 and .10; it knows no way to the desktops. */
  outside: Station
  /** On the host itself: 198.51.100.2 outside, the gateway inside. */
  host: Station
  /** A desktop with this address. `bridge`: another one than the desktops' own. */
  desktop(address: string, options?: { bridge?: string; ip?: string; gateway?: string }): Promise<Station>
}

export async function startStation(): Promise<Station> {
  const child = spawn('unshare', ['--net', '--', 'perl', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child, 'spawn')
  const { pid } = child
  if (pid === undefined) throw new Error('no station')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let turn: Promise<unknown> = Promise.resolve()
  const ask = (...words: (string | number)[]): Promise<string> => {
    const answer = turn.then(async () => {
      child.stdin.write(`${words.join(' ')}\n`)
      const { value, done } = await lines.next()
      if (done) throw new Error(`the station ended at: ${words.join(' ')}`)
      return String(value)
    })
    turn = answer.catch(() => {
      // Told to whoever asked.
    })
    return answer
  }
  const orNull = async (answer: Promise<string>) => ((await answer) === 'none' ? null : await answer)
  // Its namespace is there once it answers.
  await ask('hello')
  return {
    pid,
    tcp: (address, port) => orNull(ask('tcp', address, port, answerMs)),
    udp: (address, port) => orNull(ask('udp', address, port, answerMs)),
    ping: async address => (await ask('ping', address, answerMs)) === 'yes',
    dhcp: () => orNull(ask('dhcp', leaseMs)),
    serve: async port => void (await ask('serve', port)),
    async send(frame) {
      const answer = await ask('send', frame)
      if (answer !== 'ok') throw new Error(answer)
    },
    heard: async () => (await ask('heard')).split(' ').filter(Boolean),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

/** Plugs a station into a bridge, as a desktop of this address; `enter` leads to the bridge's host. */
export async function stationPlug(
  station: Station,
  enter: readonly string[],
  cable: { address: string; bridge: string; mac?: string },
): Promise<void> {
  const tap = tapOf(cable.address)
  const [program = '', ...rest] = [...enter, 'ip', 'link']
  await run(program, [...rest, 'add', tap, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${station.pid}`])
  await run(program, [...rest, 'set', tap, 'master', cable.bridge, 'up'])
  await ipIn(station.pid, 'link', 'set', 'eth0', 'address', cable.mac ?? macOf(cable.address), 'up')
}

const within = (pid: number) => ['nsenter', '-t', `${pid}`, '-n']
async function runIn(pid: number, ...command: string[]): Promise<void> {
  const [enter = '', ...rest] = [...within(pid), ...command]
  await run(enter, rest)
}
const ipIn = (pid: number, ...args: string[]) => runIn(pid, 'ip', ...args)

/** Needs root. */
export async function startNetWorld(installationId: string, network: NetworkSpec): Promise<NetWorld> {
  await using undo = new AsyncDisposableStack()
  const host = undo.use(await startStation())
  const outside = undo.use(await startStation())
  const stations = undo.use(new DisposableStack())
  const { gateway, prefix } = readSubnet(network)
  const bridge = bridgeOf(installationId)
  const ip = (...args: string[]) => ipIn(host.pid, ...args)
  await ip('link', 'set', 'lo', 'up')
  await ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${outside.pid}`)
  await ip('address', 'add', '198.51.100.2/24', 'dev', 'eth0')
  await ip('link', 'set', 'eth0', 'up')
  for (const last of [1, 9, 10]) await ipIn(outside.pid, 'address', 'add', `198.51.100.${last}/24`, 'dev', 'eth0')
  await ipIn(outside.pid, 'link', 'set', 'eth0', 'up')
  await ip('link', 'add', bridge, 'address', macOf(gateway), 'type', 'bridge', 'forward_delay', '0')
  await ip('address', 'add', `${gateway}/${prefix}`, 'dev', bridge)
  await ip('link', 'set', bridge, 'up')
  await ip('route', 'add', 'default', 'via', '198.51.100.1')
  await runIn(host.pid, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
  const kept = undo.move()
  return {
    enter: within(host.pid),
    ip,
    outside,
    host,
    async desktop(address, options = {}) {
      const station = stations.use(await startStation())
      await stationPlug(station, within(host.pid), { address, bridge, ...options })
      await ipIn(station.pid, 'address', 'add', `${options.ip ?? address}/${options.ip ? 24 : prefix}`, 'dev', 'eth0')
      if (!options.ip) await ipIn(station.pid, 'route', 'add', 'default', 'via', options.gateway ?? gateway)
      // Who was asked for in vain is asked for again at once, not after a second: rules change from one line to the next.
      await runIn(station.pid, 'sh', '-c', 'echo 20 > /proc/sys/net/ipv4/neigh/eth0/retrans_time_ms')
      // Frames are listened for from now on.
      await station.heard()
      return station
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
