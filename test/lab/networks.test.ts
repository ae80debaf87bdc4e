/** Desktops' networks on real hosts with real guests: what they reach, and what they keep when they move. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { bridgeOf } from '../../lib/routes.ts'
import { macOf } from '../../vmm/networks.ts'
import { installationId, machineSpec, nicSpec } from '../vmm/wishes.ts'
import { guestRun } from './guest.ts'
import { type MoveLab, type Pair, startMoveLab } from './move-lab.ts'

const address = '10.247.4.9'
const gateway = '10.247.0.1'
let site: MoveLab
let pair: Pair
beforeAll(async () => {
  site = await startMoveLab('networks')
  const machine = machineSpec(1, { id: crypto.randomUUID(), name: 'mover', nic: nicSpec(address) })
  pair = await site.pair({ hosts: { source: 'h1', target: 'h2' }, kind: 'live', machine })
}, 240_000)
afterAll(async () => {
  await pair?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
}, 120_000)

const run = async (script: string) => guestRun(await pair.daemon(pair.home), pair.base.id, script)
const reaches = async (target: string) =>
  (await run(`ping -c1 -W1 ${target} >/dev/null 2>&1 && echo yes || echo no`)) === 'yes'
const opens = async (target: string, port: number) =>
  (await run(`nc -w1 ${target} ${port} </dev/null >/dev/null 2>&1 && echo yes || echo no`)) === 'yes'
/** Whose hardware answers for the gateway, asked anew. */
const gatewayMac = () =>
  run(
    `ip neigh flush all >/dev/null 2>&1; ping -c1 -W2 ${gateway} >/dev/null; ip neigh show ${gateway} | sed 's/.*lladdr \\([^ ]*\\).*/\\1/'`,
  )
const tlsPort = 16_514

describe('a guest on real hosts', () => {
  it('reaches the world through its gateway, and no service of its host', async () => {
    // Its agent answers a moment before it has its lease.
    await vi.waitFor(async () => expect(await run('ip -4 address show eth0')).toContain(`${address}/16`), 20_000)
    expect(await gatewayMac()).toBe(macOf(gateway))
    expect(await reaches(site.lab.gateway)).toBe(true)
    expect(await reaches(pair.host('source').address)).toBe(false)
    // libvirt listens there, for other hosts.
    expect(await opens(pair.host('source').address, tlsPort)).toBe(false)
    expect(await opens(gateway, tlsPort)).toBe(false)
  })

  it('finds its gateway where it was after a move, and has its rules there', async () => {
    pair.move()
    expect(await pair.end(60_000)).toBe('done')
    await vi.waitFor(async () => expect(await pair.runs()).toEqual(['target']), 10_000)
    expect(await run('ip -4 address show eth0')).toContain(`${address}/16`)
    // With what it remembers of before, and asked anew.
    expect(await reaches(site.lab.gateway)).toBe(true)
    expect(await gatewayMac()).toBe(macOf(gateway))
    expect(await opens(pair.host('target').address, tlsPort)).toBe(false)
  })

  it('that is started anew where it moved to has the address it had', async () => {
    const before = await run('cat /proc/sys/kernel/random/boot_id')
    const daemon = await pair.daemon(pair.home)
    await daemon.actions.domainReset({ domain: { name: pair.base.id, uuid: pair.base.id, id: -1 } })
    await vi.waitFor(
      async () => {
        expect(await run('cat /proc/sys/kernel/random/boot_id')).not.toBe(before)
        expect(await run('ip -4 address show eth0')).toContain(`${address}/16`)
      },
      { timeout: 90_000, interval: 1_000 },
    )
    expect(await reaches(site.lab.gateway)).toBe(true)
  })

  it('feels at once that its pool is isolated, or may reach one place alone', async () => {
    pair.change({ nic: nicSpec(address, { mode: 'isolated' }) })
    await vi.waitFor(async () => expect(await reaches(site.lab.gateway)).toBe(false), 20_000)
    expect(await reaches(gateway)).toBe(false)
    pair.change({ nic: nicSpec(address, { mode: 'isolated', allow: [{ cidr: site.lab.gateway, protocol: 'icmp' }] }) })
    await vi.waitFor(async () => expect(await reaches(site.lab.gateway)).toBe(true), 20_000)
    expect(await opens(site.lab.gateway, 53)).toBe(false)
    pair.change({ nic: nicSpec(address) })
  })

  it('is under rules again when somebody flushed them all', async () => {
    const host = pair.host(pair.home).name
    await site.lab.exec(host, ['nft', 'flush', 'ruleset'])
    const rules = async () => (await site.lab.exec(host, ['nft', 'list', 'tables'])).stdout
    await vi.waitFor(async () => expect(await rules()).toContain(`table bridge ${bridgeOf(installationId)}`), 20_000)
    expect(await opens(pair.host(pair.home).address, tlsPort)).toBe(false)
    expect(await reaches(site.lab.gateway)).toBe(true)
  })
})
