/**
 * Several libvirt hosts on this machine (test/lab/lab.ts), by hand:
 *
 *   npm run lab -- up 3                  h1, h2, h3 of one cluster (`up main:2 second:1`: of two)
 *   npm run lab -- kill h2 | start h2    power cut, and power on again
 *   npm run lab -- cut h2 | heal h2      pulls its network cable, and plugs it in again
 *   npm run lab -- exec h1 ip address    a program in the host's world
 *   npm run lab -- status | down
 *
 * HDCS_LAB_DIR is the lab's folder; without it, that of `npm run demo:cluster`.
 */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../lib/config.ts'
import { counted } from '../lib/counted.ts'
import { type Lab, labOpen, labUp } from '../test/lab/lab.ts'

const folder = process.env.HDCS_LAB_DIR ?? join(readConfig(process.env, process.getuid?.() === 0).dataFolder, 'lab')
const [command = '', ...words] = process.argv.slice(2)

const onHost = (act: (lab: Lab, host: string) => Promise<void>) => async () => {
  const [host] = words
  if (!host) throw new Error(`Which host? npm run lab -- ${command} h1`)
  await act(labOpen(folder), host)
}

const commands: Record<string, () => Promise<void>> = {
  async up() {
    const running = existsSync(join(folder, 'lab.json')) ? labOpen(folder) : null
    if (running?.hosts.some(({ name }) => running.runs(name)))
      throw new Error(
        'A lab runs there already (`npm run demo:cluster`?). See it: npm run lab -- status. End it first: npm run lab -- down.',
      )
    const lab = await labUp({ folder, hosts: hostsAsked(words), outlives: true })
    console.log(`The control plane's place is ${lab.gateway}; the hosts' storage is ${lab.storage}.`)
    await status(lab)
  },
  kill: onHost((lab, host) => lab.kill(host)),
  start: onHost((lab, host) => lab.start(host)),
  cut: onHost((lab, host) => lab.cut(host)),
  heal: onHost((lab, host) => lab.heal(host)),
  exec: onHost(async (lab, host) => {
    const child = lab.spawn(host, words.slice(1))
    const [code] = await once(child, 'exit')
    process.exitCode = code ?? 1
  }),
  status: () => status(labOpen(folder)),
  down: () => labOpen(folder).down(),
}

/** `3`, or `main:2 second:1`. */
function hostsAsked(asked: string[]): { name: string; cluster: string }[] {
  const clusters = asked.length === 0 ? ['main:2'] : asked.map(one => (/^\d+$/.test(one) ? `main:${one}` : one))
  const hosts = clusters.flatMap(text => {
    const [, cluster = '', count = ''] = /^([a-z][a-z0-9-]*):(\d{1,2})$/.exec(text) ?? []
    if (!cluster) throw new Error(`“${text}” should be a number of hosts, or cluster:number as in main:2.`)
    return Array.from({ length: Number(count) }, () => cluster)
  })
  return hosts.map((cluster, index) => ({ name: `h${index + 1}`, cluster }))
}

async function status(lab: Lab): Promise<void> {
  for (const host of lab.hosts) {
    const guests = lab.runs(host.name) ? await guestsOf(lab, host.name) : 'off'
    console.log(`${host.name}  ${host.address.padEnd(12)}  ${host.cluster.padEnd(10)}  ${guests}`)
  }
}

async function guestsOf(lab: Lab, name: string): Promise<string> {
  await using daemon = await lab.daemon(name)
  const guests = await daemon.actions.connectListAllDomains({})
  return `on, ${counted(guests.length, 'guest', 'guests')} ${guests.map(guest => guest.name).join(' ')}`
}

try {
  const act = commands[command]
  if (!act) throw new Error(`npm run lab -- ${Object.keys(commands).join(' | ')}`)
  await act()
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
